/**
 * `hosts`: addresses of names, and names of addresses, from a file and from the Corefile.
 *
 *     hosts [FILE [ZONES...]] {
 *         ADDRESS NAME...
 *         ttl SECONDS
 *         no_reverse
 *         reload DURATION
 *         fallthrough [ZONES...]
 *         fallthrough_unsupported
 *     }
 *
 * There is no SOA to deny a name with, so a name that is not there is SERVFAIL without `fallthrough`,
 * and one that is there has an empty answer for other types.
 *
 * Spec  CoreDNS 1.14.7, plugin/hosts
 */
import { resolve } from 'node:path';
import { canonicalAddress } from '../../../addr.js';
import { messageOf } from '../../../errors.js';
import { argumentsOf } from '../../corefile/arguments.js';
import type { Arguments } from '../../corefile/arguments.js';
import { needDuration, needInteger } from '../../corefile/values.js';
import type { Setup, SetupContext } from '../../chain/setup.js';
import type { Directive } from '../../corefile/corefile.js';
import type { Claims, Query, WireName } from '../../plugin.js';
import { Rcode, RecordClass, RecordType } from '../../wire/header.js';
import { internetRecord, replyWith } from '../reply.js';
import { every, watchFile } from '../watched-file.js';
import { claimBelow, isInZones, readFallthrough, readZones } from '../zones.js';
import { createHostsTable } from './hosts-table.js';
import type { HostsTable } from './hosts-table.js';

const DEFAULT_FILE = '/etc/hosts';
const DEFAULT_TTL_SEC = 3600;
const TTL_MAX = 65_535;
const DEFAULT_RELOAD_MS = 5000;
/** More names than that are not claimed one by one, but with the zones they are in. */
const CLAIMED_NAMES_MAX = 10_000;

interface Options {
  file: string;
  zones: readonly WireName[];
  ttl: number;
  hasPointers: boolean;
  reloadMs: number;
  fallthrough: readonly WireName[] | undefined;
  isUnsupportedPassed: boolean;
  readonly inline: string[];
}

function readLine(line: Arguments, options: Options): void {
  if (canonicalAddress(line.name.replace(/%.*$/, '')) !== undefined) {
    options.inline.push(`${line.name} ${[...line.rest()].map(({ text }) => text).join(' ')}`);
  } else if (line.name === 'ttl') {
    options.ttl = needInteger(line, 'a TTL', { min: 1, max: TTL_MAX });
  } else if (line.name === 'no_reverse') options.hasPointers = false;
  else if (line.name === 'reload') options.reloadMs = needDuration(line, 'a period');
  else if (line.name === 'fallthrough') options.fallthrough = readFallthrough(line);
  else if (line.name === 'fallthrough_unsupported') options.isUnsupportedPassed = true;
  else line.unknown();
  line.end();
}

function readOptions(directive: Directive, context: SetupContext): Options {
  const args = argumentsOf(directive);
  const file = resolve(context.folder, args.next() ?? DEFAULT_FILE);
  const options: Options = {
    file,
    zones: readZones(args, context.zones),
    ttl: DEFAULT_TTL_SEC,
    hasPointers: true,
    reloadMs: DEFAULT_RELOAD_MS,
    fallthrough: undefined,
    isUnsupportedPassed: false,
    inline: [],
  };
  for (const line of args.lines()) readLine(line, options);
  args.end();
  if (options.isUnsupportedPassed && options.fallthrough === undefined) {
    args.fail('fallthrough_unsupported needs fallthrough beside it');
  }
  return options;
}

/**
 * Names to act on: those there are and, where a miss is not passed on, whole zones.
 */
function claimsOf(table: HostsTable, options: Options): Claims {
  const { zones, fallthrough = [] } = options;
  const isPassed = zones.every((zone) => isInZones(zone, fallthrough));
  const isMany = table.owners.length > CLAIMED_NAMES_MAX;
  const owners = isPassed && !isMany ? table.owners : zones;
  return claimBelow([...owners, ...table.reverseOwners.slice(0, CLAIMED_NAMES_MAX)]);
}

export const setUpHosts: Setup = (directives, context) => {
  const [directive] = directives;
  if (directive === undefined) return undefined;
  const options = readOptions(directive, context);
  const { zones, ttl, fallthrough, inline } = options;
  const { log, metrics } = context;
  const file = watchFile(options.file);
  let table = createHostsTable(inline, options);
  let claims = claimsOf(table, options);
  let complaint = '';

  const look = (): boolean => {
    let text: string | undefined;
    try {
      text = file.changed();
      complaint = '';
    } catch (error) {
      // What was read before stays in use; said once, not at every look.
      if (messageOf(error) !== complaint) log.warn({ file: options.file }, messageOf(error));
      complaint = messageOf(error);
    }
    if (text === undefined) return false;
    table = createHostsTable([text, ...inline], options);
    claims = claimsOf(table, options);
    metrics.set('coredns_hosts_entries', table.entryCount);
    metrics.set('coredns_hosts_reload_timestamp_seconds', Date.now() / 1000);
    return true;
  };
  look();
  const looking = every(options.reloadMs, () => {
    if (look()) context.claimsChanged();
  });

  const answer = ({ name, type }: Query): Uint8Array[] | 'next' | 'failure' => {
    const isZone = isInZones(name, zones);
    if (type === RecordType.PTR) {
      const pointers = table.findPointers(name);
      return pointers.length === 0 ? 'next' : [...pointers];
    }
    if (!isZone) return 'next';
    const isPassed = fallthrough !== undefined && isInZones(name, fallthrough);
    const host = table.find(name);
    if (host === undefined) return isPassed ? 'next' : 'failure';
    if (type === RecordType.A) return [...host.a];
    if (type === RecordType.AAAA) return [...host.aaaa];
    return isPassed && options.isUnsupportedPassed ? 'next' : [];
  };

  return {
    name: 'hosts',
    get claims() {
      return claims;
    },
    handle: async (query, next) => {
      const found = query.class === RecordClass.IN ? answer(query) : 'next';
      if (found === 'next') return next(query);
      if (found === 'failure') return replyWith('hosts', query, { rcode: Rcode.SERVFAIL });
      return replyWith('hosts', query, {
        isAuthoritative: true,
        answer: found.map((rdata) => internetRecord(query.name, query.type, ttl, rdata)),
      });
    },
    close: () => {
      looking.stop();
      return Promise.resolve();
    },
  };
};
