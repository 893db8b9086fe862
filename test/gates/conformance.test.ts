import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CASE_PAGES, claimsOf, readCases } from '../../scripts/tap-summary.js';

const ROOT = join(import.meta.dirname, '../..');

/** `1` to a number of cases; `V01` on for vectors. */
const upTo = (count: number, letter = ''): string[] =>
  Array.from(
    { length: count },
    (_, i) => `${letter}${String(i + 1).padStart(letter === '' ? 1 : 2, '0')}`,
  );

/** Cases that each page has: none gets lost. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  proxy: upTo(126),
  cni: upTo(78),
  dns: [...upTo(110), ...upTo(46, 'V')],
};

const lists = CASE_PAGES.map((page) =>
  readCases(page, readFileSync(join(ROOT, page.page), 'utf8')),
);

/** Every case that a text in the tests lays claim to. The tests of the counting itself claim nothing. */
function claimed(): Set<string> {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' });
  const sources = files
    .filter((name) => name.endsWith('.test.ts') && !name.endsWith('tap-summary.test.ts'))
    .map((name) => readFileSync(join(ROOT, 'test', name), 'utf8'));
  return new Set(sources.flatMap(claimsOf));
}

for (const { tag, page, all, notApplicable } of lists) {
  test(`conformance: ${page} is numbered from 1 on without a gap`, (t) => {
    t.deepEqual(all, CASES[tag]);
  });

  test(`conformance: every case of ${page} has a test or a reason why it does not apply`, (t) => {
    const known = claimed();
    t.deepEqual(
      all.filter((number) => !known.has(`${tag} ${number}`) && !notApplicable.includes(number)),
      [],
    );
    const numbers = [...known].filter((claim) => claim.startsWith(`${tag} `));
    t.deepEqual(
      numbers.filter((claim) => !all.includes(claim.slice(tag.length + 1))),
      [],
      'no such case',
    );
  });
}
