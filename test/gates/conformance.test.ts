import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readCases } from '../../scripts/tap-summary.js';

const ROOT = join(import.meta.dirname, '../..');
const { all, notApplicable } = readCases(readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8'));

/** Every number that a title in the tests lays claim to. */
function claimed(): Set<number> {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' });
  const titles = files
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => [
      ...readFileSync(join(ROOT, 'test', name), 'utf8').matchAll(/\[proxy ([\d ]+)\]/g),
    ]);
  return new Set(titles.flatMap(([, numbers = '']) => numbers.split(' ').map(Number)));
}

test('conformance: the list is numbered from 1 on without a gap', (t) => {
  t.deepEqual(
    all,
    all.map((_, i) => i + 1),
  );
  t.is(all.length, 126);
});

test('conformance: every case has a test or a reason why it does not apply', (t) => {
  const known = claimed();
  t.deepEqual(
    all.filter((number) => !known.has(number) && !notApplicable.includes(number)),
    [],
  );
  t.deepEqual(
    [...known].filter((number) => !all.includes(number)),
    [],
    'no such case',
  );
});
