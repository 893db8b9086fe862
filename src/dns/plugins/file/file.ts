/**
 * `file`: zones from master files.
 *
 *     file DBFILE [ZONES...] {
 *         reload DURATION
 *         fallthrough [ZONES...]
 *     }
 *
 * A file that is changed, or one that it includes, is read again; while it is wrong, what was read
 * before is served. A file that is not there at the start is waited for, and its zones fail until then.
 *
 * Spec  CoreDNS 1.14.7, plugin/file, without transfers
 */
import { dirname, resolve } from 'node:path';
import { messageOf } from '../../../errors.js';
import type { Setup, SetupContext } from '../../chain/setup.js';
import { argumentsOf } from '../../corefile/arguments.js';
import { failAt } from '../../corefile/complaint.js';
import type { Directive } from '../../corefile/corefile.js';
import { needDuration } from '../../corefile/values.js';
import { decodeMessage } from '../../message/decode.js';
import { parseMasterFile } from '../../message/master-file.js';
import type { Query, Reply, WireName } from '../../plugin.js';
import { Rcode, RecordClass } from '../../wire/header.js';
import { formatName, nameKey } from '../../wire/name.js';
import { askAgain } from '../ask-again.js';
import { changeQuery, replyFailure, replyWith } from '../reply.js';
import { every, watchFile } from '../watched-file.js';
import type { WatchedFile } from '../watched-file.js';
import { isInZones, readFallthrough, readZones, zoneOf } from '../zones.js';
import { createZone } from './zone.js';
import type { Zone, ZoneAnswer } from './zone.js';

const DEFAULT_RELOAD_MS = 60_000;
/** Of records before any TTL is said: what CoreDNS takes. */
const DEFAULT_TTL_SEC = 3600;

/** One directive: a file, and the zones that are made of it. */
interface Source {
  readonly file: string;
  readonly origins: readonly WireName[];
  reloadMs: number;
  fallthrough: readonly WireName[];
}

interface Served {
  readonly source: Source;
  /** undefined: the file could not be read yet. */
  zone: Zone | undefined;
}

function readSource(directive: Directive, context: SetupContext): Source {
  const args = argumentsOf(directive);
  const file = resolve(context.folder, args.need('a file'));
  const origins = readZones(args, context.zones);
  const source: Source = { file, origins, reloadMs: DEFAULT_RELOAD_MS, fallthrough: [] };
  for (const line of args.lines()) {
    if (line.name === 'reload') source.reloadMs = needDuration(line, 'a period');
    else if (line.name === 'fallthrough') source.fallthrough = readFallthrough(line);
    else line.unknown();
    line.end();
  }
  args.end();
  return source;
}

/** The text of a file. @throws DataplaneError ERR_CONFIG or the error of the system */
type ReadText = (path: string) => string;

/** The files of a zone: its own, and those that it includes. */
interface ZoneFiles {
  /** Whether any of them has another text than when they were read, or may have. */
  isChanged(): boolean;
  /** Read them anew, each once. */
  reader(): ReadText;
}

function watchFiles(): ZoneFiles {
  let watched: WatchedFile[] = [];
  const isOther = (file: WatchedFile): boolean => {
    try {
      return file.changed() !== undefined;
    } catch {
      // Whoever reads it again says what is wrong with it.
      return true;
    }
  };
  return {
    isChanged: () => watched.length === 0 || watched.some(isOther),
    reader: () => {
      const texts = new Map<string, string>();
      const files: WatchedFile[] = [];
      watched = files;
      return (path) => {
        const known = texts.get(path);
        if (known !== undefined) return known;
        const file = watchFile(path);
        files.push(file);
        const text = file.changed() ?? '';
        texts.set(path, text);
        return text;
      };
    },
  };
}

function readZone({ file }: Source, origin: WireName, read: ReadText): Zone {
  const include = (path: string, from: string) => {
    const included = resolve(dirname(from), path);
    return { file: included, text: read(included) };
  };
  const options = { file, origin, ttl: DEFAULT_TTL_SEC, include };
  return createZone(parseMasterFile(read(file), options), origin);
}

/** Read what has changed. @throws whatever is wrong with a file; zones stay as they were */
function refresh(served: readonly Served[], files: ZoneFiles): void {
  if (!files.isChanged()) return;
  const read = files.reader();
  const zones = served.map(({ source }, i) =>
    readZone(source, source.origins[i] ?? new Uint8Array(), read),
  );
  served.forEach((each, i) => (each.zone = zones[i]));
}

/** Serve a source, from now on; @returns how to stop reading it again */
function open(source: Source, served: readonly Served[], { log }: SetupContext): { stop(): void } {
  const files = watchFiles();
  let complaint = '';
  const look = (): void => {
    try {
      refresh(served, files);
      complaint = '';
    } catch (error) {
      if (messageOf(error) !== complaint) log.warn({ file: source.file }, messageOf(error));
      complaint = messageOf(error);
    }
  };
  try {
    refresh(served, files);
  } catch (error) {
    // A file that is missing may be on its way; one that is wrong is a mistake.
    const isMissing = (error as { code?: unknown }).code === 'ENOENT' && source.reloadMs > 0;
    if (!isMissing) throw error;
    look();
  }
  return every(source.reloadMs, look);
}

/** What is outside of the zone is asked of the server. */
async function complete(
  found: ZoneAnswer,
  query: Query,
  ask: SetupContext['ask'],
): Promise<ZoneAnswer> {
  if (found.outside === undefined) return found;
  const reply = await askAgain(ask, changeQuery(query, { name: found.outside }));
  const further = decodeMessage(reply.message);
  if (further === undefined) return found;
  const { rcode, answer, authority } = further;
  return { ...found, rcode, answer: [...found.answer, ...answer], authority };
}

export const setUpFile: Setup = (directives, context) => {
  const zones = new Map<string, Served>();
  const origins: WireName[] = [];
  const opened = directives.map((directive) => {
    const source = readSource(directive, context);
    const served = source.origins.map((): Served => ({ source, zone: undefined }));
    source.origins.forEach((origin, i) => {
      const each = served[i];
      // Of two files for a zone, the later one, as in CoreDNS.
      if (each !== undefined) zones.set(nameKey(origin), each);
      origins.push(origin);
    });
    try {
      return open(source, served, context);
    } catch (error) {
      return failAt(directive.args[0] ?? directive.name, `file: ${messageOf(error)}`);
    }
  });

  const answer = async (query: Query, served: Served): Promise<Reply | undefined> => {
    const { zone, source } = served;
    if (zone === undefined) return replyFailure('file', query, `${source.file} is not read yet`);
    const found = zone.lookUp(query.name, query.type);
    const isPassed = found.rcode === Rcode.NXDOMAIN && isInZones(query.name, source.fallthrough);
    if (isPassed) return undefined;
    const { outside: _, ...parts } = await complete(found, query, context.ask);
    const reply = replyWith('file', query, parts);
    if (found.rcode !== Rcode.SERVFAIL) return reply;
    return { ...reply, problem: `${formatName(query.name)} leads to itself by CNAMEs` };
  };

  return {
    name: 'file',
    // The zones of `kubernetes` come first.
    claims: { kind: 'none' },
    handle: async (query, next) => {
      const origin = query.class === RecordClass.IN ? zoneOf(query.name, origins) : undefined;
      const served = origin === undefined ? undefined : zones.get(nameKey(origin));
      const reply = served === undefined ? undefined : await answer(query, served);
      return reply ?? next(query);
    },
    close: () => {
      for (const each of opened) each.stop();
      return Promise.resolve();
    },
  };
};
