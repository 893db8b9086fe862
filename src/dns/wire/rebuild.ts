/**
 * A message written anew from some of its records.
 *
 * Records cannot just be cut out, because names behind them may point into them. Names of owners
 * and of RFC 1035 data are read without compression and compressed again, with case kept.
 *
 * Spec  RFC 1035 4.1.4
 */
import {
  ANCOUNT_OFF,
  ARCOUNT_OFF,
  HEADER_SIZE,
  MESSAGE_MAX,
  NSCOUNT_OFF,
  RecordType,
  writeU16,
} from './header.js';
import type { Message, RecordAt, Section } from './message.js';
import { labelOffsets } from './name.js';
import { fieldEnd, layoutOf } from './rdata.js';
import { readName } from './read-name.js';

/** Pointers have 14 bits. */
const POINTER_TARGET_MAX = 0x3fff;
const POINTER_FLAGS = 0xc000;

const COUNT_OFF: Readonly<Record<Section, number>> = {
  answer: ANCOUNT_OFF,
  authority: NSCOUNT_OFF,
  additional: ARCOUNT_OFF,
};

/** Octets written so far, and where names begin among them. */
interface Sheet {
  readonly bytes: Uint8Array;
  readonly suffixes: Map<string, number>;
  /** May pass the end of `bytes`: what is behind it is lost, and the message with it. */
  length: number;
}

function writeOctets(sheet: Sheet, octets: Uint8Array): void {
  if (sheet.length + octets.length <= sheet.bytes.length) sheet.bytes.set(octets, sheet.length);
  sheet.length += octets.length;
}

/** Write a name, as a pointer from the first label on that stands somewhere already. */
function writeName(sheet: Sheet, name: Uint8Array): void {
  for (const at of labelOffsets(name).slice(0, -1)) {
    const suffix = Buffer.from(name.subarray(at)).toString('latin1');
    const known = sheet.suffixes.get(suffix);
    if (known !== undefined) {
      writeOctets(sheet, Uint8Array.of((POINTER_FLAGS | known) >>> 8, known));
      return;
    }
    if (sheet.length <= POINTER_TARGET_MAX) sheet.suffixes.set(suffix, sheet.length);
    writeOctets(sheet, name.subarray(at, at + 1 + (name[at] ?? 0)));
  }
  writeOctets(sheet, Uint8Array.of(0));
}

/** A name of a message that has been walked. */
function nameAt(bytes: Uint8Array, off: number): Uint8Array {
  return readName(bytes, off) ?? Uint8Array.of(0);
}

function writeRdata(sheet: Sheet, bytes: Uint8Array, record: RecordAt): void {
  let at = record.rdataOff;
  for (const field of layoutOf(record.type, record.class).fields) {
    const next = fieldEnd(bytes, at, record.end, field) ?? record.end;
    if (field === 'name' && record.type !== RecordType.SRV) {
      writeName(sheet, nameAt(bytes, at));
    } else if (field === 'name') {
      writeOctets(sheet, nameAt(bytes, at));
    } else {
      writeOctets(sheet, bytes.subarray(at, next));
    }
    at = next;
  }
  writeOctets(sheet, bytes.subarray(at, record.end));
}

export interface RebuildOptions {
  readonly keep: (record: RecordAt) => boolean;
  /** Leave the options of the OPT record out. */
  readonly hasBareOpt?: boolean;
}

/**
 * Write a message with the records that `keep` likes, in their order; questions stay.
 *
 * @returns undefined when it would be longer than a message can be
 */
export function rebuild(message: Message, options: RebuildOptions): Uint8Array | undefined {
  const { bytes, questions, records } = message;
  const sheet: Sheet = { bytes: new Uint8Array(MESSAGE_MAX), suffixes: new Map(), length: 0 };
  writeOctets(sheet, bytes.subarray(0, HEADER_SIZE));
  for (const { nameOff, end } of questions) {
    writeName(sheet, nameAt(bytes, nameOff));
    writeOctets(sheet, bytes.subarray(end - 4, end));
  }
  const counts: Record<Section, number> = { answer: 0, authority: 0, additional: 0 };
  for (const record of records) {
    if (!options.keep(record)) continue;
    counts[record.section]++;
    writeName(sheet, nameAt(bytes, record.nameOff));
    writeOctets(sheet, bytes.subarray(record.ttlOff - 4, record.rdataOff));
    const dataOff = sheet.length;
    const isBare = options.hasBareOpt === true && record === message.opt;
    if (!isBare) writeRdata(sheet, bytes, record);
    if (sheet.length > MESSAGE_MAX) return undefined;
    writeU16(sheet.bytes, dataOff - 2, sheet.length - dataOff);
  }
  for (const [section, off] of Object.entries(COUNT_OFF)) {
    writeU16(sheet.bytes, off, counts[section as Section]);
  }
  return sheet.bytes.slice(0, sheet.length);
}
