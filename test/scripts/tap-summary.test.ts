import test from 'ava';
import { claimsOf, createTapSummary, readCases } from '../../scripts/tap-summary.js';

/** The last line of the report, and the whole of it. */
function summarise(code: number, ...lines: string[]): { last: string; report: string } {
  const summary = createTapSummary();
  const report = [...lines.flatMap((line) => summary.read(line)), ...summary.finish(code)];
  return { last: report.at(-1) ?? '', report: report.join('\n') };
}

const TRAILER = ['', '1..2', '# tests 2', '# pass 2', '# fail 0', ''];

test('summary: the last line is what scripts read', (t) => {
  const { last } = summarise(0, 'TAP version 13', 'ok 1 - wire › a', 'ok 2 - wire › b', ...TRAILER);
  t.is(last, '2 passed, 0 failed');
});

test('summary: a failure is named twice and keeps its details', (t) => {
  const { last, report } = summarise(
    1,
    'not ok 1 - nat › what it claims',
    '  ---',
    '    at: somewhere',
    '  ...',
    'ok 2 - nat › b',
    '# fail 1',
  );
  t.is(last, '1 passed, 1 failed');
  t.regex(report, /FAILED nat › what it claims\n {2}---\n {4}at: somewhere/);
  t.regex(report, /failed:\n {2}nat › what it claims/);
});

test('summary: a skipped test stands under the reason that its title gives', (t) => {
  const { last, report } = summarise(
    0,
    'ok 1 - a › b [needs root] # SKIP',
    'ok 2 - c › d [skipped: needs root] # SKIP',
    'not ok 3 - e › f # TODO',
    'ok 4 - g › h',
    '# fail 0',
  );
  t.is(last, '1 passed, 0 failed, 3 skipped');
  t.regex(report, /skipped: needs root\n {2}a › b\n {2}c › d\n/);
  t.regex(report, /skipped: to do\n {2}e › f\n/);
});

test('summary: what ava did not report is a failure', (t) => {
  t.is(summarise(1).last, '0 passed, 1 failed');
  t.is(summarise(0).last, '0 passed, 1 failed');
  t.is(summarise(0, '# fail 0').last, '0 passed, 1 failed');
  t.is(summarise(1, 'ok 1 - a', '# fail 0').last, '1 passed, 1 failed');
  t.is(summarise(1, 'ok 1 - a', '# fail 2').last, '1 passed, 2 failed');
  t.is(summarise(1, 'ok 1 - a').last, '1 passed, 1 failed');
});

test('summary: cases of each page are counted by the titles of passed tests', (t) => {
  const summary = createTapSummary([
    readCases(
      { tag: 'proxy', page: 'docs/a.md' },
      '1. one\n2. two\n3. three — does not apply: no\n4. x',
    ),
    readCases({ tag: 'cni', page: 'docs/b.md' }, '1. one\n2. two'),
    readCases({ tag: 'dns', page: 'docs/c.md' }, '1. one\n\n- V01. short\n- V02. long'),
  ]);
  for (const line of [
    'ok 1 - a › b [proxy 1] [cni 1 2] [dns V02]',
    'not ok 2 - c [proxy 2 4]',
    'ok 3 - d [cni 2] [needs root] # SKIP',
    '# fail 1',
  ]) {
    summary.read(line);
  }
  const report = summary.finish(1);
  const at = report.indexOf(
    'docs/a.md: 1 of 4 cases covered, 1 do not apply, without a passed test: 2 4',
  );
  t.true(at > 0);
  t.is(report[at + 1], 'docs/b.md: 2 of 2 cases covered, 0 do not apply');
  t.is(
    report[at + 2],
    'docs/c.md: 1 of 3 cases covered, 0 do not apply, without a passed test: 1 V01',
  );
  t.is(report.at(-1), '1 passed, 1 failed, 1 skipped');
});

test('summary: a reason for skipping is no claim to a case', (t) => {
  t.deepEqual(claimsOf('a › b [needs root]'), []);
  t.deepEqual(claimsOf('a [proxy 7] [cni 24 26] [needs Linux 6.6, this is 5.15]'), [
    'proxy 7',
    'cni 24',
    'cni 26',
  ]);
});
