/**
 * `npm run bench -- [FILTER] [--json] [--quick] [--samples N] [--check] [--save]`
 *
 * Finds every `*.bench.ts` beside this file, runs the suites one of whose names contains FILTER,
 * one after the other, and prints one line per result. Exit code 1 if a suite failed; a suite
 * that cannot run here is reported as skipped and fails nothing. With --check a ratio that misses
 * its bar, or is worse than baseline.json by more than its band, fails the run too; --save makes
 * this run's ratios the baseline.
 */
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { judge, readBaseline, saveBaseline } from './baseline.js';
import type { Context, Result, Suite } from './harness.js';
import { describeMachine } from './machine.js';
import { jsonReporter, tableReporter, type Reporter } from './report.js';
import { closeScopesOnExit, openScope } from './scope.js';

const BENCH_DIR = path.dirname(fileURLToPath(import.meta.url));
/** Fewer pairs have no meaningful median. */
const SAMPLES_MIN = 5;
const USAGE =
  'usage: npm run bench -- [FILTER] [--json] [--quick] [--samples N] [--check] [--save]';

interface Options {
  readonly filter: string;
  readonly json: boolean;
  readonly quick: boolean;
  readonly samples: number;
  /** Judge the results by their bars and by the baseline. */
  readonly check: boolean;
  readonly save: boolean;
}

/** @throws Error naming what is wrong with the command line */
function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      samples: { type: 'string', default: String(SAMPLES_MIN) },
    },
  });
  const samples = Number(values.samples);
  if (!Number.isInteger(samples) || samples < SAMPLES_MIN) {
    throw new Error(`--samples ${values.samples}: expected a whole number from ${SAMPLES_MIN} on`);
  }
  if (positionals.length > 1) throw new Error(`one FILTER at most, got: ${positionals.join(' ')}`);
  const { json, quick, check, save } = values;
  return { filter: positionals[0] ?? '', json, quick, samples, check, save };
}

async function discoverSuites(filter: string): Promise<Suite[]> {
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
  return found.filter((suite) => suite.names.some((name) => name.includes(filter)));
}

/** @returns false when a ratio is not what it should be */
function isGood(result: Result, { check }: Options): boolean {
  const fault = check ? judge(result, readBaseline()) : undefined;
  if (fault !== undefined) console.error(fault);
  return fault === undefined;
}

/** @returns the results; undefined when the suite failed */
async function runSuite(
  suite: Suite,
  options: Options,
  reporter: Reporter,
): Promise<readonly Result[] | undefined> {
  const name = suite.names[0];
  const note = (message: string): void => console.error(`[${name}] ${message}`);
  const reason = await suite.missing();
  if (reason !== undefined) {
    reporter.line({ name, skipped: true, reason });
    return [];
  }
  const scope = openScope(note);
  const context: Context = { samples: options.samples, quick: options.quick, scope, note };
  const begin = performance.now();
  try {
    const results = await suite.run(context);
    for (const result of results) reporter.line(result);
    note(`${((performance.now() - begin) / 1000).toFixed(1)} s`);
    return results;
  } catch (error) {
    reporter.line({ name, failed: true, reason: describeError(error) });
    return undefined;
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

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  closeScopesOnExit();
  const suites = await discoverSuites(options.filter);
  if (suites.length === 0) throw new Error(`no suite has a name with "${options.filter}" in it`);
  warnIfBusy();
  const reporter = options.json ? jsonReporter : tableReporter;
  const machine = describeMachine(path.dirname(BENCH_DIR));
  reporter.machine(machine);
  const measured: Result[] = [];
  for (const suite of suites) {
    const results = await runSuite(suite, options, reporter);
    if (!results?.every((result) => isGood(result, options))) process.exitCode = 1;
    measured.push(...(results ?? []));
  }
  if (options.save) saveBaseline(machine, measured);
}

main().catch((error: unknown) => {
  console.error(`bench: ${describeError(error)}\n${USAGE}`);
  process.exitCode = 2;
});
