/**
 * What an entry must be before the answer path trusts it: names well-formed and in lower case where
 * they are keys, every length within the length around it, every record as long as its type is.
 */
import {
  CUT_LABELS_OFF,
  CUT_MNAME_LEN_OFF,
  CUT_RNAME_LEN_OFF,
  CUT_SPACE_OFF,
  CUT_ZONE_OFF,
  DNS_NAME_MAX,
  DNS_ZONE_MAX,
  ENTRY_NAME_LEN_OFF,
  ENTRY_NAME_OFF,
  GLUE_HLEN,
  GLUE_NAME_OFF,
  GLUE_RDLENGTH_BE_OFF,
  GLUE_RECORD_OFF,
  GLUE_TYPE_OFF,
  RRSET_HLEN,
  SPACE_FIRST,
} from '../abi-dns';
import {
  LABEL_LEN_MAX,
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_META_FIRST,
  TYPE_OPT,
  u16At,
} from '../wire/dns';
import { FoldedName, nameLength, readFolded } from './fold';
import { sameName } from './names';
import { OTHER_NAME } from './record';
import { Rrset, VALUE_HLEN } from './rrset';

/**
 * Read the name of an entry into the other name's place.
 *
 * @param avail  bytes of the entry
 * @returns      whether it is one, as long as the entry says, in lower case
 */
export function readEntryName(entry: usize, avail: u32): bool {
  if (avail <= <u32>ENTRY_NAME_OFF) return false;
  const length: u32 = load<u8>(entry, ENTRY_NAME_LEN_OFF);
  const src = entry + ENTRY_NAME_OFF;
  if (length > avail - ENTRY_NAME_OFF) return false;
  if (readFolded(OTHER_NAME, src, length) != length || length == 0) return false;
  return sameName(FoldedName.at(OTHER_NAME).ptr, src, length);
}

/** Whether `length` octets are whole labels without a root. */
function areLabels(src: usize, length: u32): bool {
  let at: u32 = 0;
  // Every turn takes two octets at least.
  while (at < length) {
    const n: u32 = load<u8>(src + at);
    if (n == 0 || n > LABEL_LEN_MAX) return false;
    at += n + 1;
  }
  return at == length;
}

/**
 * Whether the value of a cut is sound.
 *
 * @param zoneLen  octets of the cut's name
 */
export function cutFits(value: usize, avail: u32, zoneLen: u32): bool {
  if (avail < <u32>CUT_LABELS_OFF) return false;
  const mname: u32 = load<u8>(value, CUT_MNAME_LEN_OFF);
  const rname: u32 = load<u8>(value, CUT_RNAME_LEN_OFF);
  if (mname + rname > avail - CUT_LABELS_OFF) return false;
  const labels = value + CUT_LABELS_OFF;
  if (!areLabels(labels, mname) || !areLabels(labels + mname, rname)) return false;
  if (max<u32>(mname, rname) + zoneLen > <u32>DNS_NAME_MAX) return false;
  const space: u32 = load<u16>(value, CUT_SPACE_OFF);
  const zone: u32 = load<u8>(value, CUT_ZONE_OFF);
  return (space == 0 || space >= <u32>SPACE_FIRST) && zone < <u32>DNS_ZONE_MAX;
}

/** RDLENGTH of the types that stages rely on; others have any. */
function lengthFits(type: u32, rdata: usize, rdlength: u32): bool {
  if (type == TYPE_A) return rdlength == 4;
  if (type == TYPE_AAAA) return rdlength == 16;
  if (type == TYPE_CNAME) return rdlength != 0 && nameLength(rdata, rdlength) == rdlength;
  return true;
}

/** Whether the records of a set add up to its bytes. */
function recordsFit(set: Rrset): bool {
  const type = set.type;
  const count = set.count;
  const bytes = set.bytes;
  if (type == 0 || type == TYPE_OPT || (type >= TYPE_META_FIRST && type <= 255)) return false;
  if (count == 0 || (type == TYPE_CNAME && count != 1)) return false;
  let at: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (bytes - at < 2) return false;
    const rdlength = u16At(set.records + at);
    at += 2;
    if (bytes - at < rdlength || !lengthFits(type, set.records + at, rdlength)) return false;
    at += rdlength;
  }
  return at == bytes;
}

/** Whether glue adds up, in the order of the records, and each owner is a name in its record. */
function glueFits(set: Rrset): bool {
  const glue = set.records + set.bytes;
  const bytes = set.glueBytes;
  const count = set.count;
  let record: u32 = 0;
  let rdata = set.records + 2;
  let at: u32 = 0;
  // Every turn takes a glue record's header at least.
  while (at < bytes) {
    if (bytes - at < <u32>GLUE_HLEN) return false;
    const wanted: u32 = load<u16>(glue + at, GLUE_RECORD_OFF);
    if (wanted >= count || wanted < record) return false;
    for (; record < wanted; record++) rdata += <usize>(u16At(rdata - 2) + 2);
    const nameOff: u32 = load<u16>(glue + at, GLUE_NAME_OFF);
    const rdlength = u16At(rdata - 2);
    if (nameOff >= rdlength || !nameLength(rdata + nameOff, rdlength - nameOff)) return false;
    const type: u32 = load<u16>(glue + at, GLUE_TYPE_OFF);
    const length = u16At(glue + at + GLUE_RDLENGTH_BE_OFF);
    at += GLUE_HLEN;
    if (bytes - at < length || !lengthFits(type, glue + at, length)) return false;
    at += length;
  }
  return true;
}

/**
 * Whether the value of a name is sound.
 *
 * @returns bytes of it, 0 = it is not
 */
export function valueLength(value: usize, avail: u32): u32 {
  if (avail < <u32>VALUE_HLEN) return 0;
  const sets: u32 = load<u16>(value);
  let at: u32 = <u32>VALUE_HLEN;
  for (let i: u32 = 0; i < sets; i++) {
    if (avail < at || avail - at < <u32>RRSET_HLEN) return 0;
    const set = Rrset.at(value + at);
    const rest: u64 = avail - at - RRSET_HLEN;
    if (<u64>set.bytes + set.glueBytes > rest) return 0;
    if (!recordsFit(set) || !glueFits(set)) return 0;
    at += set.size;
  }
  return at <= avail ? at : 0;
}
