/**
 * Messages that are no questions: each gets the reply of spec/dns.md 3.12, column Ours. The packets of
 * malformed.tsv were measured on CoreDNS, Knot, NSD and Unbound; what they reply is in the file.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import * as abi from '../../../assembly/abi-dns.js';
import { openDnsCore, putCluster } from './zone.js';

const dns = openDnsCore();
const refused = dns.apply((writer) => putCluster(writer));
if (refused.length > 0) throw new Error(refused.join());

/** Where a question of labels only ends. */
function questionEnd(bytes: Buffer): number {
  let at = 12;
  while (at < bytes.length && bytes[at] !== 0) at += (bytes[at] ?? 0) + 1;
  return at + 5;
}

/**
 * What a reply says, without our decoder: RCODE with the bits of OPT in front, questions, answers.
 * `DROP` is silence.
 */
function outcome(message: Buffer, flags = 0): string {
  const { result, reply } = dns.ask(message, { flags });
  if (result === abi.DNS_DROP) return 'DROP';
  if (result === abi.DNS_HOST) return 'HOST';
  const bytes = Buffer.from(reply);
  const [id, high = 0, low = 0] = [bytes.readUInt16BE(0), bytes[2], bytes[3]];
  if (id !== message.readUInt16BE(0)) throw new Error('another ID');
  if ((high & 0x80) === 0) throw new Error('QR is not set');
  if ((low & 0x60) !== 0) throw new Error('Z or AD is set');
  const [qd, an, ar] = [bytes.readUInt16BE(4), bytes.readUInt16BE(6), bytes.readUInt16BE(10)];
  const end = qd > 0 ? questionEnd(bytes) : 12;
  if (!bytes.subarray(12, end).equals(message.subarray(12, end))) throw new Error('no echo');
  let rcode = low & 15;
  if (ar > 0 && bytes.at(-10) === 0 && bytes.at(-9) === 41) rcode |= (bytes.at(-6) ?? 0) << 4;
  const name = new Map([
    [0, 'NOERROR'],
    [1, 'FORMERR'],
    [3, 'NXDOMAIN'],
    [4, 'NOTIMP'],
    [5, 'REFUSED'],
    [16, 'BADVERS'],
  ]).get(rcode);
  if ((rcode === 1 || rcode === 4) && bytes.length > message.length) {
    throw new Error(`${String(name)} of ${bytes.length} bytes to ${message.length}`);
  }
  return `${String(name)}/q${qd}a${an}`;
}

const FE0 = 'FORMERR/q0a0';
const ANSWER = 'NOERROR/q1a1';
const NODATA = 'NOERROR/q1a0';
const NXDOMAIN = 'NXDOMAIN/q1a0';
const REFUSED = 'REFUSED/q1a0';
const NOTIMP = 'NOTIMP/q0a0';

/** Column Ours, by the first column of the file. */
const OURS: Readonly<Record<string, string | undefined>> = {
  'empty datagram': 'DROP',
  '1 byte': 'DROP',
  '11 byte header': 'DROP',
  'header only qd=0': FE0,
  'header only qd=1': FE0,
  'header + 1 byte': FE0,
  'QR=1': 'DROP',
  'opcode IQUERY(1)': NOTIMP,
  'opcode STATUS(2)': NOTIMP,
  'opcode NOTIFY(4)': NOTIMP,
  'opcode UPDATE(5)': NOTIMP,
  'opcode 15': NOTIMP,
  'qd=2': FE0,
  'qd=0 with body': FE0,
  'qd=65535': FE0,
  'an=1 declared absent': FE0,
  'ns=1 declared absent': FE0,
  'ar=1 declared absent': FE0,
  'an=2': FE0,
  'ar=3': FE0,
  'trailing byte': ANSWER,
  'trailing 100 bytes': ANSWER,
  'label len 64 (0x40)': FE0,
  'label type 0x80': FE0,
  'label len 63 ok': NXDOMAIN,
  // Outside of all zones: the servers of the file had them in one.
  'name exactly 255': REFUSED,
  'name 256': FE0,
  'name 257': FE0,
  'ptr to self (0xc00c)': FE0,
  'ptr loop 2': FE0,
  'label then ptr self': FE0,
  'fwd ptr in qname': FE0,
  'ptr beyond end': FE0,
  'ptr into header': FE0,
  'ptr truncated (c0 last)': FE0,
  'name w/o terminator': FE0,
  'label runs past end': FE0,
  'no qtype': FE0,
  'qtype only 1 byte': FE0,
  'no qclass': FE0,
  'root qname': REFUSED,
  'qtype 0': NODATA,
  'qtype 65535': NODATA,
  'qtype OPT 41': 'FORMERR/q1a0',
  'qclass 0': REFUSED,
  'qclass CH': REFUSED,
  'qclass ANY': REFUSED,
  'qclass NONE': REFUSED,
  'NUL byte in label': NXDOMAIN,
  'dot inside label': NXDOMAIN,
  '8-bit label': NXDOMAIN,
  'AR has A record': ANSWER,
  // 3.12: only the bounds of RDLENGTH are checked of what is skipped.
  'AR A rdlen 3': ANSWER,
  'TSIG-ish garbage': FE0,
  'EDNS ver1': 'BADVERS/q1a0',
  'two OPT': FE0,
  'OPT name not root': FE0,
  'OPT rdlen truncated opt': FE0,
  'OPT option len overflow': FE0,
  'OPT rdlen beyond msg': FE0,
  'bad cookie len 3': ANSWER,
  'AXFR over UDP': REFUSED,
  // One HINFO record (RFC 8482) where CoreDNS has no data.
  ANY: ANSWER,
  'OPT in answer': FE0,
};

const TSV = path.join(import.meta.dirname, '../fixtures/malformed.tsv');
const rows = readFileSync(TSV, 'utf8')
  .split('\n')
  .slice(1)
  .filter((line) => line !== '')
  .map((line) => line.split('\t'));

test('dns: every row of malformed.tsv has a reply to expect, and the other way round', (t) => {
  t.deepEqual(rows.map(([name]) => name).sort(), Object.keys(OURS).sort());
});

for (const [name = '', hex = ''] of rows) {
  test(`dns: malformed.tsv: ${name}`, (t) => {
    t.is(outcome(Buffer.from(hex, 'hex')), OURS[name] ?? 'nothing known');
    t.is(outcome(Buffer.from(hex, 'hex'), abi.DNS_F_TCP), OURS[name] ?? 'nothing known');
  });
}

const N = '0473766331067465 73746e7303737663 07636c7573746572 056c6f63616c00';
const HEAD = '1234 0100 0001 0000 0000 0000';
const AR1 = '1234 0100 0001 0000 0000 0001';
const IN_A = '0001 0001';
const a63 = `3f${'61'.repeat(63)}`;
const opt = (rest: string): string => `00 0029 04d0 00000000 ${rest}`;

/** spec/dns.md 4.3; V45 and V46 are about headers in front of the message. */
const VECTORS: readonly [string, string, string][] = [
  ['[dns V01]', 'DROP', '1234010000010000000000'],
  ['[dns V02]', FE0, '123401000000000000000000'],
  ['[dns V03]', FE0, '123401000001000000000000'],
  ['[dns V04]', 'DROP', `1234 8100 0001 0000 0000 0000 ${N} ${IN_A}`],
  ['[dns V05]', NOTIMP, `1234 0900 0001 0000 0000 0000 ${N} ${IN_A}`],
  ['[dns V06]', NOTIMP, `1234 2100 0001 0000 0000 0000 ${N} ${IN_A}`],
  ['[dns V07]', NOTIMP, `1234 2900 0001 0000 0000 0000 ${N} ${IN_A}`],
  ['[dns V08]', FE0, `1234 0100 0002 0000 0000 0000 ${N} ${IN_A} ${N} ${IN_A}`],
  ['[dns V09]', FE0, `1234 0100 0001 0001 0000 0000 ${N} ${IN_A}`],
  ['[dns V10]', FE0, `${AR1} ${N} ${IN_A}`],
  ['[dns V11]', ANSWER, `${HEAD} ${N} ${IN_A} ff`],
  ['[dns V12]', FE0, `${HEAD} 40 ${'61'.repeat(64)} 00 ${IN_A}`],
  ['[dns V13]', FE0, `${HEAD} 80616263 00 ${IN_A}`],
  ['[dns V14]', REFUSED, `${HEAD} ${a63}${a63}${a63} 3d${'61'.repeat(61)} 00 ${IN_A}`],
  ['[dns V15]', FE0, `${HEAD} ${a63}${a63}${a63} 3e${'61'.repeat(62)} 00 ${IN_A}`],
  ['[dns V16]', FE0, `${HEAD} c00c ${IN_A}`],
  ['[dns V17]', FE0, `${HEAD} c00e c00c ${IN_A}`],
  ['[dns V18]', FE0, `${HEAD} 0161 c00c ${IN_A}`],
  ['[dns V19]', FE0, `${HEAD} c012 ${IN_A} ${N}`],
  ['[dns V20]', FE0, `${HEAD} ffff ${IN_A}`],
  ['[dns V21]', FE0, `${HEAD} c000 ${IN_A}`],
  ['[dns V22]', FE0, `${HEAD} c0`],
  ['[dns V23]', FE0, `${HEAD} 0473766331`],
  ['[dns V24]', FE0, `${HEAD} 3f616263`],
  ['[dns V25]', FE0, `${HEAD} ${N}`],
  ['[dns V26]', FE0, `${HEAD} ${N} 00`],
  ['[dns V27]', FE0, `${HEAD} ${N} 0001`],
  ['[dns V28]', REFUSED, `${HEAD} ${N} 0001 0003`],
  ['[dns V29]', REFUSED, `${HEAD} ${N} 0001 00ff`],
  ['[dns V30]', REFUSED, `${HEAD} ${N} 0001 0000`],
  ['[dns V31]', NODATA, `${HEAD} ${N} ffff 0001`],
  ['[dns V32]', 'FORMERR/q1a0', `${HEAD} ${N} 0029 0001`],
  ['[dns V33]', 'BADVERS/q1a0', `${AR1} ${N} ${IN_A} 00 0029 1000 00010000 0000`],
  [
    '[dns V34]',
    FE0,
    `1234 0100 0001 0000 0000 0002 ${N} ${IN_A} ${opt('0000')} 00 0029 0200 00000000 0000`,
  ],
  ['[dns V35]', FE0, `${AR1} ${N} ${IN_A} 0178 00 0029 04d0 00000000 0000`],
  ['[dns V36]', FE0, `1234 0100 0001 0001 0000 0000 ${N} ${IN_A} ${opt('0000')}`],
  ['[dns V37]', FE0, `${AR1} ${N} ${IN_A} ${opt('0003 000a00')}`],
  ['[dns V38]', FE0, `${AR1} ${N} ${IN_A} ${opt('0006 000a0010 4142')}`],
  ['[dns V39]', FE0, `${AR1} ${N} ${IN_A} ${opt('0032')}`],
  ['[dns V40]', ANSWER, `${AR1} ${N} ${IN_A} ${opt('0007 000a0003 414243')}`],
  [
    '[dns V41]',
    NXDOMAIN,
    `${HEAD} 0b 737663312e746573746e73 03737663 07636c7573746572 056c6f63616c 00 ${IN_A}`,
  ],
  ['[dns V42]', NXDOMAIN, `${HEAD} 04 73760063 ${N} ${IN_A}`],
  ['[dns V43]', NXDOMAIN, `${HEAD} 02 fffe ${N} ${IN_A}`],
  ['[dns V44]', ANSWER, `${AR1} ${N} ${IN_A} c00c 0001 0001 00000005 0004 01020304`],
];

for (const [tag, expected, hex] of VECTORS) {
  test(`dns: this is ${expected} ${tag}`, (t) => {
    t.is(outcome(Buffer.from(hex.replaceAll(' ', ''), 'hex')), expected);
  });
}

test('dns: names at the edges of their lengths [dns 110]', (t) => {
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
  t.is(outcome(hex('')), 'DROP');
  t.is(outcome(hex(`${HEAD} b0 6162 00 ${IN_A}`)), FE0);
  t.is(outcome(hex(`${HEAD} c001 ${IN_A}`)), FE0);
  // 127 labels of one octet are 255 octets with the root; 128 are too long.
  t.is(outcome(hex(`${HEAD} ${'0161'.repeat(127)} 00 ${IN_A}`)), REFUSED);
  t.is(outcome(hex(`${HEAD} ${'0161'.repeat(128)} 00 ${IN_A}`)), FE0);
  t.is(outcome(hex(`${HEAD} ${'c00c'.repeat(8192)} ${IN_A}`)), FE0);
});

test('dns: bits of the header that mean nothing in a query are ignored and not sent back', (t) => {
  const query = Buffer.from(`${HEAD}${N}${IN_A}`.replaceAll(' ', ''), 'hex');
  query[2] = 0x07; // AA, TC, RD
  query[3] = 0xff; // RA, Z, AD, CD, RCODE 15
  const { reply } = dns.ask(query);
  t.deepEqual([...reply.subarray(0, 4)], [0x12, 0x34, 0x85, 0x10]);
  t.deepEqual(dns.record16(abi.DNS_FLAGS_OFF), abi.DNS_F_RD | abi.DNS_F_AD | abi.DNS_F_CD);
});

test('dns: what is behind the last record is answered and counted', (t) => {
  const words = new BigUint64Array(
    dns.core.memory.buffer,
    abi.DNS_COUNTERS_BASE + 8 * abi.DNS_ZONE_WORDS,
    abi.DNS_ZONE_WORDS,
  );
  const before = words[abi.ZONE_TRAILING_WORD] ?? 0n;
  t.is(outcome(Buffer.from(`${HEAD}${N}${IN_A}ff`.replaceAll(' ', ''), 'hex')), ANSWER);
  t.is(words[abi.ZONE_TRAILING_WORD], before + 1n);
});
