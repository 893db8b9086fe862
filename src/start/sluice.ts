#!/usr/bin/env -S node --max-semi-space-size=4
/**
 * The command, as it is installed. A DNS server that starts again has clients waiting: what can be
 * answered at once is, its thread is started before anything else is loaded, and all of it comes as
 * one file each, compiled already.
 */
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Early } from '../nameserver/early/early.js';
import { runCached } from './cached.js';
import type * as dnsBundle from './dns.js';
import type * as earlyBundle from './early.js';

/** What follows `dns` when it is not to serve. A file of that name only costs the head start. */
const NO_SERVER = new Set(['query', 'top', 'help', '-h', '--help']);
const STATE_DIR = '--state-dir';

const beside = (name: string): URL => new URL(name, import.meta.url);
const run = (name: string): object => runCached(fileURLToPath(beside(name)));

/** As it will be read from the command line later. */
function stateDirOf(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word === STATE_DIR || word.startsWith(`${STATE_DIR}=`));
  const word = words[at];
  return word === STATE_DIR ? words[at + 1] : word?.slice(STATE_DIR.length + 1);
}

/** Who has asked in vain a moment ago asks again, and is answered before anything else is done. */
const FIRST_MS = 5;

/** Answer what there is to answer: everything else takes the event loop for tens of milliseconds. */
async function openEarly(stateDir: string, words: readonly string[]): Promise<Early | undefined> {
  const early = (run('./early.body.cjs') as typeof earlyBundle).openEarly(stateDir, words);
  if (early === undefined) return undefined;
  // Timers go by what the event loop took for the time when it last looked.
  await breathe();
  await pause(FIRST_MS);
  return early;
}

async function startDns(words: readonly string[]): Promise<void> {
  const isServer = !words.some((word) => NO_SERVER.has(word));
  const stateDir = isServer ? stateDirOf(words) : undefined;
  const early = stateDir === undefined ? undefined : await openEarly(stateDir, words);
  const { Worker } = await import('node:worker_threads');
  const thread = isServer ? new Worker(beside('./dns-worker.cjs')) : undefined;
  // Until somebody wants it, nobody waits for it.
  thread?.unref();
  await breathe();
  const dns = run('./dns.body.cjs') as typeof dnsBundle;
  await breathe();
  await dns.main({ words, thread, early });
}

// Node's own answer to it is a debugger for everybody on the machine. Whoever reloads by it listens too.
process.on('SIGUSR1', () => undefined);
if (process.argv[2] === 'dns') void startDns(process.argv.slice(3));
else void import('../cli.js');
