/**
 * A map that outlives its process: an append-only file of changes.
 *
 * A change is in memory at once, and durable when its promise resolves. Changes that come while the
 * disk is busy share the next fdatasync(2). When the file is much longer than the map it is written
 * anew and put in place by rename(2).
 *
 * What a crash leaves is a prefix of the changes: a line that was cut off was not acknowledged and
 * is dropped. A line in the middle that is not what was written is kept in `<file>.corrupt`, said,
 * and costs no other line.
 */
import {
  appendFileSync,
  closeSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, syncFolderNow } from '../disk.js';
import { DataplaneError } from '../errors.js';
import { formatChange, parseLines } from './lines.js';
import { takeLockFile } from './lock-file.js';

/** Lines beyond twice the entries: enough that writing anew costs nothing per change. */
const SPARE_LINES = 1024;

const dataSync = promisify(fdatasync);

export interface JournalOptions<V> {
  /** The value that was given to `set`, from JSON; undefined when it cannot be one. */
  read(value: unknown): V | undefined;
  /** Told, in a sentence, what was found damaged. */
  readonly report?: (sentence: string) => void;
}

/** @typeParam V  what JSON can carry */
export interface Journal<V> {
  readonly entries: ReadonlyMap<string, V>;
  /**
   * Resolves when the change is on disk. When it rejects (a full disk) the change is in memory
   * only, and is written together with the next one that succeeds.
   */
  set(key: string, value: V): Promise<void>;
  /** As `set`. */
  delete(key: string): Promise<void>;
  /** Wait for what is under way, and give the file to others. */
  close(): Promise<void>;
}

/** Changes that become durable together. */
interface Batch {
  lines: string;
  count: number;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

function createBatch(): Batch {
  let resolve: () => void = () => undefined;
  let reject: (cause: unknown) => void = () => undefined;
  const done = new Promise<void>((onDone, onFailure) => {
    resolve = onDone;
    reject = onFailure;
  });
  return { lines: '', count: 0, done, resolve, reject };
}

/** Write a file so that there is always a whole one. @returns it, open for appending */
function replaceFile(file: string, contents: string): number {
  const part = `${file}.tmp`;
  const fd = openSync(part, 'w', 0o600);
  try {
    writeFileSync(fd, contents);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(part, file);
  syncFolderNow(dirname(file));
  return openSync(file, 'a', 0o600);
}

function setAside(file: string, corrupt: readonly Buffer[]): void {
  const fd = openSync(`${file}.corrupt`, 'a', 0o600);
  try {
    for (const line of corrupt) appendFileSync(fd, Buffer.concat([line, Buffer.from('\n')]));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function dump(entries: ReadonlyMap<string, unknown>): string {
  return Array.from(entries, ([key, value]) => formatChange(key, value)).join('');
}

interface Opened<V> {
  readonly entries: Map<string, V>;
  readonly fd: number;
  readonly lineCount: number;
}

function openEntries<V>(file: string, { read, report }: JournalOptions<V>): Opened<V> {
  const fd = openSync(file, 'a+', 0o600);
  const { changes, corrupt, wholeLen } = parseLines(readFileSync(fd));
  const entries = new Map<string, V>();
  const lost = [...corrupt];
  for (const { key, value, line } of changes) {
    const known = value === undefined ? undefined : read(value);
    if (known !== undefined) entries.set(key, known);
    else if (value === undefined) entries.delete(key);
    else lost.push(line);
  }
  if (lost.length === 0) {
    ftruncateSync(fd, wholeLen);
    syncFolderNow(dirname(file));
    return { entries, fd, lineCount: changes.length };
  }
  closeSync(fd);
  setAside(file, lost);
  report?.(`${file}: damaged lines, kept in ${file}.corrupt, do not count: ${lost.length}`);
  return { entries, fd: replaceFile(file, dump(entries)), lineCount: entries.size };
}

/** The writing side: batches one after the other. */
function createWriter(file: string, opened: Opened<unknown>) {
  let { fd, lineCount } = opened;
  const { entries } = opened;
  let next: Batch | undefined;
  let running: Promise<void> | undefined;
  /** What the file holds is unknown: only writing all of it anew helps. */
  let isBroken = false;

  async function write(batch: Batch): Promise<void> {
    if (isBroken || lineCount > 2 * entries.size + SPARE_LINES) {
      const old = fd;
      fd = replaceFile(file, dump(entries));
      closeSync(old);
      lineCount = entries.size;
      isBroken = false;
      return;
    }
    appendFileSync(fd, batch.lines);
    await dataSync(fd);
    lineCount += batch.count;
  }

  async function run(): Promise<void> {
    await Promise.resolve(); // what comes in the same turn comes along
    for (let batch = next; batch !== undefined; batch = next) {
      next = undefined;
      try {
        await write(batch);
        batch.resolve();
      } catch (cause) {
        isBroken = true;
        batch.reject(cause);
      }
    }
    running = undefined;
  }

  return {
    append(line: string): Promise<void> {
      next ??= createBatch();
      next.lines += line;
      next.count += 1;
      const { done } = next;
      running ??= run();
      return done;
    },
    async close(): Promise<void> {
      await running;
      closeSync(fd);
    },
  };
}

/**
 * Open a journal, or begin one.
 *
 * @throws DataplaneError ERR_STATE when another process has it open
 */
export function openJournal<V>(file: string, options: JournalOptions<V>): Journal<V> {
  makeFolder(dirname(file), 0o700);
  const release = takeLockFile(`${file}.lock`, file);
  let opened: Opened<V>;
  try {
    opened = openEntries(file, options);
  } catch (cause) {
    release();
    throw cause;
  }
  const { entries } = opened;
  const writer = createWriter(file, opened);
  let isClosed = false;
  const append = (key: string, value: V | undefined): Promise<void> => {
    if (isClosed) {
      return Promise.reject(new DataplaneError('ERR_STATE', `${file} is closed: ${key} is lost`));
    }
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
    return writer.append(formatChange(key, value));
  };
  return {
    entries,
    set: append,
    delete: (key) => append(key, undefined),
    async close() {
      if (isClosed) return;
      isClosed = true;
      await writer.close();
      release();
    },
  };
}
