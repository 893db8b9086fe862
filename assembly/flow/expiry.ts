/**
 * How long a flow is kept: as long as its timeout says, and in a crowded table, if it is over or was
 * never answered, less the fuller the table is.
 *
 * Silence is judged by both directions and both counters: a flow that only the kernel sees is as
 * alive as one the lane sees.
 */
import {
  CONTROL_BASE,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SctpState,
  TALLY_F_SEEN_REPLY,
  TcpState,
} from '../abi';
import { msOfNs, nowMs } from '../mem/clock';
import { regionCapacity } from '../mem/region';
import { partnerOf } from './flow-table';
import { Row, Tally, flowRegion, isV4, tallyOf } from './row';
import { sctpTimeoutMs } from './sctp-state';
import { settledState } from './settled';
import { isTcpClosed } from './tcp-state';
import { GENERIC_TIMEOUT_MS, ICMP_TIMEOUT_MS, tcpTimeoutMs, udpTimeoutMs } from './timeouts';

/** How little a flow is missed; what is not over and was answered stays as long as its timeout. */
export const KEEP: u32 = 0;
export const UNANSWERED: u32 = 1;
export const CLOSED: u32 = 2;
export const EXPIRED: u32 = 3;

/**
 * However crowded the table, so long after its last packet a flow may still be asked for: the ACK of
 * the last FIN, an answer from far away, the first repetition of a SYN (RFC 6298 2.1: after 1 s).
 */
const LEAST_MS: u32 = 2_000;

/** How long a row has been silent, both its counters taken together. */
function silentMs(tally: Tally): u32 {
  const lane = since(tally.laneSeenMs);
  if (tally.kernelPackets == 0) return lane;
  return min<u32>(lane, since(msOfNs(tally.kernelSeenNs)));
}

/** A stamp may be younger than this turn's clock (the kernel's, a capture's): no silence at all. */
function since(ms: u32): u32 {
  const silence = nowMs() - ms;
  return silence > <u32>i32.MAX_VALUE ? 0 : silence;
}

/** TcpState as it is now, SctpState, 0 for the rest. */
function stateOf(proto: u32, original: Tally, reply: Tally): u8 {
  return proto == IPPROTO_TCP ? settledState(original, reply) : original.state;
}

function isAnswered(original: Tally, reply: Tally): bool {
  return (original.flags & TALLY_F_SEEN_REPLY) != 0 || reply.kernelPackets != 0;
}

function timeoutMs(proto: u32, state: u8, isReplied: bool): u32 {
  if (proto == IPPROTO_TCP) return tcpTimeoutMs(state);
  if (proto == IPPROTO_UDP) return udpTimeoutMs(isReplied);
  if (proto == IPPROTO_SCTP) return sctpTimeoutMs(state);
  return isEcho(proto) ? ICMP_TIMEOUT_MS : GENERIC_TIMEOUT_MS;
}

/** ICMP and ICMPv6 rows are echo conversations. */
function isEcho(proto: u32): bool {
  return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/** @returns KEEP, UNANSWERED or CLOSED */
function standingOf(proto: u32, state: u8, isReplied: bool): u32 {
  if (proto == IPPROTO_TCP) {
    if (isTcpClosed(state)) return CLOSED;
    return state == TcpState.SYN_SENT ? UNANSWERED : KEEP;
  }
  if (proto == IPPROTO_SCTP) {
    if (state == SctpState.CLOSED) return CLOSED;
    return state == SctpState.COOKIE_WAIT || state == SctpState.HEARTBEAT_SENT ? UNANSWERED : KEEP;
  }
  return isReplied ? KEEP : UNANSWERED;
}

/**
 * What is left of a timeout in a crowded table: all of it up to half of the rows, nothing from three
 * quarters on. After pf's adaptive timeouts (pf.conf(5), adaptive.start and adaptive.end); Linux drops
 * the same flows at once when its table is 95 % full (gc_worker_can_early_drop in
 * net/netfilter/nf_conntrack_core.c), but its chains do not grow as runs do.
 */
function crowdedMs<F>(timeout: u32): u32 {
  const live: usize =
    CONTROL_BASE + (isV4<F>() ? CONTROL_FLOWS4_LIVE_OFF : CONTROL_FLOWS6_LIVE_OFF);
  const rows = load<u32>(live);
  const capacity = regionCapacity(flowRegion<F>());
  const start = capacity >> 1;
  const span = capacity >> 2;
  if (rows <= start || timeout <= LEAST_MS) return timeout;
  if (rows >= start + span) return LEAST_MS;
  const left = <u32>((<u64>timeout * (start + span - rows)) >> ctz<u32>(span));
  return max<u32>(left, LEAST_MS);
}

/**
 * @param original  a row that carries its flow's state; one without a partner counts as expired
 * @returns         how little its flow is missed
 */
export function rankOf<F>(original: Row): u32 {
  return rank<F>(original, true);
}

/** @returns whether the flow of this original-direction row has been silent too long for any table */
export function isExpired<F>(original: Row): bool {
  return rank<F>(original, false) == EXPIRED;
}

function rank<F>(original: Row, hurries: bool): u32 {
  const partner = partnerOf<F>(original);
  if (!partner) return EXPIRED;
  const there = tallyOf<F>(original);
  const back = tallyOf<F>(Row.at(partner));
  const proto = original.kind & 0xff;
  const state = stateOf(proto, there, back);
  const isReplied = isAnswered(there, back);
  const standing = standingOf(proto, state, isReplied);
  let timeout = timeoutMs(proto, state, isReplied);
  if (hurries && standing != KEEP) timeout = crowdedMs<F>(timeout);
  return min<u32>(silentMs(there), silentMs(back)) > timeout ? EXPIRED : standing;
}
