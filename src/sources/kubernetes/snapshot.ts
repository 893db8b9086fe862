/**
 * The last known objects on disk, for a start while the API server is away.
 *
 * Lines of JSON: what it is, the objects, and a digest of all lines before it; a file without the
 * right last line is no snapshot. Replaced as a whole.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { makeFolder } from '../../disk.js';
import { isErrno, messageOf } from '../../errors.js';
import type { Log } from '../../log.js';
import { KINDS } from '../../model/events.js';
import type { Kind } from '../../model/events.js';
import type { ObjectKey } from '../../model/keys.js';
import { identityOf, readObject } from './read-object.js';
import type { Entry } from './store.js';

/** Whose objects these are: those of another node or cluster are not served. */
export interface SnapshotOwner {
  readonly nodeName: string;
  readonly server: string;
  /** What was asked for, if it was more than a proxy needs. */
  readonly scope?: string | undefined;
}

export type Objects = ReadonlyMap<Kind, ReadonlyMap<ObjectKey, Entry>>;

const FORMAT = 'sluice/snapshot/v1';
/** Lines between two turns of the event loop. */
const CHUNK_LINES = 500;

function headerOf({ nodeName, server, scope }: SnapshotOwner): string {
  return JSON.stringify({ format: FORMAT, nodeName, server, scope });
}

function lineOf({ version, event }: Entry): string {
  const { metadata } = event.object;
  // The version is no part of what the schema keeps; on disk it stands where the API has it.
  const object = { ...event.object, metadata: { ...metadata, resourceVersion: version } };
  return JSON.stringify({ kind: event.kind, object });
}

/** Write a snapshot beside the old one and put it in its place. */
export async function writeSnapshot(file: string, owner: SnapshotOwner, objects: Objects) {
  const entries = [...objects.values()].flatMap((known) => [...known.values()]);
  makeFolder(dirname(file));
  const digest = createHash('sha256');
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    const write = async (lines: readonly string[]): Promise<void> => {
      const text = lines.map((line) => `${line}\n`).join('');
      digest.update(text);
      await handle.appendFile(text);
    };
    await write([headerOf(owner)]);
    for (let i = 0; i < entries.length; i += CHUNK_LINES) {
      await write(entries.slice(i, i + CHUNK_LINES).map(lineOf));
      await breathe();
    }
    await handle.appendFile(`${JSON.stringify({ sha256: digest.digest('hex') })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}

function parseObjects(lines: readonly string[]): Objects {
  const objects = new Map<Kind, Map<ObjectKey, Entry>>(KINDS.map((kind) => [kind, new Map()]));
  for (const line of lines) {
    const { kind, object } = JSON.parse(line) as { kind: Kind; object: unknown };
    const { key, version } = identityOf(object);
    const read = readObject(kind, object);
    if (key !== undefined && read.ok) objects.get(kind)?.set(key, { version, event: read.event });
  }
  return objects;
}

/** @returns undefined, logged unless there is none, for what is no snapshot of this owner */
export async function readSnapshot(
  file: string,
  owner: SnapshotOwner,
  log: Log,
): Promise<Objects | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const isAbsent = isErrno(error, 'ENOENT');
    if (!isAbsent) log.warn({ file }, `cannot read ${file}: ${messageOf(error)}`);
    return undefined;
  }
  const lastLine = text.trimEnd().lastIndexOf('\n') + 1;
  const body = text.slice(0, lastLine);
  const sha256 = createHash('sha256').update(body).digest('hex');
  const [header, ...lines] = body.trimEnd().split('\n');
  if (text.slice(lastLine) !== `${JSON.stringify({ sha256 })}\n`) {
    log.warn({ file }, `${file} is damaged and not used`);
    return undefined;
  }
  if (header !== headerOf(owner)) {
    log.warn({ file }, `${file} is of another node, cluster or version and not used`);
    return undefined;
  }
  return parseObjects(lines);
}

export interface SnapshotWriter {
  /** Something changed: write soon. */
  request(): void;
  /** Write what is still to be written. */
  close(): Promise<void>;
}

/** @param collect  the objects as they are now; undefined while they are not all known */
export function createSnapshotWriter(
  write: (objects: Objects) => Promise<void>,
  collect: () => Objects | undefined,
  options: { readonly delayMs: number; readonly log: Log },
): SnapshotWriter {
  const { delayMs, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();

  const run = async (): Promise<void> => {
    const objects = collect();
    if (objects === undefined) return;
    try {
      await write(objects);
    } catch (error) {
      log.warn(`cannot write the snapshot of the cluster: ${messageOf(error)}`);
    }
  };
  const start = (): void => {
    clearTimeout(timer);
    timer = undefined;
    running = running.then(run);
  };
  return {
    request: () => {
      timer ??= setTimeout(start, delayMs);
    },
    close: async () => {
      if (timer !== undefined) start();
      await running;
    },
  };
}
