/** Where blocks lie in a pool, and addresses in a block. */
import { createHash } from 'node:crypto';
import { contains, formatAddress } from '../../addr.js';
import type { Address, Cidr } from '../../addr.js';
import { addressOf, hostBits, numberOf } from '../number.js';
import type { StoreKey } from '../store/store.js';

/** How many addresses a prefix has. */
export function sizeOf(cidr: Cidr): bigint {
  return 1n << BigInt(hostBits(cidr));
}

export function addressAt(cidr: Cidr, ordinal: number): Address {
  return addressOf(numberOf(cidr) + BigInt(ordinal));
}

/** Place of an address in a block that contains it. */
export function ordinalOf(block: Cidr, address: Address): number {
  return Number(numberOf(address) - numberOf(block));
}

/** The prefix of a length that an address lies in. */
export function prefixAt(address: Address, prefixLen: number): Cidr {
  const spare = BigInt((address.family === 4 ? 32 : 128) - prefixLen);
  const start = (numberOf(address) >> spare) << spare;
  return { ...addressOf(start), prefixLen };
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.prefixLen < b.prefixLen ? contains(a, b) : contains(b, a);
}

/** Whether all of `inner` lies in `outer`. */
export function covers(outer: Cidr, inner: Cidr): boolean {
  return outer.prefixLen <= inner.prefixLen && contains(outer, inner);
}

/**
 * `blocks/10.0.0.0-26`, `blocks/fd00--40-122`: a name that Kubernetes takes, so ":" is "-" and
 * nothing starts with one.
 */
export function blockKey(cidr: Cidr): StoreKey {
  const text = formatAddress(cidr).replaceAll(':', '-');
  return `blocks/${text.startsWith('-') ? '0' : ''}${text}-${cidr.prefixLen}`;
}

/**
 * A pool's blocks from a place on that depends on the node only, once around: nodes that claim at
 * the same time mostly claim different ones, and a node comes back to its own.
 */
export function* blocksFrom(pool: Cidr, blockSize: number, nodeName: string): Generator<Cidr> {
  const total = 1n << BigInt(blockSize - pool.prefixLen);
  const digest = createHash('sha256').update(nodeName).digest();
  const start = digest.readBigUInt64BE() % total;
  const shift = BigInt((pool.family === 4 ? 32 : 128) - blockSize);
  for (let i = 0n; i < total; i++) {
    const at = numberOf(pool) + (((start + i) % total) << shift);
    yield { ...addressOf(at), prefixLen: blockSize };
  }
}
