/**
 * `file`: zones from master files.
 *
 *     file DBFILE [ZONES...] {
 *         reload DURATION
 *         fallthrough [ZONES...]
 *     }
 *
 * A file that is changed is read again; while it is wrong, what was read before is served. A file
 * that is not there at the start is waited for, and its zones fail until then.
 *
 * Spec  CoreDNS 1.14.7, plugin/file, without transfers
 */
import { readFileSync } from 'node:fs';
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
import { nameKey } from '../../wire/name.js';
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

function readZone(text: string, file: string, origin: WireName): Zone {
  const include = (path: string): string => readFileSync(resolve(dirname(file), path), 'utf8');
  return createZone(parseMasterFile(text, { file, origin, ttl: DEFAULT_TTL_SEC, include }), origin);
}

/** Read what has changed. @throws whatever is wrong with the file; zones stay as they were */
function refresh(served: readonly Served[], file: WatchedFile): void {
  const text = file.changed();
  if (text === undefined) return;
  const zones = served.map(({ source }, i) => {
    return readZone(text, source.file, source.origins[i] ?? new Uint8Array());
  });
  served.forEach((each, i) => (each.zone = zones[i]));
}

/** Serve a source, from now on; @returns how to stop reading it again */
function open(source: Source, served: readonly Served[], { log }: SetupContext): { stop(): void } {
  const file = watchFile(source.file);
  let complaint = '';
  const look = (): void => {
    try {
      refresh(served, file);
      complaint = '';
    } catch (error) {
      if (messageOf(error) !== complaint) log.warn({ file: source.file }, messageOf(error));
      complaint = messageOf(error);
    }
  };
  try {
    refresh(served, file);
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
    return replyWith('file', query, parts);
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
