/**
 * From the TAP that ava prints (version 13, as supertap writes it) to a report for people.
 *
 *   ok 3 - wire › parse › title            not ok 4 - wire › parse › title
 *   ok 5 - title [needs root] # SKIP         ---
 *   # tests 5                                 (yaml: message, details, at)
 *   # fail 1                                  ...
 */

/** A test line: outcome, title and directive. */
const TEST_LINE = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO))?$/;
/** ava's own count of failures; it knows of tests that never reported. */
const FAIL_LINE = /^# fail (\d+)$/;
/** ava puts the path of a test's file before its title. */
const PATH_SEPARATOR = ' › ';
/** Why a test is skipped is the last thing in its title. */
const REASON = / \[(?:skipped: )?([^[\]]+)\]$/;

/** What a title lays claim to: a list's tag and numbers, such as `[cni 24 26]` or `[dns V07]`. */
const CLAIM = /\[([a-z]+) (V?\d+(?: V?\d+)*)\]/g;

interface Skipped {
  readonly title: string;
  readonly reason: string;
}

export interface TapSummary {
  /** Take one line of TAP; returns lines to print at once. */
  read(line: string): string[];
  /** Count something that is no test as failed. */
  fail(reason: string): void;
  /** Tests reported so far. */
  count(): number;
  failed(): number;
  /** The closing report. @param code  ava's exit code */
  finish(code: number): string[];
}

function areaOf(title: string): string {
  const end = title.indexOf(PATH_SEPARATOR);
  return end < 0 ? 'tests' : title.slice(0, end);
}

function skipOf(title: string, directive: string): Skipped {
  const reason = REASON.exec(title);
  if (reason?.[1] === undefined)
    return { title, reason: directive === 'TODO' ? 'to do' : 'unsaid' };
  return { title: title.slice(0, reason.index), reason: reason[1] };
}

function* skippedLines(skipped: readonly Skipped[]): Generator<string> {
  for (const reason of new Set(skipped.map((test) => test.reason))) {
    yield '';
    yield `skipped: ${reason}`;
    for (const test of skipped) if (test.reason === reason) yield `  ${test.title}`;
  }
}

/** A page of cases under docs/, and the word that claims to them begin with. */
export interface CasePage {
  readonly tag: string;
  readonly page: string;
}

/** Every page of cases; a new one is a line here. */
export const CASE_PAGES: readonly CasePage[] = [
  { tag: 'proxy', page: 'docs/conformance.md' },
  { tag: 'cni', page: 'docs/conformance-cni.md' },
  { tag: 'dns', page: 'docs/conformance-dns.md' },
];

/** The numbers of a page as they are written: all of them, and those that do not apply. */
export interface CaseList extends CasePage {
  readonly all: readonly string[];
  readonly notApplicable: readonly string[];
}

/** The cases that a text lays claim to, as `tag number`. */
export function claimsOf(text: string): string[] {
  return [...text.matchAll(CLAIM)].flatMap(([, tag = '', numbers = '']) =>
    numbers.split(' ').map((number) => `${tag} ${number}`),
  );
}

/** Read a page: `57. claim` or `- V07. claim`, with `does not apply` somewhere in those that do not. */
export function readCases(source: CasePage, text: string): CaseList {
  const lines = [...text.matchAll(/^(?:- )?(V?\d+)\. (.*)$/gm)];
  const numbersOf = (some: typeof lines): string[] => some.map(([, number = '']) => number);
  const notApplicable = lines.filter(([, , claim]) => claim?.includes('does not apply'));
  return { ...source, all: numbersOf(lines), notApplicable: numbersOf(notApplicable) };
}

function coverageLine(covered: ReadonlySet<string>, list: CaseList): string {
  const { tag, page, all, notApplicable } = list;
  const done = all.filter((number) => covered.has(`${tag} ${number}`));
  const missing = all.filter((n) => !done.includes(n) && !notApplicable.includes(n));
  const line = `${page}: ${done.length} of ${all.length} cases covered, ${notApplicable.length} do not apply`;
  return missing.length === 0 ? line : `${line}, without a passed test: ${missing.join(' ')}`;
}

/** @param lists  what to count coverage of */
export function createTapSummary(lists: readonly CaseList[] = []): TapSummary {
  const passed = new Map<string, number>();
  const failures: string[] = [];
  const skipped: Skipped[] = [];
  const covered = new Set<string>();
  let passedCount = 0;
  /** The lines after a failed test belong to it, until the next test. */
  let inFailure = false;
  let avaFailed: number | undefined;

  function readTest(notOk: boolean, title: string, directive: string | undefined): string[] {
    inFailure = false;
    if (directive !== undefined) {
      skipped.push(skipOf(title, directive));
      return [];
    }
    if (notOk) {
      inFailure = true;
      failures.push(title);
      return ['', `FAILED ${title}`];
    }
    passedCount += 1;
    for (const claim of claimsOf(title)) covered.add(claim);
    const area = areaOf(title);
    passed.set(area, (passed.get(area) ?? 0) + 1);
    return [];
  }

  function read(line: string): string[] {
    const test = TEST_LINE.exec(line);
    if (test !== null) return readTest(test[1] !== undefined, test[2] ?? '', test[3]);
    const fail = FAIL_LINE.exec(line);
    if (fail !== null) avaFailed = Number(fail[1]);
    if (line.startsWith('1..') || line.startsWith('# ')) inFailure = false;
    return inFailure ? [line] : [];
  }

  /** Failures that no test line reported. */
  function settle(code: number): void {
    const unreported = (avaFailed ?? 0) - failures.length;
    for (let i = 0; i < unreported; i += 1) failures.push('a test that never reported');
    if (failures.length > 0) return;
    if (avaFailed === undefined) failures.push('ava ended before its report');
    else if (code !== 0) failures.push(`ava ended with exit code ${String(code)}`);
    else if (passedCount + skipped.length === 0) failures.push('there was no test to run');
  }

  function finish(code: number): string[] {
    settle(code);
    const areas = [...passed].sort(([a], [b]) => (a < b ? -1 : 1));
    const lines = ['', ...areas.map(([area, n]) => `${String(n).padStart(6)} passed  ${area}`)];
    lines.push(...skippedLines(skipped));
    if (lists.length > 0) lines.push('', ...lists.map((list) => coverageLine(covered, list)));
    if (failures.length > 0) lines.push('', 'failed:', ...failures.map((title) => `  ${title}`));
    const totals = [`${String(passedCount)} passed`, `${String(failures.length)} failed`];
    if (skipped.length > 0) totals.push(`${String(skipped.length)} skipped`);
    return [...lines, '', totals.join(', ')];
  }

  return {
    read,
    fail: (reason) => failures.push(reason),
    count: () => passedCount + failures.length + skipped.length,
    failed: () => failures.length,
    finish,
  };
}
