import test from 'ava';
import fc from 'fast-check';
import {
  foldName,
  formatName,
  isWithin,
  nameKey,
  parseName,
  sameName,
} from '../../../src/dns/wire/name.js';
import { hex } from './hex.js';

test('name: wire form is labels behind their lengths, ended by the root (RFC 1035 3.1)', (t) => {
  t.deepEqual(parseName('F.ISI.ARPA.'), hex('0146 03495349 0441525041 00'));
  t.deepEqual(parseName('F.ISI.ARPA'), parseName('F.ISI.ARPA.'));
  t.deepEqual(parseName('.'), hex('00'));
});

test('name: a dot or a NUL inside a label never makes another name', (t) => {
  const oneLabel = hex('0b 737663312e746573746e73 03737663 00');
  t.is(formatName(oneLabel), 'svc1\\.testns.svc.');
  t.deepEqual(parseName('svc1\\.testns.svc.'), oneLabel);
  t.not(nameKey(oneLabel), nameKey(parseName('svc1.testns.svc.')));
  t.false(sameName(oneLabel, parseName('svc1.testns.svc.')));
  const nul = hex('04 73760063 03737663 00');
  t.is(formatName(nul), 'sv\\000c.svc.');
  t.false(isWithin(oneLabel, parseName('testns.svc.')));
});

test('name: escapes are those of RFC 1035 5.1 and RFC 4343 2.1', (t) => {
  t.deepEqual(
    parseName('Donald\\032E\\.\\032Eastlake\\0323rd.example.'),
    hex('16 446f6e616c6420452e20456173746c616b6520337264 076578616d706c65 00'),
  );
  t.is(formatName(hex('02 fffe 04 0122245c 00')), '\\255\\254.\\001\\"\\$\\\\.');
  t.is(formatName(hex('05 6120 7f 2d5f 00')), 'a\\032\\127-_.');
});

test('name: only ASCII letters fold (RFC 4343 3)', (t) => {
  t.true(sameName(parseName('WWW.ExamPle.'), parseName('www.example.')));
  t.false(sameName(hex('01 c1 00'), hex('01 e1 00')));
  t.false(sameName(hex('01 5b 00'), hex('01 7b 00')));
  t.false(sameName(hex('01 40 00'), hex('01 60 00')));
  t.deepEqual(foldName(hex('03 415a5b 00')), hex('03 617a5b 00'));
});

test('name: a zone is a suffix by whole labels', (t) => {
  const zone = parseName('Cluster.Local.');
  t.true(isWithin(parseName('a.cluster.local.'), zone));
  t.true(isWithin(parseName('cluster.local.'), zone));
  t.true(isWithin(parseName('cluster.local.'), parseName('.')));
  t.false(isWithin(parseName('mycluster.local.'), zone));
  t.false(isWithin(parseName('local.'), zone));
  // The octets of the zone at the end, but inside of one label.
  t.false(
    isWithin(
      hex('0f 61 07636c7573746572 056c6f63616c 00'),
      hex('07636c7573746572 056c6f63616c 00'),
    ),
  );
});

for (const [text, message] of [
  ['', '"" is no domain name: it is empty; the root is "."'],
  ['a..b', '"a..b" is no domain name: it has an empty label'],
  ['.a', '".a" is no domain name: it has an empty label'],
  ['\\256.', '"\\\\256." is no domain name: \\256 is above \\255'],
  ['a\\', '"a\\\\" is no domain name: a backslash at its end escapes nothing'],
  ['a\\1.', '"a\\\\1." is no domain name: expected three digits behind "\\"'],
  ['bücher.de', '"bücher.de" is no domain name: only ASCII is read; write other octets as \\DDD'],
] as const) {
  test(`name: ${JSON.stringify(text)} is refused in one sentence`, (t) => {
    t.throws(() => parseName(text), { message, code: 'ERR_CONFIG' });
  });
}

test('name: 63 octets a label and 255 a name are allowed, one more is not', (t) => {
  const label = 'a'.repeat(63);
  t.is(parseName(`${label}.`).length, 65);
  t.throws(() => parseName(`${label}a.`), { message: /a label has over 63 octets/ });
  const three = `${label}.${label}.${label}.`;
  t.is(parseName(`${three}${'a'.repeat(61)}.`).length, 255);
  t.throws(() => parseName(`${three}${'a'.repeat(62)}.`), { message: /it has over 255 octets/ });
});

test('name: text and wire are two forms of one thing, whatever the octets', (t) => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
  const names = fc
    .array(label, { maxLength: 6 })
    .map((labels) => Uint8Array.from([...labels.flatMap((l) => [l.length, ...l]), 0]))
    .filter((name) => name.length <= 255);
  fc.assert(
    fc.property(names, names, (a, b) => {
      t.deepEqual(parseName(formatName(a)), a);
      t.regex(formatName(a), /^[!-~]+$/);
      // The text of a name is a name's own: equal text, equal octets.
      t.is(formatName(a) === formatName(b), Buffer.from(a).equals(b));
      t.is(nameKey(a) === nameKey(b), sameName(a, b));
    }),
  );
});
