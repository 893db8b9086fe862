/**
 * The objects of a folder of manifests: contents of files in, changes of objects out. No I/O.
 *
 * Each file is good or bad as a whole. A bad one is named in one log line per content, and what
 * it last said when it was good goes on. An object that two files hold is taken from the file
 * whose name sorts first.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { byText, objectKey } from '../model/keys.js';
import type { DeleteEvent, PutEvent } from '../model/events.js';
import { formatFinding } from '../validate.js';
import type { Finding } from '../validate.js';
import { readManifests } from './manifests.js';

/** Contents by path; undefined for a file that is there but could not be read. */
export type Contents = ReadonlyMap<string, string | undefined>;

export interface Folder {
  /** @returns what has changed since the last call, in the order of the objects' names */
  refresh(contents: Contents): (PutEvent | DeleteEvent)[];
}

interface FileState {
  readonly digest: string;
  readonly objects: ReadonlyMap<string, PutEvent>;
}

interface Published {
  readonly event: PutEvent;
  readonly json: string;
}

const KEPT = "the file's last good objects stay in force";

/** The identity of an object among all files. */
function objectId(event: PutEvent): string {
  return `${event.kind} ${objectKey(event.object.metadata)}`;
}

function logFindings(log: Log, findings: readonly Finding[]): void {
  const [first] = findings;
  if (first === undefined) return;
  const more = findings.length > 1 ? ` (and ${findings.length - 1} more)` : '';
  log.error(first, `${formatFinding(first)}${more}; ${KEPT}`);
}

/** Objects of a file, by identity; undefined, logged, when the file is bad. */
function readFileObjects(log: Log, file: string, text: string): Map<string, PutEvent> | undefined {
  try {
    const checked = readManifests(text, file);
    if (checked.ok) return new Map(checked.value.map((event) => [objectId(event), event]));
    logFindings(log, checked.findings);
  } catch (cause) {
    log.error({ file }, `${messageOf(cause)}; ${KEPT}`);
  }
  return undefined;
}

export function createFolder(log: Log): Folder {
  const files = new Map<string, FileState>();
  const published = new Map<string, Published>();
  /** Files that hold an object another file has already, as logged. */
  let shadowed = new Set<string>();

  const refreshFile = (file: string, text: string): void => {
    const digest = createHash('sha256').update(text).digest('base64');
    const known = files.get(file);
    if (known?.digest === digest) return;
    const objects = readFileObjects(log, file, text) ?? known?.objects ?? new Map();
    files.set(file, { digest, objects });
  };

  /** All objects, each from the first file that has it. */
  const merge = (): Map<string, PutEvent> => {
    const merged = new Map<string, PutEvent>();
    const doubles = new Set<string>();
    for (const [file, { objects }] of [...files].sort(([a], [b]) => byText(a, b))) {
      for (const [id, event] of objects) {
        if (!merged.has(id)) merged.set(id, event);
        else doubles.add(`${id} in ${file}`);
      }
    }
    for (const double of doubles) {
      if (!shadowed.has(double)) log.warn(`${double} is left out: another file has it already`);
    }
    shadowed = doubles;
    return merged;
  };

  const publish = (id: string, event: PutEvent): PutEvent[] => {
    const json = JSON.stringify(event.object);
    if (published.get(id)?.json === json) return [];
    published.set(id, { event, json });
    return [event];
  };

  const withdraw = (id: string, { event }: Published): DeleteEvent => {
    published.delete(id);
    return { type: 'delete', kind: event.kind, key: objectKey(event.object.metadata) };
  };

  return {
    refresh: (contents) => {
      for (const file of files.keys()) if (!contents.has(file)) files.delete(file);
      for (const [file, text] of contents) if (text !== undefined) refreshFile(file, text);
      const merged = merge();
      const ids = [...merged.keys()].sort(byText);
      const puts = ids.flatMap((id) => {
        const event = merged.get(id);
        return event ? publish(id, event) : [];
      });
      const gone = [...published].filter(([id]) => !merged.has(id));
      return [...puts, ...gone.map(([id, known]) => withdraw(id, known))];
    },
  };
}
