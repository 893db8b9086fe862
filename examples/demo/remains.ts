/**
 * What a demo has left that was killed and could remove nothing: namespaces with who still runs in
 * them, pins, files. All of it bears the id of a process; only that of a dead one is removed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAB_NAMESPACE, NETNS_DIR } from './netns.js';

export function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: there is no such process, which is what was asked.
    return false;
  }
}

/** Names in a folder that bear the id of a process which is no more. */
function deadIn(folder: string, pattern: RegExp): string[] {
  return list(folder).filter((name) => {
    const pid = pattern.exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
}

function endAllIn(namespace: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  for (const pid of stdout.split(/\s+/).filter(Boolean).map(Number)) {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
}

/** @param pinParent  folder of the pins of all demos */
export function removeRemains(pinParent: string): void {
  const namespaces = deadIn(NETNS_DIR, LAB_NAMESPACE);
  for (const name of namespaces) endAllIn(name);
  for (const name of namespaces) spawnSync('ip', ['netns', 'delete', name]);
  for (const [folder, pattern] of [
    [pinParent, /^demo-(\d+)$/],
    [tmpdir(), /^sluice-demo-(\d+)-/],
  ] as const) {
    for (const name of deadIn(folder, pattern)) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
}
