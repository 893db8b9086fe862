/** Network namespaces and what lies in them. Names carry our pid, so that runs do not meet. */
import { runSync } from './sh.js';
import type { Scope } from '../scope.js';

/** A network namespace by its name under /run/netns. */
export type Netns = string & { readonly brand: 'Netns' };

export function netnsPath(netns: Netns): string {
  return `/run/netns/${netns}`;
}

let serial = 0;

/** Make a namespace with `lo` up; it is deleted with the scope, and its devices with it. */
export function createNetns(scope: Scope, label: string): Netns {
  const netns = `slb${process.pid}-${++serial}-${label}` as Netns;
  runSync({}, ['ip', 'netns', 'add', netns]);
  scope.defer(() => void runSync({}, ['ip', 'netns', 'del', netns]));
  ip(netns, 'link set lo up');
  return netns;
}

/** One `ip` command in a namespace, words separated by spaces. */
export function ip(netns: Netns, command: string): void {
  runSync({}, ['ip', '-n', netns, ...command.split(' ')]);
}

/** `name=value` in a namespace. */
export function sysctl(netns: Netns, ...settings: string[]): void {
  runSync({ netns }, ['sysctl', '-qw', ...settings]);
}

export interface Device {
  readonly netns: Netns;
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
}

/** @throws Error when there is no such device */
export function findDevice(netns: Netns, name: string): Device {
  const [found] = JSON.parse(runSync({}, ['ip', '-n', netns, '-j', 'link', 'show', name])) as {
    readonly ifindex: number;
    readonly address: string;
  }[];
  if (!found) throw new Error(`${netns}: no device ${name}`);
  return { netns, name, ifindex: found.ifindex, mac: found.address };
}

/** One end of a veth pair as it should be. */
export interface VethEnd {
  readonly netns: Netns;
  readonly name: string;
  readonly mac?: string;
  /** With prefix length. */
  readonly address?: string;
}

/** Make a veth pair, addressed and up. */
export function createVeth(a: VethEnd, b: VethEnd): { a: Device; b: Device } {
  runSync({}, [
    ...`ip link add ${a.name} netns ${a.netns} type veth peer name ${b.name} netns ${b.netns}`.split(
      ' ',
    ),
  ]);
  for (const end of [a, b]) {
    if (end.mac !== undefined) ip(end.netns, `link set ${end.name} address ${end.mac}`);
    if (end.address !== undefined) ip(end.netns, `addr add ${end.address} dev ${end.name}`);
  }
  for (const end of [a, b]) ip(end.netns, `link set ${end.name} up`);
  return { a: findDevice(a.netns, a.name), b: findDevice(b.netns, b.name) };
}
