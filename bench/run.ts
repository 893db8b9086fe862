/**
 * `npm run bench -- [FILTER...] [--json] [--quick] [--samples N] [--check] [--save] [--report [DIR]]`
 *
 * Finds every `*.bench.ts` beside this file, runs the suites one of whose names contains a FILTER,
 * one after the other, and prints one line per result. Exit code 1 if a suite failed; a suite
 * that cannot run here is reported as skipped and fails nothing. With --check a ratio that misses
 * its bar, or is worse than baseline.json by more than its band, fails the run too; --save makes
 * this run's ratios the baseline; --report writes a page, a summary and the run itself, from which
 * --report-from makes them again.
 */
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CommanderError } from 'commander';
import { judge, readBaseline, saveBaseline } from './baseline.js';
import type { Context, Result, Suite } from './harness.js';
import { describeMachine } from './machine.js';
import { readOptions, type Options } from './options.js';
import { progressLine, readDurations, secondsLeft, writeDurations } from './progress.js';
import { jsonReporter, tableReporter, type Line, type RunHead } from './report/lines.js';
import { readRun, type Run } from './report/run-file.js';
import { prepareReport, writeReport } from './report/write.js';
import { closeScopesOnExit, openScope } from './scope.js';

const BENCH_DIR = path.dirname(fileURLToPath(import.meta.url));
const DURATIONS_DIR = path.join(BENCH_DIR, '../build/bench');

async function discoverSuites(filters: readonly string[]): Promise<Suite[]> {
  const files = (await readdir(BENCH_DIR, { recursive: true }))
    .filter((file) => file.endsWith('.bench.ts'))
    .sort();
  const found: Suite[] = [];
  for (const file of files) {
    const module = (await import(pathToFileURL(path.join(BENCH_DIR, file)).href)) as {
      readonly suites?: readonly Suite[];
    };
    if (!module.suites) throw new Error(`${file}: exports no "suites"`);
    found.push(...module.suites);
  }
  if (filters.length === 0) return found;
  return found.filter(({ names }) =>
    names.some((name) => filters.some((filter) => name.includes(filter))),
  );
}

/** @returns false when a ratio is not what it should be */
function isGood(result: Result, { check }: Options): boolean {
  const fault = check ? judge(result, readBaseline()) : undefined;
  if (fault !== undefined) console.error(fault);
  return fault === undefined;
}

/** @returns whether it did not fail */
async function runSuite(
  suite: Suite,
  options: Options,
  tell: (line: Line) => void,
): Promise<boolean> {
  const name = suite.names[0];
  const note = (message: string): void => console.error(`    ${message}`);
  const reason = await suite.missing();
  if (reason !== undefined) {
    tell({ name, skipped: true, reason });
    return true;
  }
  const scope = openScope(note);
  const { samples, quick } = options;
  const skip = (what: string, why: string): void => {
    tell({ name: what, skipped: true, reason: why });
  };
  const context: Context = { samples, quick, scope, note, skip };
  try {
    const results = await suite.run(context);
    results.forEach(tell);
    return results.every((result) => isGood(result, options));
  } catch (error) {
    tell({ name, failed: true, reason: describeError(error) });
    return false;
  } finally {
    scope.close();
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** A machine that does something else measures that too. */
function warnIfBusy(): void {
  const load = os.loadavg()[0] ?? 0;
  if (load > 0.5) console.error(`load average is ${load.toFixed(2)}: expect a wide spread`);
}

/** Run the suites one after the other, saying how far it is. */
async function runAll(
  suites: readonly Suite[],
  options: Options,
  tell: (line: Line) => void,
): Promise<boolean> {
  const file = path.join(DURATIONS_DIR, `durations-${options.quick ? 'quick' : 'full'}.json`);
  const known = readDurations(file);
  const spent: Record<string, number> = {};
  const names = suites.map((suite) => suite.names[0]);
  let isGoodRun = true;
  for (const [index, suite] of suites.entries()) {
    const left = secondsLeft(names.slice(index), known, spent);
    const name = suite.names[0];
    console.error(progressLine(name, { index, total: suites.length }, left));
    const begin = performance.now();
    if (!(await runSuite(suite, options, tell))) isGoodRun = false;
    spent[name] = (performance.now() - begin) / 1000;
    console.error(`    ${spent[name].toFixed(1)} s`);
  }
  const problem = writeDurations(file, { ...known, ...spent });
  if (problem !== undefined) console.error(problem);
  return isGoodRun;
}

function describeRun(options: Options, args: readonly string[]): RunHead {
  const { quick, samples } = options;
  return {
    date: new Date().toISOString(),
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    ...{ quick, samples },
    load: Number((os.loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** @returns what was run, and whether all of it was good */
async function measure(options: Options, args: readonly string[]): Promise<[Run, boolean]> {
  closeScopesOnExit();
  const suites = await discoverSuites(options.filters);
  if (suites.length === 0)
    throw new Error(`no suite has a name with one of "${options.filters.join(' ')}" in it`);
  warnIfBusy();
  const reporter = options.json ? jsonReporter : tableReporter;
  const machine = describeMachine(path.dirname(BENCH_DIR));
  const head = describeRun(options, args);
  reporter.machine(machine, head);
  const lines: Line[] = [];
  const isGoodRun = await runAll(suites, options, (line) => {
    reporter.line(line);
    lines.push(line);
  });
  const results = lines.filter((line): line is Result => 'value' in line);
  if (options.save) saveBaseline(machine, results);
  return [{ machine, head, lines }, isGoodRun];
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const options = readOptions(args);
  if (options.reportFrom !== undefined && options.report !== undefined) {
    console.error(writeReport(options.report, readRun(options.reportFrom)));
    return;
  }
  if (options.report !== undefined) prepareReport(options.report);
  const [run, isGoodRun] = await measure(options, args);
  if (!isGoodRun) process.exitCode = 1;
  if (options.report !== undefined) console.error(writeReport(options.report, run));
}

main().catch((error: unknown) => {
  // Commander has said it already.
  if (!(error instanceof CommanderError)) console.error(`bench: ${describeError(error)}`);
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
});
