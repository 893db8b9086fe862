/** Managers on a store, with a clock and a dice of their own. */
import { formatAddress, parseAddress, parseCidr } from '../../../src/addr.js';
import { createBlockIpam } from '../../../src/ipam/blocks/block-ipam.js';
import type { BlockIpamOptions } from '../../../src/ipam/blocks/block-ipam.js';
import { IpamError } from '../../../src/ipam/ipam.js';
import type { AddressRequest, IpamErrorKind, Ipam, Owner } from '../../../src/ipam/ipam.js';
import type { Store } from '../../../src/ipam/store/store.js';
import { createMemoryStore } from '../store/memory.js';

/** mulberry32. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const owner = (containerId: string, ifname = 'eth0', network = 'net'): Owner => ({
  network,
  containerId,
  ifname,
});

type Wish = Partial<Omit<AddressRequest, 'requested' | 'owner'>> & {
  readonly requested?: readonly string[];
  readonly namespace?: string;
};

export function request(id: string | Owner, wish: Wish = {}): AddressRequest {
  const { requested = [], namespace, ...rest } = wish;
  return {
    owner: typeof id === 'string' ? owner(id) : id,
    pod: namespace === undefined ? undefined : { namespace, name: 'web', uid: undefined },
    rangeSets: [],
    pools: [],
    ...rest,
    requested: requested.map(parseAddress),
  };
}

/** Addresses as text. */
export async function acquire(ipam: Ipam, id: string | Owner, wish?: Wish): Promise<string[]> {
  return (await ipam.acquire(request(id, wish))).map(formatAddress);
}

export async function release(ipam: Ipam, id: string | Owner): Promise<string[]> {
  return (await ipam.release(typeof id === 'string' ? owner(id) : id)).map(formatAddress).sort();
}

export async function errorOf(run: Promise<unknown>): Promise<IpamErrorKind | 'fine'> {
  try {
    await run;
    return 'fine';
  } catch (cause) {
    if (cause instanceof IpamError) return cause.kind;
    throw cause;
  }
}

export const within = (cidr: string, address: string | undefined): boolean => {
  const { prefixLen, bytes, family } = parseCidr(cidr);
  const bits = (of: Uint8Array) =>
    [...of.subarray(family === 4 ? 12 : 0)].map((b) => b.toString(2).padStart(8, '0')).join('');
  const other = parseAddress(address ?? '::');
  return (
    other.family === family &&
    bits(other.bytes).slice(0, prefixLen) === bits(bytes).slice(0, prefixLen)
  );
};

export type PoolSpec = Record<string, unknown> & { readonly cidr: string };

export async function putPools(store: Store, pools: Record<string, PoolSpec>): Promise<void> {
  for (const [name, spec] of Object.entries(pools)) await store.create(`pools/${name}`, spec);
}

type Given = Partial<Omit<BlockIpamOptions, 'store'>>;

/** A store in memory with pools, and managers on it by node name. */
export async function cluster(pools: Record<string, PoolSpec>, given: Given = {}) {
  const memory = createMemoryStore();
  const { store } = memory;
  await putPools(store, pools);
  const clock = { ms: Date.UTC(2026, 0, 1) };
  const node = (nodeName: string, more: Given = {}) =>
    createBlockIpam({
      store,
      nodeName,
      nodeLabels: () => ({ 'kubernetes.io/hostname': nodeName }),
      namespaceLabels: () => ({}),
      nowMs: () => clock.ms,
      random: dice(1),
      pause: () => Promise.resolve(),
      ...given,
      ...more,
    });
  return { ...memory, clock, node };
}

/** Names of the blocks in a store. */
export const blockNames = (entries: ReadonlyMap<string, unknown>): string[] =>
  [...entries.keys()].filter((key) => key.startsWith('blocks/')).sort();
