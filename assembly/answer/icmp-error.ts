/**
 * ICMP and ICMPv6 errors of our own, written over the packet they are about: as much of it is
 * quoted as fits (RFC 1812 4.3.2.3: 576 bytes; RFC 4443 2.4 c: 1280), and as many are sent as the
 * rate limit lets through (RFC 1812 4.3.2.8, RFC 4443 2.4 f; Linux has the same figures).
 */
import {
  CONTROL_BASE,
  CONTROL_ERROR_FILLED_MS_OFF,
  CONTROL_ERROR_TOKENS_OFF,
  Drop,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  LaneCounter,
  PKT_F_ICMP_ERROR,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  Verdict,
} from '../abi';
import { nowMs } from '../mem/clock';
import { isTraced } from '../mem/trace';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { checksum, finish, sum } from '../wire/checksum';
import { ICMP_HLEN, Icmp } from '../wire/icmp';
import { ICMPV6_HLEN, Icmpv6 } from '../wire/icmpv6';
import { IPV4_HLEN } from '../wire/ipv4';
import { IPV6_HLEN, ipv6IsUnspecified } from '../wire/ipv6';
import { pseudoSum, sendBack, writeHeader } from './header';

const ICMP_QUOTE_MAX: u32 = 576 - IPV4_HLEN - ICMP_HLEN;
const ICMPV6_QUOTE_MAX: u32 = 1280 - IPV6_HLEN - ICMPV6_HLEN;
/** net.ipv4.icmp_msgs_per_sec = 1000, icmp_msgs_burst = 50. */
const TOKENS_PER_MS: u32 = 1;
const TOKENS_MAX: u32 = 50;

/** All tokens there can be: who has sent nothing yet may send a burst, whatever time it is. */
export function errorsReset(): void {
  store<u32>(CONTROL_BASE + CONTROL_ERROR_TOKENS_OFF, TOKENS_MAX);
}

/** Take one token, if there is one. */
function isWithinLimit(): bool {
  const tokens: usize = CONTROL_BASE + CONTROL_ERROR_TOKENS_OFF;
  const filled: usize = CONTROL_BASE + CONTROL_ERROR_FILLED_MS_OFF;
  const elapsed = nowMs() - load<u32>(filled);
  const more = min<u32>(elapsed, TOKENS_MAX) * TOKENS_PER_MS;
  const left = min<u32>(load<u32>(tokens) + more, TOKENS_MAX);
  if (isTraced()) return left != 0;
  store<u32>(filled, nowMs());
  store<u32>(tokens, left == 0 ? 0 : left - 1);
  return left != 0;
}

/** RFC 1122 3.2.2, RFC 4443 2.4 e: an error must not be the cause of another. */
function mayAnswer(p: Pkt): bool {
  if (p.has(PKT_F_ICMP_ERROR) || p.has(PKT_F_LATER_FRAGMENT)) return false;
  return p.has(PKT_F_IPV4) || !ipv6IsUnspecified(p.srcPtr);
}

/**
 * Turn the packet into an error about itself.
 *
 * @param src   16-byte address the error comes from
 * @param kind  type and code for IPv4 in the high half, for IPv6 in the low half: `errorKind`
 * @param mtu   bytes, for "too big"; else 0
 */
export function answerError(p: Pkt, src: usize, kind: u32, mtu: u32): Verdict {
  if (!mayAnswer(p)) return drop(p, Drop.ERROR_NOT_ANSWERED);
  if (!isWithinLimit()) {
    count(LaneCounter.ICMP_ERRORS_LIMITED, 1);
    return drop(p, Drop.ERROR_NOT_ANSWERED);
  }
  if (p.has(PKT_F_IPV4)) answer4(p, src, kind >> 16, mtu);
  else answer6(p, src, kind & 0xffff, mtu);
  return sendBack(p);
}

/** Both families' type and code in one word. */
export function errorKind(type4: u8, code4: u8, type6: u8, code6: u8): u32 {
  return ((<u32>type4) << 24) | ((<u32>code4) << 16) | ((<u32>type6) << 8) | code6;
}

function answer4(p: Pkt, src: usize, kind: u32, mtu: u32): void {
  const quoted = min<u32>(p.datagramLen, ICMP_QUOTE_MAX);
  memory.copy(p.l3Ptr + IPV4_HLEN + ICMP_HLEN, p.l3Ptr, quoted);
  const icmp = Icmp.at(writeHeader(p, src, <u8>IPPROTO_ICMP, ICMP_HLEN + quoted));
  icmp.setTypeCode(<u8>(kind >> 8), <u8>kind);
  icmp.setMtu(<u16>min<u32>(mtu, 0xffff));
  icmp.setChecksumBe(0);
  icmp.setChecksumBe(checksum(changetype<usize>(icmp), ICMP_HLEN + quoted));
}

function answer6(p: Pkt, src: usize, kind: u32, mtu: u32): void {
  const quoted = min<u32>(p.datagramLen, ICMPV6_QUOTE_MAX);
  memory.copy(p.l3Ptr + IPV6_HLEN + ICMPV6_HLEN, p.l3Ptr, quoted);
  const length = ICMPV6_HLEN + quoted;
  const icmp = Icmpv6.at(writeHeader(p, src, <u8>IPPROTO_ICMPV6, length));
  icmp.setTypeCode(<u8>(kind >> 8), <u8>kind);
  icmp.setMtu(mtu);
  icmp.setChecksumBe(0);
  const total = pseudoSum(p, <u8>IPPROTO_ICMPV6, length) + sum(changetype<usize>(icmp), length);
  icmp.setChecksumBe(finish(total));
}
