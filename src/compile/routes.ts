/**
 * ROUTES and the NODE record: where an address is.
 *
 *   address of a pod behind a link       POD     its link, with both MACs
 *   pod range of another node            UPLINK  the first uplink, by way of the node's address
 *   another node's own addresses         UPLINK  the first uplink
 *   the node's own addresses             HOST    and who speaks with them is the node
 *   service ranges                       NONE    what no frontend has taken goes nowhere
 *   everything else                      HOST    the kernel routes it
 */
import {
  Action,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_FLAGS_OFF,
  ROUTE_F_OWN,
  ROUTE_F_SERVICE,
  ROUTE_IFINDEX_OFF,
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
import type { PodRecord } from '../model/pods.js';
import { linkKey, linkRow } from './links.js';
import type { Link, PodLink, UplinkLink } from './links.js';
import { LOOPBACK, isGlobal } from './node-ports.js';
import type { NodeAddresses } from './node-ports.js';
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
}

function routeRow(cidr: Cidr, action: Action, { link, flags = 0, macs }: Way = {}): PlainRow {
  const bytes = new Uint8Array(ROUTE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(ROUTE_ACTION_OFF, action);
  view.setUint8(ROUTE_FLAGS_OFF, flags);
  bytes.set(cidr.bytes, ROUTE_ADDR_OFF);
  view.setUint32(ROUTE_PREFIX_LEN_OFF, mappedPrefixLen(cidr), true);
  view.setUint32(ROUTE_IFINDEX_OFF, link?.ifindex ?? 0, true);
  if (macs) {
    bytes.set(macs[0], ROUTE_DST_MAC_OFF);
    bytes.set(macs[1], ROUTE_SRC_MAC_OFF);
  }
  return { table: TableId.ROUTE, bytes };
}

/** A pod of this node: its link and a route to each of its addresses. */
export function compilePod(pod: PodRecord, link: PodLink, detection: PodDetection): Rows {
  const row = linkRow(link, pod.addresses, detection);
  const rows = new Map<RowKey, Row>([[linkKey(link), row]]);
  for (const address of pod.addresses) {
    const cidr = hostCidr(address);
    const macs = [link.mac, link.ownMac] as const;
    rows.set(routeKey(cidr), routeRow(cidr, Action.POD, { link, macs }));
  }
  return rows;
}

/**
 * Another node: its pods and its own addresses are out of the uplink. Without one the kernel's
 * routes have to do. Only an uplink with an I/O port has use for MACs.
 */
export function compilePeer(
  { podCIDRs, internalIPs }: NodeRecord,
  uplink: UplinkLink | undefined,
  neighbours: Neighbours,
): Rows {
  if (uplink === undefined) return new Map();
  const wayBy = (hop: Address | undefined): Way => {
    const mac = hop && uplink.ioPort !== undefined ? neighbours.get(formatAddress(hop)) : undefined;
    return { link: uplink, macs: mac && [mac, uplink.ownMac] };
  };
  const pods = podCIDRs.map((cidr) => {
    const hop = internalIPs.find(({ family }) => family === cidr.family);
    return [cidr, wayBy(hop)] as const;
  });
  const own = internalIPs.map((address) => [hostCidr(address), wayBy(address)] as const);
  const rows = [...pods, ...own].map(
    ([cidr, way]) => [routeKey(cidr), routeRow(cidr, Action.UPLINK, way)] as const,
  );
  return new Map<RowKey, Row>(rows);
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
}

/** This node. */
export function compileSelf(self: Self): Rows {
  const { links, policy } = self;
  const { own, local } = self.addresses;
  const rows = new Map<RowKey, Row>([
    [rowKey('node', 'addresses'), nodeRow(own)],
    [rowKey('node', 'policy'), policyRow(policy, self.podCIDRs)],
  ]);
  const put = (cidr: Cidr, action: Action, way?: Way): void => {
    rows.set(routeKey(cidr), routeRow(cidr, action, way));
  };
  for (const link of links) rows.set(linkKey(link), linkRow(link, [], policy.pods));
  for (const cidr of EVERYTHING) put(cidr, Action.HOST);
  for (const cidr of self.serviceCIDRs) put(cidr, Action.NONE, { flags: ROUTE_F_SERVICE });
  // What the host answers comes by the trunk.
  const link = links.find(({ kind }) => kind === 'host');
  const ours = [...own, ...local].filter(isGlobal).map(hostCidr);
  for (const cidr of self.hasLocalhost ? [...ours, LOOPBACK] : ours) {
    put(cidr, Action.HOST, { link, flags: ROUTE_F_OWN });
  }
  return rows;
}
