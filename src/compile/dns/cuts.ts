/**
 * The value of a cut: what a listener does with the names of a zone, and the zone's SOA record.
 */
import {
  CUT_CACHE_OFF,
  CUT_FLAGS_OFF,
  CUT_LABELS_OFF,
  CUT_MNAME_LEN_OFF,
  CUT_RNAME_LEN_OFF,
  CUT_SOA_OFF,
  CUT_SOA_TTL_BE_OFF,
  CUT_SPACE_OFF,
  CUT_UDP_MAX_OFF,
  CUT_ZONE_OFF,
  DNS_UDP_MAX,
} from '../../../assembly/abi-dns.js';
import { nameBelow } from './wire-names.js';

/** Numbers of the SOA record, seconds but the serial (RFC 1035 3.3.13; those of CoreDNS). */
const REFRESH_SEC = 7200;
const RETRY_SEC = 1800;
const EXPIRE_SEC = 86_400;
const SOA_TTL_MAX_SEC = 300;
const MNAME = 'ns.dns';
const RNAME = 'hostmaster';
const NUMBER_SIZE = 4;

export interface Cut {
  /** Of its names; 0: it has none. */
  readonly space: number;
  /** CUT_F_* */
  readonly flags: number;
  /** Unix time of the last change. */
  readonly serial: number;
  /** Of the zone's records, seconds: how long a name's absence may be remembered. */
  readonly ttl: number;
  /** Whose counters. */
  readonly zone: number;
  /** Left out: none. */
  readonly cache?: number;
  /** Octets; left out: DNS_UDP_MAX. */
  readonly udpMax?: number;
}

function labels(text: string): Uint8Array {
  return nameBelow(text, new Uint8Array());
}

export function cutValue({ space, flags, serial, ttl, zone, cache = 0, udpMax }: Cut): Uint8Array {
  const mname = labels(MNAME);
  const rname = labels(RNAME);
  const bytes = new Uint8Array(CUT_LABELS_OFF + mname.length + rname.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(CUT_SPACE_OFF, space, true);
  view.setUint16(CUT_FLAGS_OFF, flags, true);
  view.setUint32(CUT_SOA_TTL_BE_OFF, Math.min(ttl, SOA_TTL_MAX_SEC));
  view.setUint16(CUT_UDP_MAX_OFF, udpMax ?? DNS_UDP_MAX, true);
  view.setUint8(CUT_ZONE_OFF, zone);
  view.setUint8(CUT_MNAME_LEN_OFF, mname.length);
  view.setUint8(CUT_RNAME_LEN_OFF, rname.length);
  view.setUint16(CUT_CACHE_OFF, cache, true);
  [serial, REFRESH_SEC, RETRY_SEC, EXPIRE_SEC, ttl].forEach((number, i) => {
    view.setUint32(CUT_SOA_OFF + NUMBER_SIZE * i, number);
  });
  bytes.set(mname, CUT_LABELS_OFF);
  bytes.set(rname, CUT_LABELS_OFF + mname.length);
  return bytes;
}
