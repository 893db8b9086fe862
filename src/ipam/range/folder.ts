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
  fstatSync,
  fsync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { link, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { canonicalAddress, formatAddress } from '../../addr.js';
import { addressOf, numberOf } from '../number.js';
import { isErrno } from '../../errors.js';
import { LOCK, createLock } from './lock.js';

const LATEST = 'last_reserved_ip.';
/** What is being written. Whoever has the lock may remove what has this name. */
const PART = '.sluice-';

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

/** All but `isThere` and `locked` only while the latter runs. */
export interface Folder {
  /** Whether there is a folder at all: where none is, no address is held. */
  isThere(): boolean;
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
  /** Whether a file can be written now. @throws why it cannot */
  probe(): Promise<void>;
  close(): void;
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

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    if (isErrno(cause, 'ENOENT') || isErrno(cause, 'ENOTDIR')) return false;
    throw cause;
  }
}

/** Paths in a network's folder of what is neither an address nor anything else of the layout. */
export function unknownFilesIn(path: string): string[] {
  if (!isFolder(path)) return [];
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
    isThere: () => isFolder(path),
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
      try {
        // Not worth a sync of its own: when it is lost, the round begins anew.
        await writeFile(part, formatAddress(addressOf(number)), { flag: 'wx', mode: 0o600 });
        await rename(part, join(path, `${LATEST}${setIdx}`));
      } catch (cause) {
        await unlinkIfThere(part);
        throw cause;
      }
    },
    async sync() {
      const leftover = Promise.allSettled(parts.splice(0).map(unlinkIfThere));
      if (folderFd !== undefined) await syncFd(folderFd);
      await leftover;
    },
    async probe() {
      const part = newPart();
      try {
        await writeFile(part, part, { flag: 'wx', mode: 0o600, flush: true });
      } finally {
        await unlinkIfThere(part);
      }
    },
    close: lock.close,
  };
}
