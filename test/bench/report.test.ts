/**
 * The report of a run that is kept in run.jsonl: what a reader sees follows from it alone. UPDATE=1
 * writes summary.golden.txt anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Result } from '../../bench/harness.js';
import { htmlReport } from '../../bench/report/html.js';
import { markdownReport } from '../../bench/report/markdown.js';
import { inWords, logTicks, shortNumber, threeDigits } from '../../bench/report/numbers.js';
import { cacheMarks } from '../../bench/report/plot.js';
import { modelOf } from '../../bench/report/model.js';
import { parseRun, runText } from '../../bench/report/run-file.js';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const TEXT = readFileSync(file('run.jsonl'), 'utf8');
const RUN = parseRun(TEXT);
const GOLDEN = file('summary.golden.txt');

/** Elements that have no end tag (HTML 13.1.2), and SVG's that end themselves. */
const VOID = new Set(['meta', 'br', 'hr', 'link']);

/** Names of the elements that are open where the text ends, or that end out of turn. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  for (const [, slash, name = '', rest = ''] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)([^<>]*)>/g)) {
    if (slash === '/') {
      if (open.pop() !== name) return [`</${name}>`];
    } else if (!VOID.has(name) && !rest.endsWith('/')) {
      open.push(name);
    }
  }
  return open;
}

test('report: the Markdown of a kept run is this one', (t) => {
  const text = markdownReport(RUN);
  if (process.env['UPDATE'] === '1') writeFileSync(GOLDEN, text);
  t.is(text, readFileSync(GOLDEN, 'utf8'));
});

test('report: a run survives being written and read', (t) => {
  t.deepEqual(parseRun(runText(RUN)), RUN);
});

test('report: a line that is not one of a run is named', (t) => {
  const error = t.throws(() => parseRun(`${TEXT}{"name":"core/parse/64"}\n`));
  t.regex(error.message, /^line 14 is not one of a run: \{"name"/);
  t.throws(() => parseRun(''), { message: /one line at least/ });
});

test('report: every element of the page ends, in turn', (t) => {
  t.deepEqual(unbalanced(htmlReport(RUN)), []);
  t.deepEqual(unbalanced('<p><b>x</p>'), ['</p>']);
});

test('report: the page asks for nothing and runs nothing', (t) => {
  const html = htmlReport(RUN);
  t.notRegex(html, /<script|<link|<img|@import|url\(|\ssrc=|https?:/);
});

test('report: text of a run cannot become markup', (t) => {
  const html = htmlReport(RUN);
  t.true(html.includes('Example &lt;CPU&gt; &amp; &quot;co&quot;'));
  t.true(html.includes('needs root &lt;or a | pipe&gt;'));
  t.false(html.includes('<CPU>'));
  t.true(markdownReport(RUN).includes('needs root &lt;or a \\| pipe>'));
});

test('report: every point of a sweep is in its plot, ours and the rivals', (t) => {
  const html = htmlReport(RUN);
  const points = RUN.lines.flatMap((line) => {
    const { at, value, theirs } = line as Result;
    return at === undefined || theirs === undefined
      ? []
      : [[at.x, value] as const, [at.x, theirs] as const];
  });
  t.is(points.length, 10);
  for (const [x, y] of points) t.true(html.includes(`data-x="${x}" data-y="${y}"`), `${x}, ${y}`);
});

test('report: every ratio of a layer is in its plot', (t) => {
  const html = htmlReport(RUN);
  for (const ratio of [0.05, 1.3, 1.01, 5.7])
    t.true(html.includes(`data-ratio="${ratio}"`), `${ratio}`);
});

test('report: results of one subject are told together, its own number once', (t) => {
  const [core] = modelOf(RUN).layers;
  t.deepEqual(
    core?.subjects.map(({ name, value, rivals }) => [
      name,
      value,
      rivals.map(({ label }) => label),
    ]),
    [
      ['core/parse/64', 20, ['JavaScript', 'C']],
      ['core/checksum/1500', 60, ['C']],
      ['core/new-flow/10k-services', 1234.5, []],
    ],
  );
});

test('report: a cache is marked where the tables outgrow it', (t) => {
  const [sweep] = modelOf(RUN).sweeps;
  if (!sweep) throw new Error('run.jsonl has a sweep');
  const marks = cacheMarks(sweep, RUN.machine.caches);
  // 128 bytes a flow: 512 KiB are 4096 flows. L1 is smaller than the first place.
  t.deepEqual(
    marks.map(({ x, label }) => [Math.round(x), label]),
    [[4096, 'L2 512 KiB']],
  );
});

test('report: a difference within half the spread is none', (t) => {
  t.is(inWords(1.01, 0.06, 'lower'), 'no difference shown');
  t.is(inWords(1.3, 0.05, 'lower'), '1.3× slower');
  t.is(inWords(0.05, 0.05, 'lower'), '20× faster');
  t.is(inWords(5.7, 0.09, 'higher'), '5.7× more');
  t.is(inWords(0.5, 0.09, 'higher'), '2× less');
});

test('report: numbers as people write them', (t) => {
  t.deepEqual([1, 100, 1000, 1024, 65536, 1e6, 4 << 20].map(shortNumber), [
    '1',
    '100',
    '1k',
    '1k',
    '64k',
    '1M',
    '4M',
  ]);
  t.deepEqual([0, 0.012345, 1.005, 123.4, 1234.5].map(threeDigits), [
    '0',
    '0.0123',
    '1',
    '123',
    '1 230',
  ]);
  t.deepEqual(logTicks(0.9, 120), [1, 2, 5, 10, 20, 50, 100]);
});

test('report: of a busy, quick run of a changed tree, that is said first', (t) => {
  const doubtful = {
    ...RUN,
    machine: { ...RUN.machine, commit: '0123456789ab-dirty' },
    head: { ...RUN.head, quick: true, load: 3 },
  };
  t.is(htmlReport(doubtful).split('class="warn"').length, 4);
  t.is(htmlReport(RUN).split('class="warn"').length, 1);
});
