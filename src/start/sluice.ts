#!/usr/bin/env -S node --max-semi-space-size=4
/**
 * The command, as it is installed. A DNS server that starts again has clients waiting: its thread is
 * started before anything else is loaded, and both come as one file each, compiled already.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { runCached } from './cached.js';
import type { main } from './dns.js';

/** What follows `dns` when it is not to serve. A file of that name only costs the head start. */
const NO_SERVER = new Set(['query', 'top', 'help', '-h', '--help']);

const beside = (name: string): URL => new URL(name, import.meta.url);

function startDns(words: readonly string[]): void {
  const thread = words.some((word) => NO_SERVER.has(word))
    ? undefined
    : new Worker(beside('./dns-worker.cjs'));
  // Until somebody wants it, nobody waits for it.
  thread?.unref();
  const dns = runCached(fileURLToPath(beside('./dns.body.cjs'))) as { main: typeof main };
  void dns.main(thread);
}

if (process.argv[2] === 'dns') startDns(process.argv.slice(3));
else void import('../cli.js');
