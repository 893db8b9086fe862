/** What replaces Node's own functions where any JavaScript runtime must do says the same. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { canonicalAddress, parseAddress } from '../../src/addr.js';
import { sha256 } from '../../src/sha256.js';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const expected = (text: string): string => createHash('sha256').update(text).digest('hex');

test('sha256: texts that fill a block, almost or just not, are what OpenSSL says', (t) => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000]) {
    const text = 'é'.repeat(length >> 1) + 'x'.repeat(length & 1);
    t.is(hexOf(sha256(text)), expected(text), String(length));
  }
});

testProp('sha256: any text is what OpenSSL says', [fc.string({ unit: 'grapheme' })], (t, text) => {
  t.is(hexOf(sha256(text)), expected(text));
});

const isTaken = (text: string): boolean => {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
};

const near = fc.array(
  fc.constantFrom(
    '1',
    '0',
    'ff',
    'abcd',
    '255',
    '256',
    ':',
    '::',
    '.',
    'g',
    '%',
    '00001',
    ' ',
    '\n',
    '[',
  ),
  {
    maxLength: 16,
  },
);

testProp(
  'addresses: a text is an address exactly where node:net says so',
  [
    fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6(),
      near.map((parts) => parts.join('')),
      fc.string(),
    ),
  ],
  (t, text) => {
    t.is(isTaken(text), isIP(text) !== 0 && !text.includes('%'), JSON.stringify(text));
  },
  { numRuns: 3000 },
);

test('addresses: texts at the edge of the grammar', (t) => {
  for (const text of [
    ...[
      '1::2:3:4:5:6:7',
      '1::2:3:4:5:6:7:8',
      '::1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7::',
      '1:2:3:4:5:6:7:8::',
    ],
    ...[
      '::ffff:1.2.3.4',
      '::1.2.3',
      '::1.2.3.4.5',
      '::01.2.3.4',
      '1:2:3:4:5:6:1.2.3.4',
      '1:2:3:4:5:6:7:1.2.3.4',
    ],
    ...[
      '1.2.3.4.',
      '1.2.3',
      '1..2.3',
      '01.2.3.4',
      '1.2.3.04',
      '256.1.1.1',
      '1.2.3.4 ',
      '\n::1',
      '::1\t',
      '[::1]',
      '0x1.2.3.4',
      '1e1.1.1.1',
    ],
    ...[':', ':::', '1:', ':1', '::1::', '12345::', '', '::', '1.2.3.4:80', 'fe80::1%eth0'],
  ]) {
    t.is(isTaken(text), isIP(text) !== 0 && !text.includes('%'), JSON.stringify(text));
  }
  t.is(canonicalAddress('010.1.1.1')?.family, 4);
});
