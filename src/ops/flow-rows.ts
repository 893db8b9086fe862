/** Flow rows and their tallies as people want to see them, wherever the tables lie. */
import {
  Action,
  FLOW4_DST_OFF,
  FLOW4_NEW_DST_OFF,
  FLOW4_NEW_SRC_OFF,
  FLOW4_SRC_OFF,
  FLOW6_DST_OFF,
  FLOW6_NEW_DST_OFF,
  FLOW6_NEW_SRC_OFF,
  FLOW6_SRC_OFF,
  FLOW_ACTION_OFF,
  FLOW_NEW_PORTS_OFF,
  FLOW_OUT_IFINDEX_OFF,
  FLOW_PORTS_OFF,
  FLOW_PROTO_OFF,
  FLOW_SEQ_OFF,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TALLY_CREATED_MS_OFF,
  TALLY_FLAGS_OFF,
  TALLY_F_REPLY,
  TALLY_KERNEL_BYTES_OFF,
  TALLY_KERNEL_PACKETS_OFF,
  TALLY_KERNEL_SEEN_NS_OFF,
  TALLY_LANE_BYTES_OFF,
  TALLY_LANE_PACKETS_OFF,
  TALLY_LANE_SEEN_MS_OFF,
  TALLY_PARTNER_OFF,
  TALLY_SIZE,
  TALLY_STATE_OFF,
  SctpState,
  TcpState,
} from '../../assembly/abi.js';
import { formatAddressPort } from '../addr.js';
import type { Family } from '../addr.js';
import { settledState } from './settled.js';

/** One direction's counters. */
export interface Tally {
  readonly kernelPackets: number;
  readonly kernelBytes: number;
  readonly lanePackets: number;
  readonly laneBytes: number;
}

export interface Flow {
  readonly protocol: string;
  /** `address:port` as the originator sent it; for echo the port is the identifier. */
  readonly from: string;
  readonly to: string;
  /** After translation; the same when there is none. */
  readonly translatedFrom: string;
  readonly translatedTo: string;
  readonly action: string;
  readonly outIfindex: number;
  /** TCP and SCTP only. */
  readonly state: string | undefined;
  readonly original: Tally;
  readonly reply: Tally;
  /** Since creation, and since the last packet either way; milliseconds. */
  readonly ageMs: number;
  readonly idleMs: number;
}

interface Offsets {
  readonly src: number;
  readonly dst: number;
  readonly newSrc: number;
  readonly newDst: number;
}

const V4: Offsets = {
  src: FLOW4_SRC_OFF,
  dst: FLOW4_DST_OFF,
  newSrc: FLOW4_NEW_SRC_OFF,
  newDst: FLOW4_NEW_DST_OFF,
};
const V6: Offsets = {
  src: FLOW6_SRC_OFF,
  dst: FLOW6_DST_OFF,
  newSrc: FLOW6_NEW_SRC_OFF,
  newDst: FLOW6_NEW_DST_OFF,
};

const PROTOCOLS: Readonly<Record<number, string>> = {
  [IPPROTO_TCP]: 'TCP',
  [IPPROTO_UDP]: 'UDP',
  [IPPROTO_SCTP]: 'SCTP',
  [IPPROTO_ICMP]: 'ICMP',
  [IPPROTO_ICMPV6]: 'ICMPv6',
};
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
const ADDR_SIZE: Readonly<Record<Family, number>> = { 4: 4, 6: 16 };

/** Every byte of an array of rows, as it is at this moment and from now on. */
export interface RowArray {
  readonly bytes: Uint8Array;
  readonly words: DataView;
  readonly rows: number;
  readonly rowSize: number;
}

/** The rows of one address family and what is counted in them. */
export interface FlowTable {
  readonly family: Family;
  readonly rows: RowArray;
  readonly tallies: RowArray;
}

/**
 * All flows of a table, original directions only; each names its reply's counters too.
 *
 * @param now  of the clock the lane has, milliseconds
 */
export function* readFlowTable(table: FlowTable, now: number): Generator<Flow> {
  const { rows, tallies } = table;
  for (let idx = 0; idx < rows.rows; idx++) {
    const at = idx * rows.rowSize;
    const seq = rows.words.getUint32(at + FLOW_SEQ_OFF, true);
    if (seq === 0 || seq % 2 === 1) continue;
    const tallyAt = idx * TALLY_SIZE;
    if (tallies.words.getUint8(tallyAt + TALLY_FLAGS_OFF) & TALLY_F_REPLY) continue;
    const flow = readFlow(table, idx, now);
    // A row that changed while it was read is another flow by now.
    if (rows.words.getUint32(at + FLOW_SEQ_OFF, true) === seq) yield flow;
  }
}

/** Name of a connection's state; undefined for what has none. */
function stateName(
  proto: number,
  words: DataView,
  original: number,
  reply: number,
): string | undefined {
  if (proto === IPPROTO_TCP) return TcpState[settledState(words, original, reply)];
  if (proto !== IPPROTO_SCTP) return undefined;
  return SctpState[words.getUint8(original + TALLY_STATE_OFF)];
}

function readFlow({ family, rows, tallies }: FlowTable, idx: number, now: number): Flow {
  const offsets = family === 4 ? V4 : V6;
  const at = idx * rows.rowSize;
  const tallyAt = idx * TALLY_SIZE;
  const partner = tallies.words.getUint32(tallyAt + TALLY_PARTNER_OFF, true);
  const replyAt = partner < tallies.rows ? partner * TALLY_SIZE : tallyAt;
  const proto = rows.words.getUint8(at + FLOW_PROTO_OFF);
  const end = (addressOff: number, portsOff: number, half: 0 | 2): string => {
    const address = rows.bytes.subarray(at + addressOff, at + addressOff + ADDR_SIZE[family]);
    const port = rows.words.getUint16(at + portsOff + half, false);
    return endpoint(address, family, port);
  };
  const u32ms = Math.floor(now) >>> 0;
  const idle = [tallyAt, replyAt].map((where) => idleMs(tallies.words, where, now));
  return {
    protocol: PROTOCOLS[proto] ?? String(proto),
    from: end(offsets.src, FLOW_PORTS_OFF, 0),
    to: end(offsets.dst, FLOW_PORTS_OFF, 2),
    translatedFrom: end(offsets.newSrc, FLOW_NEW_PORTS_OFF, 0),
    translatedTo: end(offsets.newDst, FLOW_NEW_PORTS_OFF, 2),
    action: Action[rows.words.getUint8(at + FLOW_ACTION_OFF)] ?? 'NONE',
    outIfindex: rows.words.getUint32(at + FLOW_OUT_IFINDEX_OFF, true),
    state: stateName(proto, tallies.words, tallyAt, replyAt),
    original: readTally(tallies.words, tallyAt),
    reply: readTally(tallies.words, replyAt),
    ageMs: (u32ms - tallies.words.getUint32(tallyAt + TALLY_CREATED_MS_OFF, true)) >>> 0,
    idleMs: Math.min(...idle),
  };
}

function endpoint(address: Uint8Array, family: Family, port: number): string {
  const bytes = family === 6 ? address.slice() : Uint8Array.of(...MAPPED, ...address);
  return formatAddressPort({ bytes, family }, port);
}

function readTally(words: DataView, at: number): Tally {
  const u64 = (offset: number): number => Number(words.getBigUint64(at + offset, true));
  return {
    kernelPackets: u64(TALLY_KERNEL_PACKETS_OFF),
    kernelBytes: u64(TALLY_KERNEL_BYTES_OFF),
    lanePackets: u64(TALLY_LANE_PACKETS_OFF),
    laneBytes: u64(TALLY_LANE_BYTES_OFF),
  };
}

function idleMs(words: DataView, at: number, now: number): number {
  const lane = ((Math.floor(now) >>> 0) - words.getUint32(at + TALLY_LANE_SEEN_MS_OFF, true)) >>> 0;
  const seenNs = words.getBigUint64(at + TALLY_KERNEL_SEEN_NS_OFF, true);
  const kernel = seenNs === 0n ? Infinity : Math.max(0, now - Number(seenNs / 1_000_000n));
  return Math.round(Math.min(lane, kernel));
}
