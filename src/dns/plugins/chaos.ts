/**
 * `chaos [VERSION] [AUTHORS...]`: what a server says of itself, in class CH.
 *
 * Spec  CoreDNS, plugin/chaos; RFC 4892 (hostname.bind, id.server)
 */
import { hostname } from 'node:os';
import { packageVersion } from '../../package-root.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Setup } from '../chain/setup.js';
import { RecordClass, RecordType } from '../wire/header.js';
import { nameKey, parseName } from '../wire/name.js';
import { replyWith } from './reply.js';
import { claimBelow } from './zones.js';

const STRING_MAX = 255;

const NAMES = {
  version: ['version.bind', 'version.server'],
  authors: ['authors.bind'],
  host: ['hostname.bind', 'id.server'],
} as const;

/** One character string (RFC 1035 3.3.14), cut to what it can hold. */
function txt(text: string): Uint8Array {
  const octets = Buffer.from(text).subarray(0, STRING_MAX);
  return Uint8Array.of(octets.length, ...octets);
}

/** In another order each time, as no author comes first (Fisher-Yates). */
function shuffled(texts: readonly string[], random: () => number): string[] {
  const left = [...texts];
  return texts.map(() => left.splice(Math.floor(random() * left.length), 1)[0] ?? '');
}

/** Who we are, unless it is configured otherwise. */
const ownVersion = `Sluice-${packageVersion()}`;

export const setUpChaos: Setup = (directives, { random }) => {
  let version = ownVersion;
  let authors: string[] = [];
  for (const directive of directives) {
    const args = argumentsOf(directive);
    version = args.next() ?? ownVersion;
    authors = args.rest().map(({ text }) => text);
    args.end();
  }
  const texts = new Map<string, () => string[]>();
  const add = (names: readonly string[], of: () => string[]): void => {
    for (const name of names) texts.set(nameKey(parseName(name)), of);
  };
  add(NAMES.version, () => [version]);
  add(NAMES.authors, () => shuffled(authors, random));
  add(NAMES.host, () => [hostname()]);
  return {
    name: 'chaos',
    claims: claimBelow(Object.values(NAMES).flatMap((names) => names.map(parseName))),
    handle: async (query, next) => {
      const isAsked = query.class === RecordClass.CH && query.type === RecordType.TXT;
      const found = isAsked ? texts.get(nameKey(query.name)) : undefined;
      if (found === undefined) return next(query);
      const { name: owner, type } = query;
      const answer = found().map((text) => {
        return { owner, type, class: RecordClass.CH, ttl: 0, rdata: txt(text) };
      });
      return replyWith('chaos', query, { answer });
    },
  };
};
