/**
 * Deletions that came while no agent ran: the plugin has put the request into a folder and told the
 * runtime that all is well. They are replayed at start, when the folder changes, and now and then,
 * so that neither side needs a lock.
 *
 * A file is taken away when its deletion is done. One that fails for now stays. One that can never
 * succeed is moved to `rejected/`, where only the last few are kept.
 */
import { watch } from 'node:fs';
import { readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, removeParts } from '../disk.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Dispatch } from './dispatch.js';
import { isRetryable } from './errors.js';
import { MESSAGE_MAX } from './wire.js';

/** Beside the socket; the plugin finds it there. */
export const DELETES_FOLDER = 'deletes';
const REJECTED_FOLDER = 'rejected';
/** What the plugin names a request that is whole. */
const SUFFIX = '.del';
const REJECTED_MAX = 16;
const PERIOD_MS = 30_000;
/** As the plugin names what it has not written to its end. */
const PART = /^\.[0-9a-f]{16}\.del\.\d+$/;
/** Whoever writes a file may well write another. */
const SETTLE_MS = 50;
const OWNER_ONLY = 0o700;

export interface DeleteQueueOptions {
  readonly dispatch: Dispatch;
  readonly log: Log;
  readonly periodMs?: number;
}

export interface DeleteQueue {
  /** Replay all that is there. Passes do not overlap. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** The oldest first: order in which the runtime asked. */
async function listQueued(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(SUFFIX));
  const aged = await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(folder, name)).catch(() => undefined);
      return { name, ms: found?.mtimeMs ?? 0, size: found?.size ?? 0 };
    }),
  );
  return aged.sort((a, b) => a.ms - b.ms).map(({ name }) => name);
}

/** Move a file aside, for somebody to look at. */
async function reject(folder: string, name: string): Promise<void> {
  const aside = join(folder, REJECTED_FOLDER);
  makeFolder(aside, OWNER_ONLY);
  await rename(join(folder, name), join(aside, name));
  const kept = await listQueued(aside);
  for (const old of kept.slice(0, -REJECTED_MAX)) await rm(join(aside, old), { force: true });
}

/**
 * @returns once what was there has been replayed
 * @throws  the error of mkdir(2)
 */
export async function startDeleteQueue(
  folder: string,
  { dispatch, log, periodMs = PERIOD_MS }: DeleteQueueOptions,
): Promise<DeleteQueue> {
  makeFolder(folder, OWNER_ONLY);
  /** Files that have failed, as logged. */
  const failing = new Set<string>();
  let isOver = false;
  let current: Promise<void> | undefined;
  let isWanted = false;
  let settling: NodeJS.Timeout | undefined;

  /** @returns what became of it */
  const replay = async (name: string): Promise<'done' | 'later' | 'never'> => {
    const file = join(folder, name);
    if ((await stat(file)).size > MESSAGE_MAX) return 'never';
    const operation = dispatch(await readFile(file));
    if (operation.verb !== 'DEL') return 'never';
    let code: number | undefined;
    await operation.run((reply) => {
      code = reply.code;
      return Promise.resolve();
    });
    if (code === undefined) return 'done';
    return isRetryable(code) ? 'later' : 'never';
  };

  const settle = async (name: string): Promise<void> => {
    const outcome = await replay(name);
    if (outcome === 'later') {
      if (!failing.has(name)) log.warn({ file: name }, 'a queued deletion fails; it stays queued');
      failing.add(name);
      return;
    }
    failing.delete(name);
    if (outcome === 'done') {
      await rm(join(folder, name), { force: true });
      log.info({ file: name }, 'a queued deletion is done');
      return;
    }
    await reject(folder, name);
    log.error({ file: name }, `a queued deletion is unusable; moved to ${REJECTED_FOLDER}/`);
  };

  /** What one file costs no other. @returns undefined when it fails */
  const attempt = async <T>(path: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      log.warn(`${path}: ${messageOf(error)}`);
      return undefined;
    }
  };

  const pass = async (): Promise<void> => {
    // Of plugins that were killed.
    await attempt(folder, () => removeParts(folder, (name) => PART.test(name)));
    for (const name of (await attempt(folder, () => listQueued(folder))) ?? []) {
      if (isOver) return;
      await attempt(join(folder, name), () => settle(name));
    }
  };

  const drain = (): Promise<void> => {
    isWanted = true;
    current ??= (async () => {
      while (isWanted && !isOver) {
        isWanted = false;
        await pass();
      }
      current = undefined;
    })();
    return current;
  };

  const watcher = watch(folder, { persistent: false }, (_event, name) => {
    if (isOver || settling !== undefined || name?.endsWith(SUFFIX) === false) return;
    settling = setTimeout(() => {
      settling = undefined;
      void drain();
    }, SETTLE_MS);
  });
  watcher.on('error', (error) =>
    log.warn(`${folder}: ${messageOf(error)}; looked at by the clock`),
  );
  const timer = setInterval(() => void drain(), periodMs);
  timer.unref();
  await drain();
  return {
    drain,
    close: async () => {
      isOver = true;
      watcher.close();
      clearTimeout(settling);
      clearInterval(timer);
      await current;
    },
  };
}
