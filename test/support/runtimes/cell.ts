/**
 * A node for container runtimes: a network namespace with mounts of its own. Runtimes have paths built
 * in (/etc/cni/net.d, /opt/cni/bin, /var/lib/cni, /run): in a cell these are fresh, and what they
 * write is gone with it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command, Namespace, RunOptions, RunResult, Running } from '../netns.js';

/** Where a runtime without options looks for network configurations and for plugins. */
export const CONF_DIR = '/etc/cni/net.d';
export const BIN_DIR = '/opt/cni/bin';

/** Longer than any test. */
const LIFE_MS = 175_000;
const CGROUP_TRIES = 10;
const CGROUP_WAIT_MS = 200;

/**
 * $1: an empty folder. /etc, /opt and /var/lib are what they were, on top of which everything is
 * written to memory; overlays leave the folders that are only in the cell out of the machine's own.
 */
const FURNISH = `set -e
mount -t tmpfs tmpfs "$1"
for dir in etc opt var/lib; do
  mkdir -p "$1/$dir/upper" "$1/$dir/work"
  mount -t overlay overlay \\
    -o "lowerdir=/$dir,upperdir=$1/$dir/upper,workdir=$1/$dir/work" "/$dir"
done
mount -t tmpfs -o mode=755 tmpfs /run
rm -rf ${CONF_DIR} ${BIN_DIR} /var/lib/cni
mkdir -p ${CONF_DIR} ${BIN_DIR} /var/lib/cni /run/netns
echo furnished
exec sleep infinity`;

export interface Cell {
  readonly ns: Namespace;
  /** Of the process that holds its mounts. */
  readonly pid: number;
  /** A folder that the cell and the test see alike. */
  readonly folder: string;
  /** A name for the control groups of its containers. */
  readonly cgroup: string;
  /** A path of the cell as the test sees it. */
  path(inside: string): string;
  run(command: Command, options?: RunOptions): string;
  tryRun(command: Command, options?: RunOptions): RunResult;
  runAsync(command: Command, options?: RunOptions): Promise<RunResult>;
  start(command: Command, options?: RunOptions): Running;
  close(): Promise<void>;
}

/** Runtimes leave the folder above those of their containers; the kernel lets go of it with a delay. */
async function removeCgroups(name: string): Promise<void> {
  const below = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${name}*`];
  for (let tries = 0; tries < CGROUP_TRIES; tries += 1) {
    const { stdout } = spawnSync('find', [...below, '-print', '-delete'], { encoding: 'utf8' });
    if (stdout === '') return;
    await delay(CGROUP_WAIT_MS);
  }
}

export async function openCell(ns: Namespace): Promise<Cell> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cell-'));
  const memory = join(folder, 'memory');
  mkdirSync(memory);
  const unshare = ['unshare', '--mount', '--propagation', 'private'] as const;
  const holder = ns.start([...unshare, 'sh', '-c', FURNISH, 'sh', memory], { timeoutMs: LIFE_MS });
  await holder.waitFor(/furnished/);
  const inside = (command: Command): Command => [
    'nsenter',
    `--mount=/proc/${String(holder.pid)}/ns/mnt`,
    '--',
    ...command,
  ];
  return {
    ns,
    pid: holder.pid,
    folder,
    cgroup: basename(folder),
    path: (path) => `/proc/${String(holder.pid)}/root${path}`,
    run: (command, options) => ns.run(inside(command), options),
    tryRun: (command, options) => ns.tryRun(inside(command), options),
    runAsync: (command, options) => ns.runAsync(inside(command), options),
    start: (command, options) => ns.start(inside(command), { timeoutMs: LIFE_MS, ...options }),
    async close() {
      await holder.stop('SIGKILL');
      await removeCgroups(basename(folder));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
