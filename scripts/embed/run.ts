/** Prepare a host, run it, and read the line that it prints. */
import { execFile } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FOLDER, PREPARED } from './hosts.js';
import type { Host } from './hosts.js';

/** Rust's dependencies are compiled from source. */
const PREPARE_SEC = 480;
/** Two loops of more than a second each, and an interpreter may be slow. */
const RUN_SEC = 120;
/** Of what a host prints; it lists every failed case. */
const OUTPUT_MAX = 16 * 1024 * 1024;

const nanoseconds = z.number().positive().nullable();
const reportSchema = z.strictObject({
  runtime: z.string().min(1),
  version: z.string().min(1),
  passed: z.int().nonnegative(),
  total: z.int().positive(),
  nsPerPacket: nanoseconds,
  nsPerAnswer: nanoseconds,
  startMs: z.number().nonnegative(),
});

/** What a host says with --json. */
export type Report = z.infer<typeof reportSchema>;

export interface Ran {
  readonly code: number;
  /** Undefined when it printed none: it could not begin. */
  readonly report: Report | undefined;
  /** What it wrote to stderr: a line for each failed case, or why it could not begin. */
  readonly complaints: string;
}

/** @throws Error with what the tools said when they failed */
export async function prepareHost(host: Host): Promise<void> {
  mkdirSync(PREPARED, { recursive: true });
  // Tests, and whoever runs this beside them, share what is prepared.
  const lock = ['flock', '--no-fork', join(PREPARED, `.${host.name}.lock`)];
  const { code, stdout, stderr } = await command(
    [...lock, ...script(host, 'prepare.sh')],
    PREPARE_SEC,
  );
  if (code !== 0)
    throw new Error(`prepare.sh: ${stderr.trim() || stdout.trim() || `exit ${code}`}`);
}

/**
 * @param args    beside --json
 * @throws Error  when what it printed is not the one line of JSON
 */
export async function runHost(host: Host, args: readonly string[] = []): Promise<Ran> {
  const { code, stdout, stderr } = await command(
    [...script(host, 'run.sh'), '--json', ...args],
    RUN_SEC,
  );
  const complaints = stderr.trim();
  if (stdout === '') return { code, report: undefined, complaints };
  const parsed = reportSchema.safeParse(jsonOf(stdout));
  if (!parsed.success) throw new Error(`run.sh printed ${stdout.trim()}: expected a report`);
  return { code, report: parsed.data, complaints };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // the schema refuses it
  }
}

interface Exit {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function script(host: Host, name: string): string[] {
  return ['bash', join(FOLDER, host.name, name), join(PREPARED, host.name)];
}

/** timeout(1) ends what a script has started together with it, and says so by this code. */
const TIMED_OUT = 124;
const GRACE_SEC = 5;

/** Programs that are at work, to be ended with this one. */
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill('SIGTERM');
    process.kill(process.pid, signal);
  });
}

function command(argv: readonly string[], timeoutSec: number): Promise<Exit> {
  const limited = [`--kill-after=${GRACE_SEC}`, String(timeoutSec), ...argv];
  return new Promise((resolve) => {
    const options = { maxBuffer: OUTPUT_MAX };
    const child = execFile('timeout', limited, options, (error, stdout, stderr) => {
      running.delete(child);
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      const late = code === TIMED_OUT ? `\nended after ${timeoutSec} s` : '';
      const reason = child.pid === undefined ? error?.message : '';
      resolve({ code, stdout, stderr: `${stderr}${late}${reason ?? ''}` });
    });
    running.add(child);
  });
}
