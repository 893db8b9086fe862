/** The command line that all hosts share, for those runtimes that have `node:util`. */
import { parseArgs } from 'node:util';
import type { Run } from './run.ts';

export interface Options {
  /** One line of JSON instead of a sentence. */
  readonly json: boolean;
  /** Path of the module. */
  readonly module: string;
  /** Path of the folder of vectors. */
  readonly vectors: string;
}

export interface Host {
  readonly runtime: string;
  readonly version: string;
  /** From the call that reads the module to the first answer of an export. */
  readonly startMs: number;
}

/** @throws TypeError naming what is wrong with the command line */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      module: { type: 'string', default: 'build/core/core.wasm' },
      vectors: { type: 'string', default: 'test/vectors' },
    },
  });
  return values;
}

/**
 * Say how it went: failures on stderr, the rest on stdout.
 *
 * @returns the exit code
 */
export function report(host: Host, run: Run, { json }: Options): number {
  for (const failure of run.failures) console.error(failure);
  console.log(json ? jsonLine(host, run) : sentence(host, run));
  return run.failures.length === 0 ? 0 : 1;
}

/** Run the host; whatever keeps it from running is one sentence, and exit code 2. */
export async function runHost(runtime: string, host: () => Promise<number>): Promise<number> {
  try {
    return await host();
  } catch (error) {
    console.error(`${runtime}: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
}

function sentence({ runtime, version, startMs }: Host, run: Run): string {
  const ns = (value: number | null): string => (value === null ? '? ns' : `${value.toFixed(1)} ns`);
  return (
    `${runtime} ${version}: ${run.passed} of ${run.total} cases, ` +
    `${ns(run.nsPerPacket)} a packet, ${ns(run.nsPerAnswer)} a DNS answer, ` +
    `started in ${startMs.toFixed(1)} ms`
  );
}

function jsonLine({ runtime, version, startMs }: Host, run: Run): string {
  return JSON.stringify({
    runtime,
    version,
    passed: run.passed,
    total: run.total,
    nsPerPacket: rounded(run.nsPerPacket),
    nsPerAnswer: rounded(run.nsPerAnswer),
    startMs: rounded(startMs),
  });
}

/** Digits beyond these are noise. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100;
}
