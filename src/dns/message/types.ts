/**
 * Names of record types, classes and response codes, as people write them.
 *
 * Spec  IANA DNS parameters; RFC 3597 5 (TYPE62347, CLASS32)
 */

const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  WKS: 11,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  X25: 19,
  ISDN: 20,
  RT: 21,
  SIG: 24,
  KEY: 25,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  HIP: 55,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  EUI48: 108,
  EUI64: 109,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
};

const CLASSES: Readonly<Record<string, number>> = {
  IN: 1,
  CS: 2,
  CH: 3,
  HS: 4,
  NONE: 254,
  ANY: 255,
};

const RCODES: Readonly<Record<string, number>> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADMODE: 19,
  BADNAME: 20,
  BADALG: 21,
  BADTRUNC: 22,
  BADCOOKIE: 23,
};

const U16_MAX = 0xffff;

function byNumber(names: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(names).map(([name, number]) => [number, name]));
}

const TYPE_NAMES = byNumber(TYPES);
const CLASS_NAMES = byNumber(CLASSES);
const RCODE_NAMES = byNumber(RCODES);

/** A name of a list, or a number behind a word: `TYPE65`. */
function parseNumber(
  text: string,
  names: Readonly<Record<string, number>>,
  prefix: string,
): number | undefined {
  const upper = text.toUpperCase();
  if (Object.hasOwn(names, upper)) return names[upper];
  const digits = upper.startsWith(prefix) ? upper.slice(prefix.length) : '';
  return /^\d{1,5}$/.test(digits) && Number(digits) <= U16_MAX ? Number(digits) : undefined;
}

/** @returns undefined for what is no type */
export function parseType(text: string): number | undefined {
  return parseNumber(text, TYPES, 'TYPE');
}

export function formatType(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** @returns undefined for what is no class */
export function parseClass(text: string): number | undefined {
  return parseNumber(text, CLASSES, 'CLASS');
}

export function formatClass(recordClass: number): string {
  return CLASS_NAMES.get(recordClass) ?? `CLASS${recordClass}`;
}

/** @returns undefined for what is no response code */
export function parseRcode(text: string): number | undefined {
  return parseNumber(text, RCODES, 'RCODE');
}

export function formatRcode(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`;
}
