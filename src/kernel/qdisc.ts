/**
 * Queueing disciplines over rtnetlink, as far as limiting a rate needs them: a token bucket (TBF)
 * at the root of an interface.
 *
 *   tcmsg (linux/rtnetlink.h)
 *   0        1            4         8        12       16     20
 *   +--------+------------+---------+--------+--------+------+
 *   | family | pad        | ifindex | handle | parent | info |
 *   +--------+------------+---------+--------+--------+------+
 *
 *   tc_tbf_qopt (linux/pkt_sched.h): tc_ratespec of 12 bytes for the rate, another for the peak
 *   rate; limit, buffer and mtu, 4 bytes each.
 *
 * Spec: man 8 tc-tbf; the conventions of CNI for `bandwidth`; what its reference plugin computes
 */
import { DataplaneError } from '../errors.js';
import {
  type Attribute,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_REPLACE,
  bytesAttribute,
  decodeAttributes,
  nestedAttribute,
  textAttribute,
  textOf,
  u32Attribute,
} from './netlink.js';
import type { Rtnl } from './rtnl.js';

const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;

const TCMSG_SIZE = 20;
const TC_H_ROOT = 0xffffffff;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;

const TBF_QOPT_SIZE = 36;
const RATE_LINKLAYER_OFF = 1;
const RATE_OFF = 8;
const LIMIT_OFF = 24;
const BUFFER_OFF = 28;
const TC_LINKLAYER_ETHERNET = 1;
/** Unit of `buffer`: 64 ns (net/pkt_sched.h, PSCHED_SHIFT). */
const NS_PER_TICK = 64;

const U32_MAX = 0xffffffff;
const BITS = 8;
const NS_PER_SEC = 1e9;
/** How long a packet may wait for its turn before it is dropped. */
const LATENCY_SEC = 0.025;
/** Without it the bucket never holds what a packet costs, and nothing would pass at all. */
const ETH_HLEN = 14;

export interface RateLimit {
  /** Bits a second. */
  readonly rate: number;
  /** Bits that may go at once after a silence. */
  readonly burst: number;
}

export interface Qdisc {
  readonly ifindex: number;
  readonly kind: string;
  readonly handle: number;
  readonly isRoot: boolean;
  /** Of a token bucket. */
  readonly limit: RateLimit | undefined;
}

function qdiscHeader(ifindex: number, parent: number): Uint8Array {
  const header = new Uint8Array(TCMSG_SIZE);
  const view = new DataView(header.buffer);
  view.setInt32(4, ifindex, true);
  view.setUint32(12, parent, true);
  return header;
}

function u64Attribute(type: number, value: number): Attribute {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytesAttribute(type, bytes);
}

/**
 * Whether a limit can be set.
 *
 * @throws DataplaneError ERR_RATE naming what is wrong
 */
export function checkRateLimit({ rate, burst }: RateLimit): void {
  if (!Number.isSafeInteger(rate) || rate < BITS) {
    throw new DataplaneError('ERR_RATE', `rate ${rate} bit/s; expected a whole number from 8 on`);
  }
  if (!Number.isSafeInteger(burst) || burst < BITS) {
    throw new DataplaneError('ERR_RATE', `burst ${burst} bit; expected a whole number from 8 on`);
  }
  if (Math.floor(burst / BITS) >= U32_MAX) {
    throw new DataplaneError('ERR_RATE', `burst ${burst} bit; expected less than 4 GB`);
  }
}

/** The rate a limit comes to, bits a second: the kernel counts in bytes. */
export function rateOf({ rate }: RateLimit): number {
  return Math.floor(rate / BITS) * BITS;
}

function tokenBucket(limit: RateLimit, mtu: number): Attribute[] {
  const rate = rateOf(limit) / BITS;
  const burst = Math.max(Math.floor(limit.burst / BITS), mtu + ETH_HLEN);
  const bytes = new Uint8Array(TBF_QOPT_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(RATE_LINKLAYER_OFF, TC_LINKLAYER_ETHERNET);
  view.setUint32(RATE_OFF, Math.min(rate, U32_MAX), true);
  const queue = Math.floor(rate * LATENCY_SEC) + burst;
  view.setUint32(LIMIT_OFF, Math.min(queue, U32_MAX), true);
  const buffer = Math.floor(((burst / rate) * NS_PER_SEC) / NS_PER_TICK);
  view.setUint32(BUFFER_OFF, Math.min(buffer, U32_MAX), true);
  return [
    bytesAttribute(TCA_TBF_PARMS, bytes),
    u64Attribute(TCA_TBF_RATE64, rate),
    u32Attribute(TCA_TBF_BURST, burst),
  ];
}

/**
 * Limit what leaves by an interface: packets wait for at most 25 ms, and are dropped when there is
 * no turn for them. Whatever was at the root of the interface gives way, whatever its handle; a
 * token bucket is changed where it is.
 *
 * @param link   where; its MTU is the least that a burst comes to, or no packet could pass
 * @throws       DataplaneError ERR_RATE
 */
export function limitRate(
  rtnl: Rtnl,
  link: { readonly ifindex: number; readonly mtu: number },
  limit: RateLimit,
): void {
  checkRateLimit(limit);
  rtnl.request({
    type: RTM_NEWQDISC,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    header: qdiscHeader(link.ifindex, TC_H_ROOT),
    attributes: [
      textAttribute(TCA_KIND, 'tbf'),
      nestedAttribute(TCA_OPTIONS, tokenBucket(limit, link.mtu)),
    ],
    asked: `limit link ${link.ifindex} to ${limit.rate} bit/s, burst ${limit.burst} bit`,
  });
}

function decodeLimit(options: Uint8Array): RateLimit | undefined {
  const attributes = decodeAttributes(options);
  const parms = attributes.get(TCA_TBF_PARMS);
  if (parms === undefined) return undefined;
  const view = new DataView(parms.buffer, parms.byteOffset, parms.byteLength);
  const wide = attributes.get(TCA_TBF_RATE64);
  const rate =
    wide === undefined
      ? view.getUint32(RATE_OFF, true)
      : Number(new DataView(wide.buffer, wide.byteOffset).getBigUint64(0, true));
  // The kernel tells how long the bucket takes to fill, not what it holds.
  const seconds = (view.getUint32(BUFFER_OFF, true) * NS_PER_TICK) / NS_PER_SEC;
  return { rate: rate * BITS, burst: Math.round(seconds * rate) * BITS };
}

function decodeQdisc({ payload }: NetlinkMessage): Qdisc {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload.subarray(TCMSG_SIZE));
  const kind = textOf(attributes, TCA_KIND) ?? '';
  const options = attributes.get(TCA_OPTIONS);
  return {
    ifindex: view.getInt32(4, true),
    kind,
    handle: view.getUint32(8, true),
    isRoot: view.getUint32(12, true) === TC_H_ROOT,
    limit: kind === 'tbf' && options !== undefined ? decodeLimit(options) : undefined,
  };
}

/** The discipline at the root of an interface; undefined: none but what it has by itself. */
export function findRootQdisc(rtnl: Rtnl, ifindex: number): Qdisc | undefined {
  const [answer] = rtnl.request({
    type: RTM_GETQDISC,
    flags: NLM_F_ECHO,
    header: qdiscHeader(ifindex, TC_H_ROOT),
    attributes: [],
    asked: `queueing discipline of link ${ifindex}`,
  });
  return answer && decodeQdisc(answer);
}

/** Disciplines of all interfaces. */
export function listQdiscs(rtnl: Rtnl): Qdisc[] {
  const answers = rtnl.dump({
    type: RTM_GETQDISC,
    header: qdiscHeader(0, 0),
    attributes: [],
    asked: 'list queueing disciplines',
  });
  return answers.map(decodeQdisc);
}

/**
 * Indices of the interfaces where something, ours or another's, holds packets back. Who sends to
 * them must not go past it.
 */
export function shapedLinks(rtnl: Rtnl): Set<number> {
  const held = listQdiscs(rtnl).filter(({ isRoot, kind }) => isRoot && kind !== 'noqueue');
  return new Set(held.map(({ ifindex }) => ifindex));
}
