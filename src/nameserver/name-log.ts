/**
 * The names on disk, for a start while the API server is away. Nothing waits for the disk, because a log
 * that is behind is only older. When it has grown to several times what it says, it is written anew
 * beside itself and put in its place.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../disk.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { framed, nameBatches, nameLogHead } from './name-log-format.js';

/** Written anew when it is larger than this, and than GROWTH times what was last written anew. */
const SMALL_BYTES = 1 << 20;
const GROWTH = 3;

/**
 * What a log says.
 *
 * @param identity  of the configuration: what was written under another one is not of use
 * @returns         batches; empty when there is none
 */
export async function readNameLog(file: string, identity: string): Promise<Uint8Array[]> {
  try {
    return nameBatches(await readFile(file), identity);
  } catch {
    return [];
  }
}

export interface NameLog {
  /** Note a batch. */
  append(records: Uint8Array): void;
  /** Whether it has grown so much that it should be written anew. */
  isLong(): boolean;
  /**
   * Write it anew, for a configuration. What is appended meanwhile comes behind.
   *
   * @param identity  of the configuration
   */
  replace(identity: string, batches: Iterable<Uint8Array>): void;
  /** Settles when everything so far is in the file. */
  written(): Promise<void>;
  /** Settles when everything is. */
  close(): Promise<void>;
}

/** Open a log. Nothing is written before `replace` is called: what an earlier process left stands. */
export function openNameLog(file: string, log: Log): NameLog {
  let handle: FileHandle | undefined;
  let bytes = 0;
  let base = 0;
  let isBroken = false;
  let queue: Promise<void> = Promise.resolve();

  const enqueue = (task: () => Promise<void>): void => {
    queue = queue.then(task).catch((error: unknown) => {
      // Names are answered all the same; only the next start will have to wait.
      if (!isBroken) log.warn({ file }, `names are not kept on disk: ${messageOf(error)}`);
      isBroken = true;
    });
  };
  const replace = (identity: string, batches: Iterable<Uint8Array>): void => {
    const frames = [nameLogHead(identity), ...Array.from(batches, framed)];
    bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    base = bytes;
    enqueue(async () => {
      await handle?.close();
      handle = undefined;
      makeFolder(dirname(file));
      const beside = `${file}.new`;
      const fresh = await open(beside, 'w', 0o600);
      try {
        for (const frame of frames) await fresh.appendFile(frame);
        await fresh.sync();
        await rename(beside, file);
      } catch (error) {
        await fresh.close();
        await rm(beside, { force: true });
        throw error;
      }
      handle = fresh;
      isBroken = false;
    });
  };
  return {
    append: (records) => {
      const frame = framed(records);
      bytes += frame.length;
      enqueue(async () => {
        await handle?.appendFile(frame);
      });
    },
    isLong: () => bytes > SMALL_BYTES && bytes > GROWTH * base,
    replace,
    written: () => queue,
    close: async () => {
      enqueue(async () => {
        await handle?.close();
        handle = undefined;
      });
      await queue;
    },
  };
}
