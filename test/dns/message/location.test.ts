import test from 'ava';
import { parseRecord } from '../../../src/dns/message/master-file.js';
import { formatRdata } from '../../../src/dns/message/rdata.js';
import { parseName } from '../../../src/dns/wire/name.js';

const OPTIONS = { file: 'db', origin: parseName('example.org'), ttl: 3600 };
const LOC = 29;

const hexOf = (data: string): string =>
  Buffer.from(parseRecord(`a 60 IN LOC ${data}`, OPTIONS).rdata).toString('hex');

/** The examples of RFC 1876 4, and others; octets as Knot 3.2.6 serves them. */
for (const [data, hex, shown] of [
  [
    '42 21 54 N 71 06 18 W -24m 30m',
    '0033161389172dd070be15f000988d20',
    '42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m',
  ],
  [
    '32 7 19 S 116 2 25 E 10m',
    '00121613791b7d2898e6486800989a68',
    '32 7 19.000 S 116 2 25.000 E 10.00m 1.00m 10000.00m 10.00m',
  ],
  [
    '52 14 05.25 N 0 8 50 E 10.5m 0.05m 90000m 123',
    '005096148b3557c28008165000989a9a',
    '52 14 5.250 N 0 8 50.000 E 10.50m 0.05m 90000.00m 100.00m',
  ],
  [
    '42 N 71 6 W 0 0',
    '000016138903210070be5c4000989680',
    '42 0 0.000 N 71 6 0.000 W 0.00m 0.00m 10000.00m 10.00m',
  ],
] as const) {
  test(`LOC: ${data}`, (t) => {
    t.is(hexOf(data), hex);
    t.is(formatRdata(LOC, Buffer.from(hex, 'hex')), shown);
    t.is(hexOf(shown), hex);
  });
}

for (const data of [
  '',
  '42 N 71 W',
  '91 N 71 W 0m',
  '90 0 0.001 N 71 W 0m',
  '42 60 N 71 W 0m',
  '42 N 71 N 0m',
  '42 N 71 W -100001m',
  '42 N 71 W 0m 1m 1m 1m 1m',
  '42 N 71 W 0m -1m',
]) {
  test(`LOC: ${JSON.stringify(data)} is refused, with file and line`, (t) => {
    t.throws(() => hexOf(data), { code: 'ERR_CONFIG', message: /^db:1: / });
  });
}

test('LOC: another version is written as octets', (t) => {
  t.is(formatRdata(LOC, new Uint8Array(16).fill(1)), `\\# 16 ${'01'.repeat(16)}`);
});
