/**
 * ROUTES and the NODE record: where an address is.
 *
 *   address of a pod behind a link       POD     its link, with both MACs
 *   pod range of another node            UPLINK  the first uplink; the kernel knows the next hop
 *   the node's own addresses             HOST
 *   everything else                      HOST    the kernel routes it
 */
import {
  Action,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  ROUTE_SRC_MAC_OFF,
  TableId,
} from '../../assembly/abi.js';
import { ADDR_SIZE, formatCidr, hostCidr, mappedPrefixLen, parseCidr } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { NodeRecord } from '../model/nodes.js';
import type { PodRecord } from '../model/pods.js';
import { linkKey, linkRow } from './links.js';
import type { Link, PodLink, UplinkLink } from './links.js';
import { rowKey } from './rows.js';
import type { PlainRow, Row, RowKey, Rows } from './rows.js';

const EVERYTHING = [parseCidr('0.0.0.0/0'), parseCidr('::/0')];

export function routeKey(cidr: Cidr): RowKey {
  return rowKey('route', formatCidr(cidr));
}

function routeRow(cidr: Cidr, action: Action, link?: Link): PlainRow {
  const bytes = new Uint8Array(ROUTE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(ROUTE_ACTION_OFF, action);
  bytes.set(cidr.bytes, ROUTE_ADDR_OFF);
  view.setUint32(ROUTE_PREFIX_LEN_OFF, mappedPrefixLen(cidr), true);
  view.setUint32(ROUTE_IFINDEX_OFF, link?.ifindex ?? 0, true);
  if (link?.kind === 'pod') {
    bytes.set(link.mac, ROUTE_DST_MAC_OFF);
    bytes.set(link.ownMac, ROUTE_SRC_MAC_OFF);
  }
  return { table: TableId.ROUTE, bytes };
}

/** A pod of this node: its link and a route to each of its addresses. */
export function compilePod(pod: PodRecord, link: PodLink): Rows {
  const rows = new Map<RowKey, Row>([[linkKey(link), linkRow(link, pod.addresses)]]);
  for (const address of pod.addresses) {
    const cidr = hostCidr(address);
    rows.set(routeKey(cidr), routeRow(cidr, Action.POD, link));
  }
  return rows;
}

/** Another node: its pods are out of the uplink. Without one the kernel's routes have to do. */
export function compilePeer(node: NodeRecord, uplink: UplinkLink | undefined): Rows {
  if (uplink === undefined) return new Map();
  const rows = node.podCIDRs.map(
    (cidr) => [routeKey(cidr), routeRow(cidr, Action.UPLINK, uplink)] as const,
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

/**
 * This node.
 *
 * @param addresses  its own, the preferred one of each family first
 * @param links      trunk and uplinks
 */
export function compileSelf(addresses: readonly Address[], links: readonly Link[]): Rows {
  const rows = new Map<RowKey, Row>([[rowKey('node', 'addresses'), nodeRow(addresses)]]);
  for (const link of links) rows.set(linkKey(link), linkRow(link, []));
  for (const cidr of [...EVERYTHING, ...addresses.map(hostCidr)]) {
    rows.set(routeKey(cidr), routeRow(cidr, Action.HOST));
  }
  return rows;
}
