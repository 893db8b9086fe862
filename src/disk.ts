/** What files need that node:fs has no one call for. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { lstat, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from './errors.js';

/** Have the names in a folder on disk: of files that were made, renamed or removed there. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The same, for who has to wait for it. */
export function syncFolderNow(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The text of a file; undefined when there is none. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Make a folder and those above it. Below /proc, where nothing can be made, Node's own `recursive` would
 * never come to an end.
 *
 * @returns the topmost of those it has made; undefined: it was there
 * @throws  the error of the system
 */
export function makeFolder(path: string, mode = 0o755): string | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return undefined;
  const topmost = makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
    return topmost ?? path;
  } catch (error) {
    const isThere = isErrno(error, 'EEXIST') && statSync(path).isDirectory();
    if (!isThere) throw error;
    return topmost;
  }
}

/** A file that is written takes seconds at most; one this old has lost whoever wrote it. */
const PART_AGE_MS = 60_000;

/**
 * Remove what was being written when its writer died: files that were to be renamed once whole, and
 * folders with them.
 *
 * @param isPart  by name; others stay
 * @throws        the error of readdir(3)
 */
export async function removeParts(
  folder: string,
  isPart: (name: string) => boolean,
): Promise<void> {
  for (const name of (await readdir(folder)).filter(isPart)) {
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < PART_AGE_MS) continue;
    await rm(path, { recursive: true, force: true });
  }
}
