/**
 * The store in a folder: of one node, or shared by several (NFS: link(2) is atomic there).
 *
 * A key is a folder, and a revision of it is a file in it, named by its number. A writer makes the
 * next number with link(2), which fails when somebody has it already: that is the whole
 * compare-and-swap. There is no lock to be left behind by a crash. A deleted key keeps an empty
 * last revision, so that numbers never start again.
 *
 *   DIR/blocks/10.0.0.0-26/41     superseded: removed when nobody can be about to build on it
 *   DIR/blocks/10.0.0.0-26/42     what counts
 */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, syncFolder } from '../../disk.js';
import { codeOf, messageOf } from '../../errors.js';
import { FOLDERS, StoreError, isName, splitKey } from './store.js';
import type { Entry, Folder, Store, StoreKey, StoreValue } from './store.js';

/**
 * A superseded revision stays for so long after it was linked. A writer that took longer than half
 * of it from its look to its link may have linked a number that had come and gone: it cannot know.
 */
const KEPT_MS = 10_000;
const SLOW_MS = KEPT_MS / 2;
/** A revision may vanish between the look and the read only when it is superseded: look again. */
const READS_MAX = 100;

function unavailable(what: string, cause: unknown): StoreError {
  return new StoreError('unavailable', `${what}: ${messageOf(cause)}`, { cause });
}

/** Run file operations; what the system refuses is `unavailable`. */
async function guarded<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw unavailable(what, cause);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Revision numbers in a key's folder, ascending. */
async function revisionsIn(path: string): Promise<number[]> {
  const names = await readdir(path).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  });
  return names.flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : [])).sort((a, b) => a - b);
}

interface Found {
  readonly revision: number;
  /** undefined: deleted, or never there. */
  readonly value: StoreValue | undefined;
}

async function readNewest(path: string): Promise<Found> {
  for (let i = 0; i < READS_MAX; i++) {
    const revision = (await revisionsIn(path)).at(-1);
    if (revision === undefined) return { revision: 0, value: undefined };
    try {
      const text = await readFile(join(path, String(revision)), 'utf8');
      const value = text === '' ? undefined : (JSON.parse(text) as StoreValue);
      return { revision, value };
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw cause;
    }
  }
  throw new StoreError('unavailable', `${path}: changes faster than it can be read`);
}

/**
 * Remove what was superseded long ago, and temporary files of writers that died. Linking sets the
 * ctime, and the file system's clock is the same for all.
 */
async function tidy(path: string, newest: number): Promise<void> {
  const newestMs = (await stat(join(path, String(newest)))).ctimeMs;
  for (const name of await readdir(path)) {
    if (/^\d+$/.test(name) && Number(name) >= newest) continue;
    const file = join(path, name);
    const { ctimeMs } = await stat(file);
    if (newestMs - ctimeMs > KEPT_MS) await unlink(file);
  }
}

/** @param dir  is made when it is missing */
export async function openFileStore(
  dir: string,
  monotonicMs: () => number = () => performance.now(),
): Promise<Store> {
  await guarded(dir, () => {
    for (const folder of FOLDERS) makeFolder(join(dir, folder), 0o700);
  });
  const pathOf = (key: StoreKey): string => {
    const { folder, name } = splitKey(key);
    return join(dir, folder, name);
  };

  /** Make a revision. @throws StoreError conflict  when somebody else has made it */
  const put = async (key: StoreKey, text: string, revision: number): Promise<void> => {
    const path = pathOf(key);
    const temporary = join(path, `.${randomUUID()}`);
    await writeDurably(temporary, text);
    const lookedMs = monotonicMs();
    try {
      const newest = (await revisionsIn(path)).at(-1) ?? 0;
      if (newest >= revision) throw new StoreError('conflict', `${key}: changed meanwhile`);
      await link(temporary, join(path, String(revision)));
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
      throw new StoreError('conflict', `${key}: changed meanwhile`, { cause });
    } finally {
      await unlink(temporary);
    }
    await syncFolder(path);
    const newest = (await revisionsIn(path)).at(-1);
    if (newest !== revision && monotonicMs() - lookedMs > SLOW_MS) {
      throw new StoreError('unavailable', `${key}: the folder took more than ${SLOW_MS} ms`);
    }
    // Another writer may tidy the same files: what is gone is gone.
    await tidy(path, revision).catch((cause: unknown) => {
      if (codeOf(cause) !== 'ENOENT') throw cause;
    });
  };

  const get = async (key: StoreKey): Promise<Entry | undefined> => {
    const { revision, value } = await readNewest(pathOf(key));
    return value && { key, value, revision: String(revision) };
  };
  /** The number behind a revision that has to be there. */
  const nextAfter = async (key: StoreKey, revision: string): Promise<number> => {
    const found = await readNewest(pathOf(key));
    if (found.value === undefined) throw new StoreError('missing', `${key}: is gone`);
    if (String(found.revision) !== revision) {
      throw new StoreError('conflict', `${key}: is at ${found.revision}, not ${revision}`);
    }
    return found.revision + 1;
  };
  const write = async (key: StoreKey, value: StoreValue, revision: number): Promise<Entry> => {
    await put(key, JSON.stringify(value), revision);
    return { key, value, revision: String(revision) };
  };

  return {
    get: (key) => guarded(key, () => get(key)),
    list: (folder: Folder) =>
      guarded(folder, async () => {
        const names = (await readdir(join(dir, folder))).filter(isName);
        const found = await Promise.all(names.map((name) => get(`${folder}/${name}`)));
        return found.filter((entry) => entry !== undefined);
      }),
    create: (key, value) =>
      guarded(key, async () => {
        const path = pathOf(key);
        makeFolder(path, 0o700);
        await syncFolder(join(path, '..'));
        const found = await readNewest(path);
        if (found.value !== undefined) throw new StoreError('conflict', `${key}: exists`);
        return write(key, value, found.revision + 1);
      }),
    update: (key, value, revision) =>
      guarded(key, async () => write(key, value, await nextAfter(key, revision))),
    delete: (key, revision) =>
      guarded(key, async () => put(key, '', await nextAfter(key, revision))),
    close: () => Promise.resolve(),
  };
}
