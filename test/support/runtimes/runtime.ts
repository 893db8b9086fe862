/** What a test asks of a container runtime, and what the containers of all of them are made of. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunResult } from '../netns.js';

/** Debian's package busybox-static. */
const BUSYBOX = '/bin/busybox';
const ANSWER_TRIES = 50;
const ANSWER_WAIT_MS = 100;

export interface Container {
  readonly name: string;
  /** Run an applet of busybox in it. */
  exec(...command: [string, ...string[]]): Promise<RunResult>;
  /** End it and have the runtime take it off the network. */
  remove(): Promise<void>;
}

export interface RunRequest {
  readonly name: string;
  readonly network: string;
  /** hostPort to containerPort, where the runtime has a word for it. */
  readonly publish?: readonly [number, number];
}

export interface Runtime {
  readonly name: string;
  /** Start a container that serves its name by HTTP on port 80. @throws Error with what was said */
  run(request: RunRequest): Promise<Container>;
  /** Remove whatever still runs, then the runtime itself. */
  close(): Promise<void>;
}

/** A root file system of one program. @returns its path */
export function makeRootfs(folder: string, names: readonly string[]): string {
  const root = join(folder, 'rootfs');
  for (const dir of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'run']) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const name of names) {
    mkdirSync(join(root, 'www', name), { recursive: true });
    writeFileSync(join(root, 'www', name, 'index.html'), `${name}\n`);
  }
  return root;
}

/** The program of a container. */
export function serve(name: string): [string, ...string[]] {
  return ['/bin/busybox', 'httpd', '-f', '-p', '80', '-h', `/www/${name}`];
}

/** Repeat until it succeeds and says something, five seconds long. */
export async function patiently(work: () => Promise<RunResult>): Promise<RunResult> {
  for (let tries = 1; ; tries += 1) {
    const result = await work();
    // ctr loses the output of short programs now and then.
    const isAnswer = result.status === 0 && result.stdout !== '';
    if (isAnswer || tries === ANSWER_TRIES) return result;
    await delay(ANSWER_WAIT_MS);
  }
}

/** Addresses of eth0 but the link's own, without length, IPv4 first. */
export async function addressesOf(container: Container): Promise<string[]> {
  const words = ['-o', 'address', 'show', 'dev', 'eth0'];
  const { stdout } = await patiently(() => container.exec('ip', ...words));
  const found = [...stdout.matchAll(/ inet6? (\S+)\/\d+ /g)].map(([, address = '']) => address);
  return found
    .filter((address) => !address.startsWith('fe80:'))
    .sort((a, b) => a.length - b.length);
}

/** An address in a URL. */
export function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** What answers at an address and port 80, as a container sees it. */
export async function fetchFrom(container: Container, address: string): Promise<string> {
  const url = `http://${hostOf(address)}/`;
  // wget's own -T ends in a segmentation fault where it is linked statically.
  const words = ['/bin/busybox', 'wget', '-q', '-O', '-', url] as const;
  const ask = (): Promise<RunResult> => container.exec('timeout', '2', ...words);
  const { status, stdout, stderr } = await patiently(ask);
  return stdout.trim() || stderr.trim() || `exit code ${String(status)}`;
}
