/** The lock of a network's folder: flock(2) of a file in it, as host-local takes it. */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, syncFolderNow } from '../../disk.js';
import { tryLock, unlock } from '../../native.js';
import { IpamError } from '../ipam.js';

/** The name of the file. */
export const LOCK = 'lock';
const LOCK_WAIT_MS = 10_000;
const LOCK_LOOK_MS = 5;

/** Make a folder and those above it, each on disk. */
function makeFolderDurably(path: string): void {
  const topmost = makeFolder(path);
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) {
    syncFolderNow(dirname(made));
  }
}

/** The inode of a path; undefined when nothing is there. */
function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** The lock file, and the folder around it, which an administrator may remove at any time. */
export function createLock(path: string) {
  const file = join(path, LOCK);
  let fd: number | undefined;

  function close(): void {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  }

  /** Whether the lock was taken, of the file that others would open now. */
  function attempt(): boolean {
    if (fd === undefined || fstatSync(fd).ino !== inodeOf(file)) {
      close();
      makeFolderDurably(path);
      fd = openSync(file, 'a+', 0o600);
    }
    if (!tryLock(fd)) return false;
    if (fstatSync(fd).ino === inodeOf(file)) return true;
    unlock(fd);
    return false;
  }

  return {
    close,
    async take(): Promise<void> {
      for (let waitedMs = 0; !attempt(); waitedMs += LOCK_LOOK_MS) {
        if (waitedMs >= LOCK_WAIT_MS) {
          throw new IpamError('unavailable', `${file} is locked by another process`);
        }
        await sleep(LOCK_LOOK_MS);
      }
    },
    giveBack(): void {
      if (fd !== undefined) unlock(fd);
    },
  };
}
