/**
 * Reject: a service without a backend anywhere says so at once, as a host does where nothing
 * listens: port unreachable (RFC 792; RFC 4443 3.1), which a TCP client reads as "refused". The
 * answer comes from the address that was asked.
 */
import { Drop, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, LaneCounter, Verdict } from '../abi';
import { answerError, errorKind } from '../answer/icmp-error';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { ICMP_CODE_PORT, ICMP_UNREACHABLE } from '../wire/icmp';
import { ICMPV6_CODE_PORT, ICMPV6_UNREACHABLE } from '../wire/icmpv6';
import { TCP_FLAG_RST } from '../wire/tcp';

export function reject(p: Pkt): Verdict {
  if (!p.rejected) return Verdict.NONE;
  const reason = p.isService ? Drop.NO_BACKEND : Drop.SERVICE_PORT_UNKNOWN;
  const isReset = p.proto == IPPROTO_TCP && p.tcpFlags & TCP_FLAG_RST;
  const hasPorts = p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP || p.proto == IPPROTO_SCTP;
  if (isReset || !hasPorts) return drop(p, reason);
  const kind = errorKind(ICMP_UNREACHABLE, ICMP_CODE_PORT, ICMPV6_UNREACHABLE, ICMPV6_CODE_PORT);
  const v = answerError(p, p.dstPtr, kind, 0);
  if (v == Verdict.TX) count(LaneCounter.REJECTED, 1);
  return v;
}
