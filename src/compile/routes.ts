/**
 * ROUTES and the NODE record: where an address is.
 *
 *   address of a pod behind a link       POD     its link, with both MACs
 *   pod range of another node            UPLINK  the first uplink, by way of the node's address, or
 *                                                a tunnel, with both MACs (overlay.ts)
 *   another node's own addresses         UPLINK  the first uplink
 *   the node's own addresses             HOST    and who speaks with them is the node
 *   service ranges                       NONE    what no frontend has taken goes nowhere
 *   outside, by a route of the kernel    UPLINK  the uplink it names (outside.ts)
 *   everything else                      HOST    the kernel routes it
 */
import {
  Action,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_FLAGS_OFF,
  ROUTE_F_OUTSIDE,
  ROUTE_F_OWN,
  ROUTE_F_SERVICE,
  ROUTE_F_TUNNEL,
  ROUTE_IFINDEX_OFF,
  ROUTE_MTU_OFF,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  ROUTE_SRC_MAC_OFF,
  TableId,
} from '../../assembly/abi.js';
import {
  ADDR_SIZE,
  formatAddress,
  formatCidr,
  hostCidr,
  mappedPrefixLen,
  parseCidr,
} from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { NodeRecord } from '../model/nodes.js';
import { linkKey, linkRow } from './links.js';
import type { Link, PodLink, TunnelLink, UplinkLink } from './links.js';
import { LOOPBACK, isGlobal } from './node-ports.js';
import type { NodeAddresses } from './node-ports.js';
import { exemptRow, outsideRoutes, takenPortsRow } from './outside.js';
import type { Outside } from './outside.js';
import type { PeerWay, TunnelWay } from './overlay.js';
import { policyRow } from './policy.js';
import type { PodDetection, PolicyOptions } from './policy.js';
import { rowKey } from './rows.js';
import type { PlainRow, Row, RowKey, Rows } from './rows.js';

const EVERYTHING = [parseCidr('0.0.0.0/0'), parseCidr('::/0')];

/** MAC addresses of neighbours behind the uplinks, by the text of their addresses. */
export type Neighbours = ReadonlyMap<string, Uint8Array>;

export function routeKey(cidr: Cidr): RowKey {
  return rowKey('route', formatCidr(cidr));
}

/** Where a route leads; without MACs the kernel resolves the next hop. */
interface Way {
  readonly link?: Link | undefined;
  readonly flags?: number;
  /** Of the next hop, and ours. */
  readonly macs?: readonly [Uint8Array, Uint8Array] | undefined;
  /** Longest packet, where it is less than the link's. */
  readonly mtu?: number | undefined;
}

function routeRow(cidr: Cidr, action: Action, { link, flags = 0, macs, mtu }: Way = {}): PlainRow {
  const bytes = new Uint8Array(ROUTE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(ROUTE_ACTION_OFF, action);
  view.setUint8(ROUTE_FLAGS_OFF, flags);
  bytes.set(cidr.bytes, ROUTE_ADDR_OFF);
  view.setUint32(ROUTE_PREFIX_LEN_OFF, mappedPrefixLen(cidr), true);
  view.setUint32(ROUTE_IFINDEX_OFF, link?.ifindex ?? 0, true);
  view.setUint32(ROUTE_MTU_OFF, mtu ?? 0, true);
  if (macs) {
    bytes.set(macs[0], ROUTE_DST_MAC_OFF);
    bytes.set(macs[1], ROUTE_SRC_MAC_OFF);
  }
  return { table: TableId.ROUTE, bytes };
}

/** A pod of this node: its link and a route to each of its addresses. */
export function compilePod(
  pod: { readonly addresses: readonly Address[] },
  link: PodLink,
  detection: PodDetection,
): Rows {
  const row = linkRow(link, pod.addresses, detection);
  const rows = new Map<RowKey, Row>([[linkKey(link), row]]);
  for (const address of pod.addresses) {
    const cidr = hostCidr(address);
    const macs = [link.mac, link.ownMac] as const;
    rows.set(routeKey(cidr), routeRow(cidr, Action.POD, { link, macs }));
  }
  return rows;
}

/** What leads to other nodes. */
export interface Outward {
  /** Undefined: the kernel's routes have to do. */
  readonly uplink: UplinkLink | undefined;
  readonly tunnels: readonly TunnelLink[];
  readonly neighbours: Neighbours;
}

/** Straight to a node. Only an uplink with an I/O port has use for MACs. */
function wayBy(hop: Address | undefined, { uplink, neighbours }: Outward): Way | undefined {
  if (uplink === undefined) return undefined;
  const mac = hop && uplink.ioPort !== undefined ? neighbours.get(formatAddress(hop)) : undefined;
  return { link: uplink, macs: mac && [mac, uplink.ownMac] };
}

function wayThrough({ family, mac, mtu }: TunnelWay, { tunnels }: Outward): Way | undefined {
  const link = tunnels.find((tunnel) => tunnel.family === family);
  if (link === undefined) return undefined;
  const narrower = mtu !== undefined && mtu < link.mtu ? mtu : undefined;
  return { link, flags: ROUTE_F_TUNNEL, macs: [mac, link.ownMac], mtu: narrower };
}

/** Another node: its pods by their ways, its own addresses always straight. */
export function compilePeer(
  { internalIPs }: NodeRecord,
  ways: readonly PeerWay[],
  outward: Outward,
): Rows {
  const rows = new Map<RowKey, Row>();
  const put = (cidr: Cidr, way: Way | undefined): void => {
    if (way) rows.set(routeKey(cidr), routeRow(cidr, Action.UPLINK, way));
  };
  for (const way of ways) {
    put(way.cidr, way.by === 'direct' ? wayBy(way.via, outward) : wayThrough(way, outward));
  }
  for (const address of internalIPs) put(hostCidr(address), wayBy(address, outward));
  return rows;
}

/** The NODE record: the first address of each family, 0 when there is none. */
function nodeRow(addresses: readonly Address[]): PlainRow {
  const bytes = new Uint8Array(2 * ADDR_SIZE);
  ([4, 6] as const).forEach((family, i) => {
    const address = addresses.find((candidate) => candidate.family === family);
    if (address) bytes.set(address.bytes, i * ADDR_SIZE);
  });
  return { table: TableId.NODE, bytes };
}

/** What the rows of this node stand on. */
export interface Self {
  readonly addresses: NodeAddresses;
  /** Trunk and uplinks. */
  readonly links: readonly Link[];
  readonly policy: PolicyOptions;
  readonly podCIDRs: readonly Cidr[];
  readonly serviceCIDRs: readonly Cidr[];
  /** Node ports are served on 127.0.0.1, so the host speaks from there. */
  readonly hasLocalhost: boolean;
  readonly outside: Outside;
  /** Addresses of servers of ours that are reached by services only. */
  readonly servers: readonly Address[];
  /** Ranges of pods, of all nodes. */
  readonly clusterCIDRs: readonly Cidr[];
}

function clusterRanges({ clusterCIDRs, podCIDRs, serviceCIDRs }: Self): Cidr[] {
  return [...clusterCIDRs, ...podCIDRs, ...serviceCIDRs];
}

/** This node. */
export function compileSelf(self: Self): Rows {
  const { links, policy } = self;
  const { own, local } = self.addresses;
  const beyond = links.flatMap((each) => (each.kind === 'tunnel' ? each.addresses : []));
  const rows = new Map<RowKey, Row>([
    // Of a family that the node has no address of, it may have one beyond its tunnels.
    [rowKey('node', 'addresses'), nodeRow([...own, ...beyond])],
    [rowKey('node', 'policy'), policyRow(policy, self.podCIDRs)],
    [rowKey('node', 'exempt'), exemptRow(self.outside)],
    [rowKey('node', 'taken ports'), takenPortsRow(self.outside)],
  ]);
  const put = (cidr: Cidr, action: Action, way?: Way): void => {
    rows.set(routeKey(cidr), routeRow(cidr, action, way));
  };
  for (const link of links) {
    const speaking = link.kind === 'tunnel' ? link.addresses : [];
    rows.set(linkKey(link), linkRow(link, speaking, policy.pods));
  }
  // An address of ours that no pod has is nowhere outside; other plugins' pods the kernel knows.
  for (const cidr of [...EVERYTHING, ...self.podCIDRs]) put(cidr, Action.HOST);
  for (const { cidr, uplink } of outsideRoutes(self.outside, clusterRanges(self))) {
    const link = uplink === undefined ? undefined : links.find(({ ifindex }) => ifindex === uplink);
    if (link === undefined) put(cidr, Action.HOST);
    else put(cidr, Action.UPLINK, { link, flags: ROUTE_F_OUTSIDE });
  }
  for (const cidr of self.serviceCIDRs) put(cidr, Action.NONE, { flags: ROUTE_F_SERVICE });
  // What the host answers comes by the trunk.
  const link = links.find(({ kind }) => kind === 'host');
  const global = [...own, ...local, ...beyond].filter(isGlobal);
  const ours = [...global, ...self.servers].map(hostCidr);
  for (const cidr of self.hasLocalhost ? [...ours, LOOPBACK] : ours) {
    put(cidr, Action.HOST, { link, flags: ROUTE_F_OWN });
  }
  return rows;
}
