/**
 * Root-only tests and the namespaces they run in.
 */
import { execFile, execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { promisify } from 'node:util';

import type { ExecutionContext } from 'ava';

import { closeFd, openNetns } from '../../src/native.js';
import { needs } from '../support/skip.js';

const run = promisify(execFile);

/** Longest time a test waits for something that should happen at once. */
const PATIENCE_MS = 10_000;

/** A test that needs root: namespaces, BPF, raw sockets. Skipped by name where there is none. */
export const rootTest = needs({ root: true, tools: ['ip', 'python3'] });

export function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

export interface Namespace {
  readonly name: string;
  /** Descriptor of the namespace, closed with it. */
  readonly fd: number;
}

let made = 0;

/** A fresh network namespace with `lo` down; removed, with its devices, when the test ends. */
export function namespace(t: ExecutionContext): Namespace {
  made += 1;
  const name = `slt${String(process.pid)}-${String(made)}-${t.title.length.toString(36)}`;
  ip('netns', 'add', name);
  const fd = openNetns(`/var/run/netns/${name}`);
  t.teardown(() => {
    closeFd(fd);
    ip('netns', 'del', name);
  });
  return { name, fd };
}

export interface Interface {
  readonly ifindex: number;
  readonly mac: Uint8Array;
}

/** One end of a veth pair: where it lies, its name and the last byte of its MAC. */
export interface VethEnd {
  readonly netns: Namespace;
  readonly ifname: string;
  readonly macByte: number;
}

/** A veth pair, both ends up. Duplicate address detection is off: nothing moves by itself. */
export function veth(a: VethEnd, b: VethEnd): [Interface, Interface] {
  const macs = [a, b].map((end) => Uint8Array.of(2, 0, 0, 0, 0, end.macByte));
  const [macA, macB] = macs.map((mac) =>
    Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':'),
  );
  const peer = ['peer', 'name', b.ifname, 'netns', b.netns.name, 'address', String(macB)];
  const own = ['link', 'add', a.ifname, 'address', String(macA), 'type', 'veth'];
  ip('-n', a.netns.name, ...own, ...peer);
  const [first, second] = [a, b].map((end, i) => {
    const { name } = end.netns;
    const noIpv6 = `net.ipv6.conf.${end.ifname}.disable_ipv6=1`;
    execFileSync('ip', ['netns', 'exec', name, 'sysctl', '-qw', noIpv6]);
    ip('-n', name, 'link', 'set', end.ifname, 'up');
    const [link] = JSON.parse(ip('-n', name, '-j', 'link', 'show', end.ifname)) as {
      ifindex: number;
    }[];
    return { ifindex: link?.ifindex ?? 0, mac: macs[i] ?? new Uint8Array(6) };
  });
  if (first === undefined || second === undefined) throw new Error('unreachable');
  return [first, second];
}

/** Run Python in a namespace; resolves to what it prints. */
export async function python(netns: Namespace, source: string): Promise<string> {
  const args = ['netns', 'exec', netns.name, 'python3', '-c', source];
  const { stdout } = await run('ip', args, { timeout: PATIENCE_MS });
  return stdout.trim();
}

/** Let the event loop turn, doing `step` each time, until it says so or patience ends. */
export async function until(step: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!step()) {
    if (performance.now() > deadline) throw new Error('it never happened');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** The namespace of the calling thread, as the kernel names it. */
export function ownNetns(): string {
  return readlinkSync('/proc/thread-self/ns/net');
}
