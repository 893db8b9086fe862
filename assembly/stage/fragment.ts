/**
 * Fragment: only the first one of a datagram has the ports, and so says for all of them which flow
 * they belong to. Those that come before it wait for it. Nothing is put together: every fragment
 * goes on as the fragment it is.
 *
 * A later fragment whose ports are known uses a flow's row but never makes one. A new datagram with
 * the identification of an old one overwrites what is known with its first fragment; one that
 * begins with a later fragment within the time-out is taken for the old one, as in Cilium.
 *
 * Spec: RFC 791 3.2; RFC 8200 4.5; tiny fragments RFC 3128
 */
import {
  Action,
  Drop,
  FRAGMENT_HAS_PORTS,
  FRAGMENT_UNKNOWN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  LaneCounter,
  LinkKind,
  PKT_F_ECHO,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  Verdict,
} from '../abi';
import { Datagram } from '../flow/datagram';
import { findDatagram, openDatagram } from '../flow/fragments';
import { hold, mayHold } from '../flow/waiting';
import { isTraced } from '../mem/trace';
import { Pkt, drop } from '../pkt';
import { count } from '../table/counters';
import { lpmFind } from '../table/lpm';
import { Link, Route } from '../tables';
import { Ipv4 } from '../wire/ipv4';
import { fragmentBytes6, fragmentId6 } from '../wire/ipv6-ext';
import { TCP_HLEN } from '../wire/tcp';

/**
 * @param p  with PKT_F_FRAGMENT
 * @returns  NONE: decide it as a packet, with the ports it has by now; HOLD: it waits
 */
export function fragment(p: Pkt): Verdict {
  if (!hasPorts(p)) return Verdict.NONE;
  p.fragmentId = p.has(PKT_F_IPV4) ? <u32>Ipv4.at(p.l3Ptr).idBe : fragmentId6(p.l4Ptr);
  return p.has(PKT_F_LATER_FRAGMENT) ? later(p) : first(p);
}

/** Whether first fragments of this protocol tell anything. */
function hasPorts(p: Pkt): bool {
  switch (<u32>p.proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
      return true;
    case IPPROTO_ICMP:
      return p.has(PKT_F_IPV4);
    case IPPROTO_ICMPV6:
      return !p.has(PKT_F_IPV4);
    default:
      return false;
  }
}

function find(p: Pkt): usize {
  return findDatagram(p.srcPtr, p.dstPtr, p.fragmentId, p.proto, p.inIfindex);
}

function open(p: Pkt, byForce: bool): usize {
  return openDatagram(p.srcPtr, p.dstPtr, p.fragmentId, p.proto, p.inIfindex, byForce);
}

/** Remember what it says; without room it goes on alone, and the others will be too many. */
function first(p: Pkt): Verdict {
  if (isTraced()) return Verdict.NONE;
  const found = find(p);
  const row = found ? found : open(p, true);
  if (!row) return Verdict.NONE;
  Datagram.at(row).learn(p.ports, p.isTracked);
  p.datagram = <u32>row;
  return Verdict.NONE;
}

function later(p: Pkt): Verdict {
  // What belongs into the first fragment must not be said, or said again, by another one.
  if (p.proto == IPPROTO_TCP && offsetOf(p) < TCP_HLEN) return drop(p, Drop.SHORT_TCP);
  const found = find(p);
  if (!found || Datagram.at(found).known == <u8>FRAGMENT_UNKNOWN) return wait(p, found);
  if (Datagram.at(found).known == <u8>FRAGMENT_HAS_PORTS) follow(p, found);
  return Verdict.NONE;
}

/** Bytes of the datagram before this fragment's. */
function offsetOf(p: Pkt): u32 {
  return p.has(PKT_F_IPV4) ? Ipv4.at(p.l3Ptr).fragmentBytes : fragmentBytes6(p.l4Ptr);
}

function follow(p: Pkt, row: usize): void {
  p.datagram = <u32>row;
  p.ports = Datagram.at(row).ports;
  if (p.proto == IPPROTO_ICMP || p.proto == IPPROTO_ICMPV6) p.mark(PKT_F_ECHO);
  if (!isTraced()) count(LaneCounter.FRAGMENTS_FOLLOWED, 1);
}

/** @param found the datagram's row, 0 = none */
function wait(p: Pkt, found: usize): Verdict {
  if (p.port == 0 || isTraced()) return drop(p, Drop.FRAGMENT_BEFORE_FIRST);
  if (!mayHold(p.frame)) return drop(p, Drop.FRAGMENTS_FULL);
  const row = found ? found : open(p, false);
  if (!row || !hold(Datagram.at(row), p.frame, p.len, p.port)) return drop(p, Drop.FRAGMENTS_FULL);
  count(LaneCounter.FRAGMENTS_HELD, 1);
  return Verdict.HOLD;
}

/**
 * A fragment from outside that no row and no service wants, and no pod of this node either: it
 * climbed because its ports could not be seen, and goes to the host unchanged.
 */
export function strayFragment(p: Pkt): Verdict {
  if (p.isService) return Verdict.NONE;
  if (Link.at(p.link).kind != <u8>LinkKind.UPLINK) return Verdict.NONE;
  const way = lpmFind(p.dstPtr);
  return way != 0 && Route.at(way).action == <u8>Action.POD ? Verdict.NONE : Verdict.PUNT;
}
