/**
 * The SOA record of a zone, made from its cut: what a negative answer is remembered by (RFC 2308), and
 * the answer to the question for it. Names in it end in the zone's name as the question spells it.
 */
import {
  CUT_LABELS_OFF,
  CUT_MNAME_LEN_OFF,
  CUT_RNAME_LEN_OFF,
  CUT_SOA_OFF,
  CUT_SOA_TTL_BE_OFF,
} from '../abi-dns';
import { be16 } from '../mem/be';
import { CLASS_IN, RR_FIXED, RR_RDLENGTH_OFF, TYPE_SOA } from '../wire/dns';
import { Query } from './record';
import { Reply } from './reply';
import { pointerBe } from './rrset';

/** SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM. */
const SOA_NUMBERS: u32 = 20;

/** The zone's name: a pointer into the question, or root, which is shorter than one. */
function putZone(at: usize, q: Query): u32 {
  if (q.zoneLabels == 0) {
    store<u8>(at, 0);
    return 1;
  }
  store<u16>(at, pointerBe(q.zoneOff));
  return 2;
}

/** Whole words: what is written behind the labels is the numbers' place, at least. */
function putLabels(at: usize, labels: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i += 8) store<u64>(at + i, load<u64>(labels + i));
}

/** Append the record; the caller counts it in its section. @returns false when it does not fit */
export function putSoa(r: Reply, q: Query): bool {
  const cut = q.cut;
  const zone: u32 = q.zoneLabels ? 2 : 1;
  const mname: u32 = load<u8>(cut, CUT_MNAME_LEN_OFF);
  const rname: u32 = load<u8>(cut, CUT_RNAME_LEN_OFF);
  const rdlength = mname + zone + rname + zone + SOA_NUMBERS;
  if (!r.fits(zone + RR_FIXED + rdlength)) return false;
  let at = r.ptr;
  at += putZone(at, q);
  store<u16>(at, be16(<u16>TYPE_SOA));
  store<u16>(at, be16(<u16>CLASS_IN), 2);
  store<u32>(at, load<u32>(cut, CUT_SOA_TTL_BE_OFF), 4);
  store<u16>(at, be16(<u16>rdlength), RR_RDLENGTH_OFF);
  at += RR_FIXED;
  putLabels(at, cut + CUT_LABELS_OFF, mname);
  at += mname;
  at += putZone(at, q);
  putLabels(at, cut + CUT_LABELS_OFF + mname, rname);
  at += rname;
  at += putZone(at, q);
  store<u64>(at, load<u64>(cut, CUT_SOA_OFF));
  store<u64>(at, load<u64>(cut, CUT_SOA_OFF + 8), 8);
  store<u32>(at, load<u32>(cut, CUT_SOA_OFF + 16), 16);
  r.at += zone + RR_FIXED + rdlength;
  return true;
}
