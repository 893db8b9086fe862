/**
 * The objects of a folder of manifests: contents of files in, changes of objects out. No I/O.
 *
 * An object that cannot be used is named in one log line per content of its file; what it said
 * before goes on, and the other objects of the file count. A file with such an object takes nothing
 * back: a name that is misspelt would delete. Nor does one that is no YAML at all. An object that
 * two files hold is taken from the file whose name sorts first.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { byText, objectKey } from '../model/keys.js';
import type { DeleteEvent, PutEvent } from '../model/events.js';
import { formatFinding } from '../validate.js';
import { createCounters } from './counters.js';
import type { Counters } from './counters.js';
import { readManifests } from './manifests.js';
import type { BadObject } from './manifests.js';

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

/** What reading a file came to. */
interface FileObjects {
  readonly objects: ReadonlyMap<string, PutEvent>;
  readonly isWhole: boolean;
}

/** The identity of an object among all files. */
function objectId(event: PutEvent): string {
  return `${event.kind} ${objectKey(event.object.metadata)}`;
}

export function createFolder(log: Log, counters: Counters = createCounters()): Folder {
  const files = new Map<string, FileState>();
  const published = new Map<string, Published>();
  /** Files that hold an object another file has already, as logged. */
  let shadowed = new Set<string>();

  const complain = ({ name, findings }: BadObject, isKept: boolean): void => {
    const [first] = findings;
    if (first === undefined) return;
    counters.malformed++;
    const more = findings.length > 1 ? ` (and ${findings.length - 1} more)` : '';
    const outcome = isKept ? 'what it said before stays in force' : 'left out';
    log.error({ object: name, ...first }, `${name}: ${formatFinding(first)}${more}; ${outcome}`);
  };

  /** Objects of a file, by identity; what is bad is logged. */
  const readObjects = (file: string, text: string, known: FileState | undefined): FileObjects => {
    try {
      const { events, bad } = readManifests(text, file);
      for (const one of bad) complain(one, known?.objects.has(one.name) === true);
      const objects = new Map(events.map((event) => [objectId(event), event]));
      return { objects, isWhole: bad.length === 0 };
    } catch (cause) {
      counters.malformed++;
      log.error({ file }, `${messageOf(cause)}; ${KEPT}`);
      return { objects: new Map(), isWhole: false };
    }
  };

  const refreshFile = (file: string, text: string): void => {
    const digest = createHash('sha256').update(text).digest('base64');
    const known = files.get(file);
    if (known?.digest === digest) return;
    const { objects, isWhole } = readObjects(file, text, known);
    const kept = isWhole ? [] : (known?.objects ?? []);
    files.set(file, { digest, objects: new Map([...kept, ...objects]) });
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
