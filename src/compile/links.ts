/**
 * LINKS: who may speak on an interface and how its far end is reached.
 */
import {
  LINK_ADDR4_OFF,
  LINK_ADDR6_OFF,
  LINK_FLAGS_OFF,
  LINK_F_POD,
  LINK_F_TUNNEL,
  LINK_F_SHAPED,
  LINK_KEY_OFF,
  LINK_KIND_OFF,
  LINK_MAC_OFF,
  LINK_MTU_OFF,
  LINK_OWN_MAC_OFF,
  LINK_PORT_OFF,
  LINK_SIZE,
  LinkKind,
  TableId,
} from '../../assembly/abi.js';
import type { Address, Family } from '../addr.js';
import type { ObjectKey } from '../model/keys.js';
import type { PodDetection } from './policy.js';
import { rowKey } from './rows.js';
import type { PlainRow, RowKey } from './rows.js';

/** What the kernel side knows of an interface. */
interface LinkFacts {
  readonly ifindex: number;
  /** Name of our end; pods may be told by it. */
  readonly name?: string;
  /** Our end. */
  readonly ownMac: Uint8Array;
  readonly mtu: number;
  /** I/O port that reaches the interface directly; left out when the trunk does. */
  readonly ioPort?: number;
}

export interface PodLink extends LinkFacts {
  readonly kind: 'pod';
  readonly pod: ObjectKey;
  /** The pod's own interface. */
  readonly mac: Uint8Array;
  /** A queueing discipline on our end holds back what goes to the pod. */
  readonly isShaped?: boolean;
}

/** The host's stack, behind the host side of the trunk. */
export interface HostLink extends LinkFacts {
  readonly kind: 'host';
}

export interface UplinkLink extends LinkFacts {
  readonly kind: 'uplink';
  readonly name: string;
}

/** A device that puts packets into others, for other nodes. */
export interface TunnelLink extends LinkFacts {
  readonly kind: 'tunnel';
  readonly name: string;
  /** Of the packets around. */
  readonly family: Family;
  /** What this node is called beyond it, at most one a family. */
  readonly addresses: readonly Address[];
}

export type Link = PodLink | HostLink | UplinkLink | TunnelLink;

const KIND: Readonly<Record<Link['kind'], LinkKind>> = {
  pod: LinkKind.POD,
  host: LinkKind.HOST,
  uplink: LinkKind.UPLINK,
  tunnel: LinkKind.UPLINK,
};

const IPV4_IN_MAPPED_OFF = 12;

export function linkKey(link: Link): RowKey {
  return rowKey('link', String(link.ifindex));
}

/** Whether who comes by a link is a pod. */
function isPods({ kind, name }: Link, detection: PodDetection): boolean {
  switch (detection.by) {
    case 'link':
      return kind === 'pod';
    case 'name':
      return name === detection.name;
    case 'prefix':
      return name?.startsWith(detection.prefix) === true;
    default:
      return false;
  }
}

/** @param addresses  the only sources the far end may use, of a tunnel ours; else none */
export function linkRow(
  link: Link,
  addresses: readonly Address[],
  detection: PodDetection,
): PlainRow {
  const bytes = new Uint8Array(LINK_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(LINK_KIND_OFF, KIND[link.kind]);
  view.setUint8(LINK_PORT_OFF, link.ioPort === undefined ? 0 : link.ioPort + 1);
  view.setBigUint64(LINK_KEY_OFF, BigInt(link.ifindex), true);
  view.setUint32(LINK_MTU_OFF, link.mtu, true);
  for (const { family, bytes: address } of addresses) {
    if (family === 4) bytes.set(address.subarray(IPV4_IN_MAPPED_OFF), LINK_ADDR4_OFF);
    else bytes.set(address, LINK_ADDR6_OFF);
  }
  if (link.kind === 'pod') bytes.set(link.mac, LINK_MAC_OFF);
  const isShaped = link.kind === 'pod' && link.isShaped === true;
  const flags = (isPods(link, detection) ? LINK_F_POD : 0) | (isShaped ? LINK_F_SHAPED : 0);
  view.setUint8(LINK_FLAGS_OFF, flags | (link.kind === 'tunnel' ? LINK_F_TUNNEL : 0));
  bytes.set(link.ownMac, LINK_OWN_MAC_OFF);
  return { table: TableId.LINK, bytes };
}
