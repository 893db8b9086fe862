/** A DNS message in words, a line each: the question, the code, the records. */
import { formatClass, formatRcode, formatType } from '../src/dns/message/types.js';
import {
  FLAG_AA,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  RCODE_MASK,
  RecordType,
  readU16,
  readU32,
} from '../src/dns/wire/header.js';
import { walkMessage } from '../src/dns/wire/message.js';
import type { Message, RecordAt } from '../src/dns/wire/message.js';
import { formatName } from '../src/dns/wire/name.js';
import { readName } from '../src/dns/wire/read-name.js';
import { familyOf, formatAddress } from '../src/addr.js';

export interface DnsText {
  /** `query` or `NOERROR`, with its flags. */
  readonly head: string;
  readonly question: string;
  readonly records: readonly { readonly section: string; readonly text: string }[];
}

const FLAGS: readonly (readonly [number, string])[] = [
  [FLAG_AA, 'authoritative'],
  [FLAG_TC, 'truncated'],
  [FLAG_RD, 'recursion desired'],
  [FLAG_RA, 'recursion available'],
];
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

const nameAt = (bytes: Uint8Array, off: number): string => {
  const name = readName(bytes, off);
  return name === undefined ? '(bad name)' : formatName(name);
};

function addressText(raw: Uint8Array): string {
  const bytes = raw.length === 4 ? Uint8Array.of(...MAPPED, ...raw) : raw.slice();
  return formatAddress({ bytes, family: familyOf(bytes) });
}

function textOf(raw: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < raw.length; at += (raw[at] ?? 0) + 1) {
    const end = at + 1 + (raw[at] ?? 0);
    parts.push(JSON.stringify(new TextDecoder().decode(raw.subarray(at + 1, end))));
  }
  return parts.join(' ');
}

/** Data of a record that has been walked: as master files have it (RFC 1035 5), or hexadecimal. */
function rdataText(bytes: Uint8Array, { type, rdataOff, end }: RecordAt): string {
  const raw = bytes.subarray(rdataOff, end);
  switch (type) {
    case RecordType.A:
    case RecordType.AAAA:
      return addressText(raw);
    case RecordType.NS:
    case RecordType.CNAME:
    case RecordType.PTR:
      return nameAt(bytes, rdataOff);
    case RecordType.MX:
      return `${readU16(bytes, rdataOff)} ${nameAt(bytes, rdataOff + 2)}`;
    case RecordType.SRV: {
      const numbers = [0, 2, 4].map((off) => readU16(bytes, rdataOff + off));
      return `${numbers.join(' ')} ${nameAt(bytes, rdataOff + 6)}`;
    }
    case RecordType.SOA:
      return `${nameAt(bytes, rdataOff)} serial ${readU32(bytes, end - 20)}`;
    case RecordType.TXT:
      return textOf(raw);
    default:
      return [...raw].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}

function headOf({ flags }: Message): string {
  const names = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  const what = (flags & FLAG_QR) === 0 ? 'query' : formatRcode(flags & RCODE_MASK);
  return [what, ...names].join(', ');
}

function recordText(bytes: Uint8Array, record: RecordAt): string {
  if (record.type === RecordType.OPT) return `OPT, UDP payload size ${record.class}`;
  const owner = nameAt(bytes, record.nameOff);
  const head = `${owner} ${readU32(bytes, record.ttlOff)} ${formatClass(record.class)}`;
  return `${head} ${formatType(record.type)} ${rdataText(bytes, record)}`;
}

/** @returns a string for what is no sound message: why not */
export function dnsText(bytes: Uint8Array): DnsText | string {
  const message = walkMessage(bytes);
  if ('malformed' in message) return message.malformed;
  const [asked] = message.questions;
  const question =
    asked === undefined ? '(none)' : `${nameAt(bytes, asked.nameOff)} ${formatType(asked.type)}`;
  const records = message.records.map((record) => ({
    section: record.section,
    text: recordText(bytes, record),
  }));
  return { head: headOf(message), question, records };
}
