/**
 * CNAMEs within the names of one zone (RFC 1034 3.6.2): where the records of a type are at last. A
 * target in another zone is the host's to look for.
 */
import { CUT_SPACE_OFF, DNS_CHAIN_MAX, ENTRY_FLAGS_OFF, NAME_F_PODS } from '../abi-dns';
import { TYPE_CNAME, u16At } from '../wire/dns';
import { FoldedName, readFolded } from './fold';
import { Names, entryOf, findName, sameName, valueOf } from './names';
import { podAddress } from './pods';
import { CHAIN, OTHER_NAME, QNAME, Query } from './record';
import { Rrset, findRrset } from './rrset';

export enum ChainEnd {
  /** Nothing of the type, or a loop, or too many links. */
  NOTHING = 0,
  /** An RRset of the type. */
  RRSET = 1,
  /** A name that says its address: in the space behind the chain. */
  POD = 2,
  /** A name of another zone. */
  OUTSIDE = 3,
}

/** What a walk found, behind the RRsets that it went through. */
const COUNT_OFF: usize = DNS_CHAIN_MAX * 4;
const LAST_OFF: usize = COUNT_OFF + 4;
const ADDRESS_LEN_OFF: usize = COUNT_OFF + 8;

/** CNAME RRsets that were followed. */
export function chainCount(): u32 {
  return load<u32>(CHAIN, COUNT_OFF);
}
/** The one at a place. */
export function chainLink(i: u32): usize {
  return load<u32>(CHAIN + ((<usize>i) << 2));
}
/** The RRset at the end. */
export function chainLast(): usize {
  return load<u32>(CHAIN, LAST_OFF);
}

/** Value of a folded name in a space, 0 = there is no such name. */
export function findValue(space: u32, folded: usize): usize {
  const name = FoldedName.at(folded);
  const row = findName(space, name.hash, name.ptr, name.length);
  return row ? valueOf(entryOf(row), name.length) : 0;
}

@unmanaged
@final
export class Pods {
  /**
   * The address that a name below a pod domain says.
   *
   * @param out  takes 16 bytes
   * @returns    bytes of the address, 0 = it says none
   */
  @inline static find(space: u32, folded: usize, out: usize): u32 {
    const name = FoldedName.at(folded);
    if (name.labels == 0) return 0;
    const start: u32 = load<u8>(name.ptr) + 1;
    const row = Names.find(space, name.hashFrom(start), name.ptr + start, name.length - start);
    if (!row || !(load<u16>(entryOf(row), ENTRY_FLAGS_OFF) & NAME_F_PODS)) return 0;
    return podAddress(name.ptr + 1, start - 1, out);
  }
}

/** Whether the other name ends in the zone of the question. */
function isInZone(q: Query): bool {
  const name = FoldedName.at(OTHER_NAME);
  const question = FoldedName.at(QNAME);
  const depth = q.zoneLabels;
  if (name.labels < depth) return false;
  const start = name.suffixStart(depth);
  const zone = question.suffixStart(depth);
  const length = name.length - start;
  return (
    length == question.length - zone && sameName(name.ptr + start, question.ptr + zone, length)
  );
}

/** Whether the walk has been at a CNAME before. */
function wasAt(cname: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) if (chainLink(i) == cname) return true;
  return false;
}

/**
 * Follow CNAMEs from one of the question's name.
 *
 * @param address  takes the 16 bytes of a pod's address
 */
export function followChain(q: Query, cname: usize, type: u32, address: usize): ChainEnd {
  const space: u32 = load<u16>(q.cut, CUT_SPACE_OFF);
  let count: u32 = 0;
  while (count < <u32>DNS_CHAIN_MAX && cname && !wasAt(cname, count)) {
    store<u32>(CHAIN + ((<usize>count) << 2), <u32>cname);
    count++;
    store<u32>(CHAIN, count, COUNT_OFF);
    const rdata = Rrset.at(cname).records;
    if (!readFolded(OTHER_NAME, rdata + 2, u16At(rdata))) return ChainEnd.NOTHING;
    if (!isInZone(q)) return ChainEnd.OUTSIDE;
    const value = findValue(space, OTHER_NAME);
    if (!value) {
      const length = Pods.find(space, OTHER_NAME, address);
      store<u32>(CHAIN, length, ADDRESS_LEN_OFF);
      return length ? ChainEnd.POD : ChainEnd.NOTHING;
    }
    const last = findRrset(value, type);
    store<u32>(CHAIN, <u32>last, LAST_OFF);
    if (last) return ChainEnd.RRSET;
    cname = findRrset(value, TYPE_CNAME);
  }
  return ChainEnd.NOTHING;
}

/** Bytes of the pod's address at the end. */
export function chainAddressLen(): u32 {
  return load<u32>(CHAIN, ADDRESS_LEN_OFF);
}
