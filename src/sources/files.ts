/**
 * A folder of ordinary Kubernetes YAML or JSON as a source of events, hot-reloaded.
 *
 * The folder is watched; a burst of changes is awaited to its end, and a periodic rescan finds
 * what the watch missed. Files that editors and atomic replacement leave beside the real ones
 * are not looked at. Mounted ConfigMaps work: their entries are links below `..data`.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataplaneError, codeOf, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { SourceEvent } from '../model/events.js';
import type { Counters } from './counters.js';
import { createFolder } from './folder.js';
import type { Contents } from './folder.js';

export interface FilesOptions {
  readonly dir: string;
  readonly log: Log;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
  /** Silence that ends a burst of changes; default 50. */
  readonly debounceMs?: number;
  /** Default 30 000. */
  readonly rescanMs?: number;
  /** Counted into, for whoever shows it. */
  readonly counters?: Counters;
}

const DEBOUNCE_MS = 50;
const RESCAN_MS = 30_000;
/** A folder that never falls silent is read all the same. */
const BURST_MS = 1_000;

const MANIFEST_NAME = /^[^.#~][^~]*\.(ya?ml|json)$/i;

/** False for `.x.yaml.swp`, `#x.yaml#`, `x.yaml~`, `.x.yaml.tmp` and what is no manifest. */
export function isManifestName(name: string): boolean {
  return MANIFEST_NAME.test(name);
}

/** Contents of one file; nothing when it has gone or is no file. */
async function readOne(
  path: string,
  options: FilesOptions,
): Promise<[string, string | undefined][]> {
  try {
    if (!(await stat(path)).isFile()) return [];
    return [[path, await readFile(path, { encoding: 'utf8', signal: options.signal })]];
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    options.signal.throwIfAborted();
    options.log.error({ file: path }, `cannot read ${path}: ${messageOf(error)}`);
    return [[path, undefined]];
  }
}

async function readContents(options: FilesOptions): Promise<Contents> {
  const names = (await readdir(options.dir)).filter(isManifestName).sort();
  const read = await Promise.all(names.map((name) => readOne(join(options.dir, name), options)));
  return new Map(read.flat());
}

/** Tells when something happened in a folder. */
interface Bell {
  /** Watch the folder as it is now; it may have been replaced by another of its name. */
  rewatch(): Promise<void>;
  /** Forget what has rung so far. */
  reset(): void;
  /** Wait until something happens, or the time is over, or the iteration ends. */
  wait(ms: number): Promise<boolean>;
  close(): void;
}

function createBell({ dir, log, signal }: FilesOptions): Bell {
  let watcher: FSWatcher | undefined;
  let inode: number | undefined;
  let hasRung = false;
  let wake: (() => void) | undefined;

  const ring = (): void => {
    hasRung = true;
    wake?.();
  };
  const close = (): void => {
    watcher?.close();
    watcher = undefined;
    inode = undefined;
  };

  return {
    rewatch: async () => {
      const { ino } = await stat(dir);
      if (watcher && ino === inode) return;
      close();
      const opened = watch(dir, ring);
      opened.on('error', (error) => {
        log.warn({ dir }, `cannot watch ${dir}, left to the rescan: ${messageOf(error)}`);
        close();
      });
      watcher = opened;
      inode = ino;
    },
    reset: () => {
      hasRung = false;
    },
    wait: (ms) => {
      if (hasRung || signal.aborted) return Promise.resolve(hasRung);
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = undefined;
          resolve(hasRung);
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      });
    },
    close,
  };
}

/** Wait for a change and for the end of the burst it belongs to, or for the rescan. */
async function waitForChange(bell: Bell, options: FilesOptions): Promise<void> {
  const { debounceMs = DEBOUNCE_MS, rescanMs = RESCAN_MS, signal } = options;
  if (!(await bell.wait(rescanMs))) return;
  const bursts = Math.max(1, Math.ceil(BURST_MS / Math.max(1, debounceMs)));
  for (let i = 0; i < bursts && !signal.aborted; i++) {
    bell.reset();
    if (!(await bell.wait(debounceMs))) return;
  }
}

/** One look at the folder. @returns undefined, logged, when the folder cannot be read */
async function look(bell: Bell, options: FilesOptions): Promise<Contents | undefined> {
  try {
    bell.reset();
    await bell.rewatch();
    return await readContents(options);
  } catch (error) {
    options.signal.throwIfAborted();
    options.log.error({ dir: options.dir }, `cannot read ${options.dir}: ${messageOf(error)}`);
    return undefined;
  }
}

/**
 * Every object as a put, then `synced`; after that each batch of changes followed by `synced`.
 *
 * A folder that disappears later is logged, and what it said last goes on.
 *
 * @throws DataplaneError ERR_SOURCE  when the folder cannot be read at the start
 */
export async function* watchFiles(options: FilesOptions): AsyncGenerator<SourceEvent, void> {
  const { dir, log, signal } = options;
  const folder = createFolder(log, options.counters);
  const bell = createBell(options);
  let isFirst = true;
  try {
    while (!signal.aborted) {
      const contents = await look(bell, options);
      if (contents === undefined && isFirst) {
        throw new DataplaneError('ERR_SOURCE', `cannot read the folder of manifests ${dir}`);
      }
      const events = contents === undefined ? [] : folder.refresh(contents);
      yield* events;
      if (isFirst || events.length > 0) yield { type: 'synced' };
      isFirst = false;
      await waitForChange(bell, options);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    bell.close();
  }
}
