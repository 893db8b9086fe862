/**
 * What an answer leads to: from the question's name over CNAMEs, in whatever order they come, to
 * records of the type, or to nothing.
 *
 * Spec: RFC 1034 3.6.2, 4.3.2; RFC 2308 2.2 (negative answers with CNAMEs)
 */
import { DNS_CHAIN_MAX, DNS_HLEN } from '../abi-dns';
import { RR_FIXED, RR_RDLENGTH_OFF, TYPE_ANY, TYPE_CNAME, TYPE_DNAME, u16At } from '../wire/dns';
import { CHAIN_NAMES, Upstream } from './upstream';
import { followPointers, isAtOrBelow, sameNames, skipName } from './upstream-name';

export enum Reach {
  /** A record of the type, at the last name. */
  RECORDS = 0,
  /** None. */
  NOTHING = 1,
  /** A circle, or too many links. */
  BROKEN = 2,
  /** Records of other names. */
  OUTSIDE = 3,
}

if (DNS_CHAIN_MAX + 1 > 32) ERROR('the chain overlaps the owners');

function chainName(i: u32): u32 {
  return load<u16>(CHAIN_NAMES + ((<usize>i) << 1));
}
function setChainName(i: u32, at: u32): void {
  store<u16>(CHAIN_NAMES + ((<usize>i) << 1), <u16>at);
}

/** Offset of the target of a name's CNAME in Answer; 0 = it has none. */
function targetOf(u: Upstream, name: u32): u32 {
  let at = u.questionEnd;
  while (at < u.answerEnd) {
    const fixed = skipName(u.msg, at);
    const rdata = fixed + RR_FIXED;
    if (u16At(u.msg + fixed) == TYPE_CNAME && sameNames(u.msg, at, name)) return rdata;
    at = rdata + u16At(u.msg + fixed + RR_RDLENGTH_OFF);
  }
  return 0;
}

/** Follow CNAMEs. @returns names of the chain; 0 = it is a circle or too long */
function followNames(u: Upstream): u32 {
  setChainName(0, DNS_HLEN);
  if (u.qtype == TYPE_CNAME || u.qtype == TYPE_ANY) return 1;
  for (let count: u32 = 1; count <= <u32>DNS_CHAIN_MAX + 1; count++) {
    const target = targetOf(u, chainName(count - 1));
    if (target == 0) return count;
    if (count > <u32>DNS_CHAIN_MAX) return 0;
    for (let i: u32 = 0; i < count; i++) if (sameNames(u.msg, chainName(i), target)) return 0;
    setChainName(count, target);
  }
  return 0;
}

/** Whether a record belongs to the chain: at one of its names, or a DNAME above one (RFC 6672). */
function isOfChain(u: Upstream, owner: u32, type: u32, names: u32): bool {
  // Most owners are pointers to one of the names: then nothing has to be compared.
  const at = followPointers(u.msg, owner);
  for (let i: u32 = 0; i < names; i++) if (followPointers(u.msg, chainName(i)) == at) return true;
  for (let i: u32 = 0; i < names; i++) {
    const name = chainName(i);
    if (sameNames(u.msg, owner, name)) return true;
    if (type == TYPE_DNAME && isAtOrBelow(u.msg, name, owner)) return true;
  }
  return false;
}

/** Follow the answer of a walked reply; the SOA record counts if its zone has the last name. */
export function reachOf(u: Upstream): Reach {
  const names = followNames(u);
  if (names == 0) return Reach.BROKEN;
  const last = chainName(names - 1);
  if (u.soaOwner && !isAtOrBelow(u.msg, last, u.soaOwner)) u.soaOwner = 0;
  let reach = Reach.NOTHING;
  let at = u.questionEnd;
  while (at < u.answerEnd) {
    const fixed = skipName(u.msg, at);
    const type = u16At(u.msg + fixed);
    if (!isOfChain(u, at, type, names)) return Reach.OUTSIDE;
    const isWanted = type == u.qtype || u.qtype == TYPE_ANY;
    if (isWanted && !u.hasRecords && sameNames(u.msg, at, last)) {
      u.hasRecords = true;
      reach = Reach.RECORDS;
    }
    at = fixed + RR_FIXED + u16At(u.msg + fixed + RR_RDLENGTH_OFF);
  }
  return reach;
}
