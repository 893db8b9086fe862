/** Resolvers that pods have: C libraries' own and programs'. Each says what a name comes to. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageFile } from '../../src/package-root.js';
import type { Family } from './clients.js';
import { CLUSTER_DOMAIN, DNS_VIP } from './naming.js';
import type { Command, Namespace } from './netns.js';
import { hasCommand } from './requirements.js';
import type { Site } from './site.js';

export interface Resolver {
  /** `glibc`, `dig`, ... */
  readonly name: string;
  /** Whether it makes `web.default` whole by the search list of resolv.conf; others are asked whole names. */
  readonly searches: boolean;
  /** Sorted, each once. @throws Error with what it said */
  addresses(from: Namespace, name: string, family: Family): Promise<string[]>;
}

export interface Resolvers {
  readonly here: readonly Resolver[];
  /** Names of those this machine does not have. */
  readonly missing: readonly string[];
}

type Words = (name: string, family: Family) => Command;
type Reader = (output: string) => string[];

const COMPILE_MS = 20_000;

const typeOf = (family: Family): string => (family === 4 ? 'A' : 'AAAA');

/** First words of lines, for those that print one address a line. */
const firstWords: Reader = (output) =>
  output.split('\n').flatMap((line) => line.split(/\s+/, 1).filter(Boolean));

/** busybox(1): server and answers alike are `Address: ...`; of them only the answers follow a name. */
const afterNames: Reader = (output) =>
  [...output.matchAll(/^Name:.*\nAddress(?: \d+)?: *(\S+)/gm)].map(([, address = '']) => address);

function resolver(name: string, searches: boolean, words: Words, read = firstWords): Resolver {
  return {
    name,
    searches,
    addresses: async (from, asked, family) => {
      const { status, stdout, stderr } = await from.runAsync(words(asked, family));
      const said = stderr.trim() || stdout.trim();
      if (status !== 0) throw new Error(`${name}: ${asked}: exit code ${status}: ${said}`);
      return [...new Set(read(stdout))].sort();
    },
  };
}

/** A client of the other C library, made here. @returns its path; undefined without a compiler */
function compileForMusl(site: Site): string | undefined {
  if (!hasCommand('musl-gcc')) return undefined;
  const program = join(site.folder, 'musl-getaddrinfo');
  const source = packageFile('examples/demo/getaddrinfo.c');
  const { status, stderr } = spawnSync('musl-gcc', ['-static', '-O1', '-o', program, source], {
    encoding: 'utf8',
    timeout: COMPILE_MS,
  });
  if (status !== 0) throw new Error(`musl-gcc: exit code ${String(status)}: ${stderr.trim()}`);
  return program;
}

/** @param site  whose folder gets what has to be compiled */
export function findResolvers(site: Site): Resolvers {
  const musl = compileForMusl(site);
  const here = [
    resolver('glibc', true, (name, family) => ['getent', `ahostsv${family}`, name]),
    resolver('dig', true, (name, family) => ['dig', '+search', '+short', name, typeOf(family)]),
  ];
  const optional: readonly (readonly [boolean, Resolver])[] = [
    [
      hasCommand('kdig'),
      resolver('kdig', false, (name, family) => [
        ...(['kdig', '+short', `@${DNS_VIP.ipv6}`] as const),
        ...[name, typeOf(family)],
      ]),
    ],
    [
      hasCommand('busybox'),
      resolver(
        'busybox',
        false,
        (name, family) => ['busybox', 'nslookup', `-type=${typeOf(family)}`, name],
        afterNames,
      ),
    ],
    [musl !== undefined, resolver('musl', true, (name, family) => [musl ?? '', name, `${family}`])],
  ];
  return {
    here: [...here, ...optional.filter(([isHere]) => isHere).map(([, one]) => one)],
    missing: optional.filter(([isHere]) => !isHere).map(([, { name }]) => name),
  };
}

/** Questions in one go, each asked once again at most. @returns what dig printed, trimmed */
export async function dig(from: Namespace, ...words: string[]): Promise<string> {
  const { stdout } = await from.runAsync(['dig', '+tries=2', '+time=2', ...words]);
  return stdout.trim();
}

/** `web` as a service of the default namespace is called in full. */
export function fullName(name: string): string {
  return `${name}.default.svc.${CLUSTER_DOMAIN}`;
}
