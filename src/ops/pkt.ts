/** The Pkt record and the frame that a trace brings back, as values with names. */
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PKT_ACTION_OFF,
  PKT_DROP_OFF,
  PKT_DST_OFF,
  PKT_FLAGS_OFF,
  PKT_FRONTEND_OFF,
  PKT_IN_IFINDEX_OFF,
  PKT_LEN_OFF,
  PKT_LINK_OFF,
  PKT_MACS_OFF,
  PKT_MASQUERADE_OFF,
  PKT_NEW_DST_OFF,
  PKT_NEW_PORTS_OFF,
  PKT_NEW_SRC_OFF,
  PKT_NO_SERVICE,
  PKT_ORIGIN_OFF,
  PKT_OUT_IFINDEX_OFF,
  PKT_PORTS_OFF,
  PKT_PROTO_OFF,
  PKT_REJECTED_OFF,
  PKT_ROUTE_OFF,
  PKT_SERVICE_OFF,
  PKT_SRC_OFF,
} from '../../assembly/abi.js';
import type { Action, Drop, FrontendKind, Origin } from '../../assembly/abi.js';
import { ADDR_SIZE, familyOf } from '../addr.js';
import type { ProbeEnd } from './probe-frame.js';

export interface Pkt {
  readonly len: number;
  readonly inIfindex: number;
  readonly outIfindex: number;
  readonly proto: number;
  readonly flags: number;
  readonly action: Action;
  readonly drop: Drop;
  readonly from: ProbeEnd;
  readonly to: ProbeEnd;
  /** After translation; unspecified addresses where the service stage did not run. */
  readonly newFrom: ProbeEnd;
  readonly newTo: ProbeEnd;
  /** Stages that have left their mark. */
  readonly hasLink: boolean;
  readonly wasServed: boolean;
  readonly wasRouted: boolean;
  /** Row of SERVICES. */
  readonly service: number | undefined;
  readonly frontend: FrontendKind;
  readonly origin: Origin;
  readonly masquerade: boolean;
  readonly rejected: boolean;
  /** The next hop's MACs are in the frame. */
  readonly hasMacs: boolean;
}

export function readPkt(bytes: Uint8Array): Pkt {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const end = (addressAt: number, portAt: number): ProbeEnd => {
    const address = bytes.slice(addressAt, addressAt + ADDR_SIZE);
    return { address: { bytes: address, family: familyOf(address) }, port: view.getUint16(portAt) };
  };
  const service = u32(PKT_SERVICE_OFF);
  const newTo = end(PKT_NEW_DST_OFF, PKT_NEW_PORTS_OFF + 2);
  return {
    len: u32(PKT_LEN_OFF),
    inIfindex: u32(PKT_IN_IFINDEX_OFF),
    outIfindex: u32(PKT_OUT_IFINDEX_OFF),
    proto: view.getUint8(PKT_PROTO_OFF),
    flags: view.getUint16(PKT_FLAGS_OFF, true),
    action: view.getUint8(PKT_ACTION_OFF),
    drop: view.getUint8(PKT_DROP_OFF),
    from: end(PKT_SRC_OFF, PKT_PORTS_OFF),
    to: end(PKT_DST_OFF, PKT_PORTS_OFF + 2),
    newFrom: end(PKT_NEW_SRC_OFF, PKT_NEW_PORTS_OFF),
    newTo,
    hasLink: u32(PKT_LINK_OFF) !== 0,
    wasServed: newTo.address.bytes.some((byte) => byte !== 0),
    wasRouted: u32(PKT_ROUTE_OFF) !== 0,
    service: service === PKT_NO_SERVICE ? undefined : service,
    frontend: view.getUint8(PKT_FRONTEND_OFF),
    origin: view.getUint8(PKT_ORIGIN_OFF),
    masquerade: view.getUint8(PKT_MASQUERADE_OFF) !== 0,
    rejected: view.getUint8(PKT_REJECTED_OFF) !== 0,
    hasMacs: u32(PKT_MACS_OFF) !== 0,
  };
}

export const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [IPPROTO_TCP]: 'TCP',
  [IPPROTO_UDP]: 'UDP',
  [IPPROTO_SCTP]: 'SCTP',
  [IPPROTO_ICMP]: 'ICMP',
  [IPPROTO_ICMPV6]: 'ICMPv6',
};

const ETH_HLEN = 14;
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** What stands in an IP frame without options or extension headers. */
export interface FrameTuple {
  readonly proto: number;
  readonly ttl: number;
  /** ICMP: the identifier in the places of both ports. */
  readonly from: ProbeEnd;
  readonly to: ProbeEnd;
  /** The transport header and what follows. */
  readonly payload: Uint8Array;
}

export function readFrame(frame: Uint8Array): FrameTuple {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const isIpv4 = view.getUint8(ETH_HLEN) >>> 4 === 4;
  const [protoAt, ttlAt, srcAt, size, l4] = isIpv4 ? [9, 8, 12, 4, 20] : [6, 7, 8, 16, 40];
  const proto = view.getUint8(ETH_HLEN + protoAt);
  const isEcho = proto === IPPROTO_ICMP || proto === IPPROTO_ICMPV6;
  const end = (at: number, portAt: number): ProbeEnd => {
    const raw = frame.slice(ETH_HLEN + at, ETH_HLEN + at + size);
    const bytes = isIpv4 ? Uint8Array.of(...MAPPED, ...raw) : raw;
    return {
      address: { bytes, family: isIpv4 ? 4 : 6 },
      port: view.getUint16(ETH_HLEN + l4 + (isEcho ? 4 : portAt)),
    };
  };
  return {
    proto,
    ttl: view.getUint8(ETH_HLEN + ttlAt),
    from: end(srcAt, 0),
    to: end(srcAt + size, 2),
    payload: frame.subarray(ETH_HLEN + l4),
  };
}
