/**
 * Lines of a hosts file, and the names and addresses they stand for.
 *
 * Spec  hosts(5); CoreDNS, plugin/hosts
 */
import { canonicalAddress } from '../../../addr.js';
import type { Address } from '../../../addr.js';
import type { WireName } from '../../plugin.js';
import { isWithin, nameKey, parseName } from '../../wire/name.js';
import { reverseName } from './reverse-name.js';

/** What is known of one name. */
export interface Host {
  readonly name: WireName;
  /** 4 bytes each. */
  readonly a: readonly Uint8Array[];
  /** 16 bytes each. */
  readonly aaaa: readonly Uint8Array[];
}

export interface HostsTable {
  /** Also of a name that a `*` in front stands for; never of one below that. */
  find(name: WireName): Host | undefined;
  /** Names of the address in a reverse name. */
  findPointers(name: WireName): readonly WireName[];
  /** Names, without the label `*` of those that have it. */
  readonly owners: readonly WireName[];
  readonly reverseOwners: readonly WireName[];
  /** Pairs of a name and an address, in both directions: what CoreDNS counts. */
  readonly entryCount: number;
}

export interface TableOptions {
  /** Names outside of them are left out. */
  readonly zones: readonly WireName[];
  readonly hasPointers: boolean;
}

const STAR = Uint8Array.of(1, 0x2a);

interface Draft {
  readonly name: WireName;
  readonly a: Uint8Array[];
  readonly aaaa: Uint8Array[];
}

function isWildcard(name: WireName): boolean {
  return name[0] === STAR[0] && name[1] === STAR[1];
}

function includesBytes(list: readonly Uint8Array[], bytes: Uint8Array): boolean {
  return list.some((each) => Buffer.compare(each, bytes) === 0);
}

/** A name of a line; what is no name is passed over, as the system does it. */
function readHostName(text: string): WireName | undefined {
  try {
    return parseName(text.toLowerCase());
  } catch {
    return undefined;
  }
}

function readLine(line: string): { address: Address; names: WireName[] } | undefined {
  const [first = '', ...words] = line.replace(/#.*$/, '').trim().split(/\s+/);
  // An IPv6 address may name its link: fe80::1%lo0.
  const address = canonicalAddress(first.replace(/%.*$/, ''));
  if (address === undefined) return undefined;
  return { address, names: words.flatMap((word) => readHostName(word) ?? []) };
}

/** @param texts  of the file and of the Corefile: their lines add up */
export function createHostsTable(texts: readonly string[], options: TableOptions): HostsTable {
  const hosts = new Map<string, Draft>();
  const pointers = new Map<string, { name: WireName; targets: WireName[] }>();
  let entryCount = 0;

  const addHost = (name: WireName, { family, bytes }: Address): boolean => {
    const key = nameKey(name);
    const host = hosts.get(key) ?? { name, a: [], aaaa: [] };
    hosts.set(key, host);
    const list = family === 4 ? host.a : host.aaaa;
    const octets = family === 4 ? bytes.subarray(12) : bytes;
    if (includesBytes(list, octets)) return false;
    list.push(octets);
    return true;
  };
  const addPointer = (target: WireName, address: Address): void => {
    const name = reverseName(address);
    const key = nameKey(name);
    const pointer = pointers.get(key) ?? { name, targets: [] };
    pointers.set(key, pointer);
    if (!includesBytes(pointer.targets, target)) pointer.targets.push(target);
  };

  for (const line of texts.flatMap((text) => text.split('\n'))) {
    const { address, names } = readLine(line) ?? { names: [] };
    if (address === undefined) continue;
    for (const name of names) {
      if (!options.zones.some((zone) => isWithin(name, zone))) continue;
      if (!addHost(name, address)) continue;
      entryCount++;
      if (!options.hasPointers || isWildcard(name)) continue;
      addPointer(name, address);
      entryCount++;
    }
  }

  return {
    find: (name) => {
      const exact = hosts.get(nameKey(name));
      if (exact !== undefined || name.length === 1) return exact;
      const parent = name.subarray((name[0] ?? 0) + 1);
      return hosts.get(nameKey(Uint8Array.of(...STAR, ...parent)));
    },
    findPointers: (name) => pointers.get(nameKey(name))?.targets ?? [],
    owners: Array.from(hosts.values(), ({ name }) =>
      isWildcard(name) ? name.subarray(STAR.length) : name,
    ),
    reverseOwners: Array.from(pointers.values(), ({ name }) => name),
    entryCount,
  };
}
