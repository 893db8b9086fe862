/** Queries over UDP by dnsperf, and what they cost the server. */
import { readFileSync, readdirSync } from 'node:fs';
import { run, type Place } from '../net/sh.js';

const NS_PER_SEC = 1e9;

/**
 * Seconds that a process's threads have run, kernel included; to the nanosecond, where /proc/PID/stat
 * has ticks. Threads that have ended do not count.
 */
export function cpuSeconds(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8'))
    .reduce((sum, text) => sum + Number(text.split(' ')[0]) / NS_PER_SEC, 0);
}

export interface LoadSample {
  /** Answers a second of the server's processor time. */
  readonly perCpu: number;
  /** Answers a second. */
  readonly perSec: number;
}

/** Where a server is asked. */
export interface Asked {
  readonly name: string;
  readonly pid: number;
  readonly host: string;
  readonly port: number;
}

export interface LoadOptions {
  readonly queries: string;
  readonly seconds: number;
  readonly client: Place;
}

function numberAfter(text: string, words: string): number {
  const found = new RegExp(`${words}:\\s+([\\d.]+)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`dnsperf does not say "${words}"`);
  return Number(found);
}

/** Less than this of the queries answered is not the load that was meant. */
const ANSWERED_MIN = 0.99;

/** @throws Error when queries stay without an answer */
export async function ask(server: Asked, options: LoadOptions): Promise<LoadSample> {
  const { queries, seconds, client } = options;
  const to = `-s ${server.host} -p ${server.port} -d ${queries}`.split(' ');
  const how = `-l ${seconds} -c 8 -T 1 -q 200`.split(' ');
  const before = cpuSeconds(server.pid);
  const out = await run(client, 'dnsperf', ...to, ...how);
  const used = cpuSeconds(server.pid) - before;
  const sent = numberAfter(out, 'Queries sent');
  const answered = numberAfter(out, 'Queries completed');
  if (answered < sent * ANSWERED_MIN) {
    throw new Error(`${server.name}: ${answered} of ${sent} queries answered`);
  }
  return { perCpu: answered / used, perSec: numberAfter(out, 'Queries per second') };
}

/** Every query of a file once, so that a cache has seen it. */
export async function warm(server: Asked, queries: string, client: Place): Promise<void> {
  const to = `-s ${server.host} -p ${server.port} -d ${queries} -n 1 -q 50`.split(' ');
  await run(client, 'dnsperf', ...to);
}
