/**
 * The folder of one network, in the layout of the reference plugin host-local (backend/disk), so
 * that it serves both: what is there is the state, and there is nothing to migrate.
 *
 *   10.1.2.3            who holds the address: container, CR LF, interface; the container alone in
 *                       what versions before 0.7 wrote; whitespace around is nothing
 *   last_reserved_ip.0  the address given last of range set 0
 *   lock                flock(2) around everything
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { link, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { syncFolderNow } from '../../disk.js';
import { canonicalAddress, formatAddress } from '../../addr.js';
import { tryLock, unlock } from '../../native.js';
import { IpamError } from '../ipam.js';
import { addressOf, numberOf } from '../number.js';
import { isErrno } from '../../errors.js';

const LOCK = 'lock';
const LATEST = 'last_reserved_ip.';
/** What is being written. Whoever has the lock may remove what has this name. */
const PART = '.sluice-';
const LOCK_WAIT_MS = 10_000;
const LOCK_LOOK_MS = 5;

const syncFd = promisify(fsync);

/** One address file. */
export interface Entry {
  /** Name of the file. */
  readonly name: string;
  readonly number: bigint;
  readonly containerId: string;
  /** Empty when the file does not say. */
  readonly ifname: string;
  /** When it was given, wall clock: the file's time, when somebody else wrote it. */
  readonly sinceMs: number;
}

export interface Contents {
  readonly entries: readonly Entry[];
  /** The address given last, by number of the range set. */
  readonly latest: ReadonlyMap<number, bigint>;
}

/** All but `locked` only while it runs. */
export interface Folder {
  /**
   * Do something while nobody else does: neither host-local nor another agent.
   *
   * @throws IpamError unavailable  somebody does not let go
   */
  locked<T>(body: () => Promise<T>): Promise<T>;
  /**
   * Whether somebody else changed it since the last `locked`, or that one failed. Two changes within
   * one tick of a kernel before 6.13 look like one (a file's time is that coarse); `create` then
   * meets what was added.
   */
  hasChanged(): boolean;
  read(): Contents;
  /**
   * Write an address file. It is whole from the moment it can be seen, and on disk after `sync`.
   *
   * @throws EEXIST when there is one
   */
  create(entry: Entry): Promise<void>;
  /** Remove an address file, if it is there. */
  remove(name: string): Promise<void>;
  setLatest(setIdx: number, number: bigint): Promise<void>;
  /** What was created and removed is on disk. */
  sync(): Promise<void>;
  close(): void;
}

/** Make a folder and those above it, each on disk. */
function makeFolder(path: string): void {
  const topmost = mkdirSync(path, { recursive: true, mode: 0o755 });
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) {
    syncFolderNow(dirname(made));
  }
}

/** The inode of a path; undefined when nothing is there. */
function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function numberOfText(text: string): bigint | undefined {
  const address = canonicalAddress(text);
  return address === undefined ? undefined : numberOf(address);
}

function readEntry(path: string, name: string, number: bigint): Entry {
  const fd = openSync(join(path, name), 'r');
  try {
    const [containerId = '', ifname = ''] = readFileSync(fd, 'utf8').trim().split(/\r?\n/);
    return { name, number, containerId, ifname, sinceMs: fstatSync(fd).mtimeMs };
  } finally {
    closeSync(fd);
  }
}

function readContents(path: string): Contents {
  const entries: Entry[] = [];
  const latest = new Map<number, bigint>();
  for (const file of readdirSync(path, { withFileTypes: true })) {
    const { name } = file;
    if (!file.isFile() || name === LOCK) continue;
    const number = numberOfText(name);
    if (number !== undefined) entries.push(readEntry(path, name, number));
    else if (name.startsWith(PART)) rmSync(join(path, name), { force: true });
    else if (name.startsWith(LATEST)) {
      const given = numberOfText(readFileSync(join(path, name), 'utf8').trim());
      if (given !== undefined) latest.set(Number(name.slice(LATEST.length)), given);
    }
  }
  return { entries, latest };
}

/** Paths in a network's folder of what is neither an address nor anything else of the layout. */
export function unknownFilesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  const isKnown = (name: string): boolean =>
    name === LOCK ||
    [LATEST, PART].some((start) => name.startsWith(start)) ||
    numberOfText(name) !== undefined;
  return readdirSync(path, { withFileTypes: true })
    .filter((file) => !file.isFile() || !isKnown(file.name))
    .map(({ name }) => join(path, name));
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
  }
}

/** The lock file, and the folder around it, which an administrator may remove at any time. */
function createLock(path: string) {
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
      makeFolder(path);
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

/** @param path  made when it is first locked */
export function openFolder(path: string): Folder {
  const lock = createLock(path);
  let folderFd: number | undefined;
  let partCount = 0;
  /** Second names of files that were created: gone at the next `sync`. */
  const parts: string[] = [];
  let seen = '';

  /** Differs when a file was made or removed, or the whole folder was; empty when it is gone. */
  function version(): string {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stats === undefined ? '' : `${stats.ino} ${stats.mtimeNs}`;
  }

  const newPart = () => join(path, `${PART}${process.pid}-${partCount++}`);

  return {
    async locked(body) {
      await lock.take();
      try {
        folderFd = openSync(path, 'r');
        const result = await body();
        seen = version();
        return result;
      } catch (cause) {
        seen = '';
        throw cause;
      } finally {
        if (folderFd !== undefined) closeSync(folderFd);
        folderFd = undefined;
        lock.giveBack();
      }
    },
    hasChanged: () => seen === '' || version() !== seen,
    read() {
      const contents = readContents(path);
      seen = version();
      return contents;
    },
    async create({ name, containerId, ifname }) {
      const part = newPart();
      parts.push(part);
      const contents = `${containerId}\r\n${ifname}`;
      await writeFile(part, contents, { flag: 'wx', mode: 0o600, flush: true });
      await link(part, join(path, name));
    },
    remove: (name) => unlinkIfThere(join(path, name)),
    async setLatest(setIdx, number) {
      const part = newPart();
      // Not worth a sync of its own: when it is lost, the round begins anew.
      await writeFile(part, formatAddress(addressOf(number)), { flag: 'wx', mode: 0o600 });
      await rename(part, join(path, `${LATEST}${setIdx}`));
    },
    async sync() {
      const leftover = Promise.allSettled(parts.splice(0).map(unlinkIfThere));
      if (folderFd !== undefined) await syncFd(folderFd);
      await leftover;
    },
    close: lock.close,
  };
}
