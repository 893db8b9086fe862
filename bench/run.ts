/**
 * `npm run bench -- [FILTER] [--json] [--quick] [--samples N]`
 *
 * Finds every `*.bench.ts` beside this file, runs the suites one of whose names contains FILTER,
 * one after the other, and prints one line per result. Exit code 1 if a suite failed; a suite
 * that cannot run here is reported as skipped and fails nothing.
 */
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Context, Suite } from './harness.js';
import { describeMachine } from './machine.js';
import { jsonReporter, tableReporter, type Reporter } from './report.js';
import { closeScopesOnExit, openScope } from './scope.js';

const BENCH_DIR = path.dirname(fileURLToPath(import.meta.url));
/** Fewer pairs have no meaningful median. */
const SAMPLES_MIN = 5;
const USAGE = 'usage: npm run bench -- [FILTER] [--json] [--quick] [--samples N]';

interface Options {
  readonly filter: string;
  readonly json: boolean;
  readonly quick: boolean;
  readonly samples: number;
}

/** @throws Error naming what is wrong with the command line */
function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      samples: { type: 'string', default: String(SAMPLES_MIN) },
    },
  });
  const samples = Number(values.samples);
  if (!Number.isInteger(samples) || samples < SAMPLES_MIN) {
    throw new Error(`--samples ${values.samples}: expected a whole number from ${SAMPLES_MIN} on`);
  }
  if (positionals.length > 1) throw new Error(`one FILTER at most, got: ${positionals.join(' ')}`);
  return { filter: positionals[0] ?? '', json: values.json, quick: values.quick, samples };
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

/** @returns false when the suite failed */
async function runSuite(suite: Suite, options: Options, reporter: Reporter): Promise<boolean> {
  const name = suite.names[0];
  const note = (message: string): void => console.error(`[${name}] ${message}`);
  const reason = await suite.missing();
  if (reason !== undefined) {
    reporter.line({ name, skipped: true, reason });
    return true;
  }
  const scope = openScope(note);
  const context: Context = { samples: options.samples, quick: options.quick, scope, note };
  const begin = performance.now();
  try {
    for (const result of await suite.run(context)) reporter.line(result);
    note(`${((performance.now() - begin) / 1000).toFixed(1)} s`);
    return true;
  } catch (error) {
    reporter.line({ name, failed: true, reason: describeError(error) });
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

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  closeScopesOnExit();
  const suites = await discoverSuites(options.filter);
  if (suites.length === 0) throw new Error(`no suite has a name with "${options.filter}" in it`);
  warnIfBusy();
  const reporter = options.json ? jsonReporter : tableReporter;
  reporter.machine(describeMachine(path.dirname(BENCH_DIR)));
  for (const suite of suites) {
    if (!(await runSuite(suite, options, reporter))) process.exitCode = 1;
  }
}

main().catch((error: unknown) => {
  console.error(`bench: ${describeError(error)}\n${USAGE}`);
  process.exitCode = 2;
});
