/**
 * Addresses out of blocks: the node's own ones first, then a new one, then somebody else's.
 *
 * Claiming is creating the block: of two nodes that want it one is told that it exists. Nothing
 * else has to be written before or after.
 */
import { createHash } from 'node:crypto';
import { contains, formatAddress, formatCidr } from '../../addr.js';
import type { Address } from '../../addr.js';
import { IpamError } from '../ipam.js';
import type { StoreKey } from '../store/store.js';
import {
  addressAt,
  blockKey,
  blocksFrom,
  covers,
  ordinalOf,
  overlaps,
  prefixAt,
} from './block-cidr.js';
import { assignAny, assignExact, availableIn, newBlock } from './block.js';
import type { AssignRules, Block, Claimant } from './block.js';
import type { BlockTable } from './block-table.js';
import type { Pool } from './pool.js';

/** An address that was given out, and in which block. */
export interface Given {
  readonly key: StoreKey;
  readonly address: Address;
}

export interface SupplyOptions {
  readonly table: BlockTable;
  readonly nodeName: string;
  /** Take from own blocks only. */
  readonly strictAffinity: boolean;
  /** Blocks of one family that this node claims by itself. */
  readonly maxBlocks: number;
  readonly rules: () => AssignRules;
}

/** Somebody who wants an address, and the blocks that have given one or may have. */
export interface Attempt {
  readonly claimant: Claimant;
  readonly tried: Set<StoreKey>;
}

/** Turns of claiming and trying, and races for new blocks that may be lost. */
const TURNS_MAX = 100;
/** Places in a pool that are looked at for a block: a /8 in blocks of 64. */
const WALK_MAX = 1 << 18;

interface Growth {
  /** Own blocks may have room now. */
  readonly hasGrown: boolean;
  readonly blocks: readonly Block[];
}

const inPool = (pool: Pool, block: Block): boolean => covers(pool.cidr, block.cidr);

export function createSupply(options: SupplyOptions) {
  const { table, nodeName, strictAffinity, maxBlocks, rules } = options;
  const growing = new Map<string, Promise<Growth>>();

  const ownBlocks = () => [...table.known.values()].filter(({ block }) => block.node === nodeName);

  const take = async (key: StoreKey, { claimant, tried }: Attempt): Promise<Given | undefined> => {
    tried.add(key);
    const address = await table.edit<Address | undefined>(key, (block) => {
      const assigned = block && assignAny(block, claimant, rules());
      if (assigned === undefined) return { block, result: undefined };
      return { block: assigned.block, result: addressAt(assigned.block.cidr, assigned.at) };
    });
    if (address !== undefined) return { key, address };
    tried.delete(key);
    return undefined;
  };

  /** From the blocks this node has, in the order of the pools. */
  const fromOwn = async (pools: readonly Pool[], attempt: Attempt) => {
    for (const pool of pools) {
      for (const { block, isStale } of ownBlocks()) {
        if (!inPool(pool, block)) continue;
        if (!isStale && availableIn(block, rules()).length === 0) continue;
        const given = await take(blockKey(block.cidr), attempt);
        if (given !== undefined) return given;
      }
    }
    return undefined;
  };

  /** Claim the first block of a pool that nobody has. @returns false when there is none */
  const claimIn = async (pool: Pool, blocks: readonly Block[]): Promise<boolean> => {
    const inside = blocks.filter((block) => overlaps(pool.cidr, block.cidr));
    const taken = new Set(inside.map(({ cidr }) => blockKey(cidr)));
    const odd = inside.filter(({ cidr }) => cidr.prefixLen !== pool.blockSize);
    let lost = 0;
    let walked = 0;
    for (const cidr of blocksFrom(pool.cidr, pool.blockSize, nodeName)) {
      if (++walked > WALK_MAX || lost > TURNS_MAX) return false;
      const isTaken = taken.has(blockKey(cidr)) || odd.some((other) => overlaps(other.cidr, cidr));
      if (isTaken) continue;
      const block = newBlock(cidr, nodeName, rules().nowMs);
      if (availableIn(block, rules()).length === 0) continue;
      if (await table.create(block)) return true;
      lost++;
    }
    return false;
  };
  const grow = async (pools: readonly Pool[]): Promise<Growth> => {
    const blocks = await table.readAll();
    const family = pools[0]?.cidr.family;
    const own = blocks.filter(({ node, cidr }) => node === nodeName && cidr.family === family);
    const hasRoom = own.some(
      (block) =>
        pools.some((pool) => inPool(pool, block)) && availableIn(block, rules()).length > 0,
    );
    if (hasRoom) return { hasGrown: true, blocks };
    if (own.length >= maxBlocks) return { hasGrown: false, blocks };
    for (const pool of pools) if (await claimIn(pool, blocks)) return { hasGrown: true, blocks };
    return { hasGrown: false, blocks };
  };
  /** All that need room at the same time get one block. */
  const growOnce = (pools: readonly Pool[]): Promise<Growth> => {
    const key = pools.map(({ name }) => name).join(' ');
    const started = growing.get(key);
    if (started !== undefined) return started;
    const growth = grow(pools).finally(() => growing.delete(key));
    growing.set(key, growth);
    return growth;
  };

  /** Borrowers start at different places, or they would all meet in the first block. */
  const borrow = async (
    pools: readonly Pool[],
    blocks: readonly Block[],
    attempt: Attempt,
  ): Promise<Given | undefined> => {
    const lenders = blocks.filter(
      (block) =>
        block.node !== nodeName &&
        pools.some((pool) => inPool(pool, block)) &&
        availableIn(block, rules()).length > 0,
    );
    const start = createHash('sha256').update(nodeName).digest().readUInt32BE();
    for (let i = 0; i < lenders.length; i++) {
      const lender = lenders[(start + i) % lenders.length];
      const given = lender && (await take(blockKey(lender.cidr), attempt));
      if (given !== undefined) return given;
    }
    return undefined;
  };

  /** @throws IpamError exhausted, unavailable, invalid */
  const any = async (pools: readonly Pool[], attempt: Attempt): Promise<Given> => {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const own = await fromOwn(pools, attempt);
      if (own !== undefined) return own;
      const { hasGrown, blocks } = await growOnce(pools);
      if (hasGrown) continue;
      const borrowed = strictAffinity ? undefined : await borrow(pools, blocks, attempt);
      if (borrowed !== undefined) return borrowed;
      break;
    }
    const names = pools.map(({ name, cidr }) => `${name} (${formatCidr(cidr)})`).join(', ');
    const why = strictAffinity ? `, and ${nodeName} does not borrow: strictAffinity` : '';
    throw new IpamError('exhausted', `no address is free in ${names}${why}`);
  };

  type Verdict = 'given' | 'taken' | 'foreign' | 'missing';
  const askFor = async (key: StoreKey, address: Address, attempt: Attempt): Promise<Verdict> => {
    const { claimant, tried } = attempt;
    tried.add(key);
    const verdict = await table.edit<Verdict>(key, (block) => {
      if (block === undefined) return { block, result: 'missing' };
      if (strictAffinity && block.node !== nodeName) return { block, result: 'foreign' };
      const assigned = assignExact(block, ordinalOf(block.cidr, address), [claimant, rules()]);
      return { block: assigned?.block ?? block, result: assigned ? 'given' : 'taken' };
    });
    if (verdict !== 'given') tried.delete(key);
    return verdict;
  };

  /** One address and no other. @throws IpamError taken, outside, unavailable, invalid */
  const exact = async (
    pools: readonly Pool[],
    address: Address,
    attempt: Attempt,
  ): Promise<Given> => {
    const text = formatAddress(address);
    const pool = pools.find(({ cidr }) => contains(cidr, address));
    if (pool === undefined)
      throw new IpamError('outside', `${text} is in no pool that may be used`);
    const cidr = prefixAt(address, pool.blockSize);
    const key = blockKey(cidr);
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const verdict = await askFor(key, address, attempt);
      if (verdict === 'given') return { key, address };
      if (verdict === 'taken') throw new IpamError('taken', `${text} belongs to somebody`);
      if (verdict === 'foreign') {
        const what = `${text} is in a block of another node, and strictAffinity is set`;
        throw new IpamError('outside', what);
      }
      await table.create(newBlock(cidr, nodeName, rules().nowMs));
    }
    throw new IpamError('unavailable', `${formatCidr(cidr)} comes and goes`);
  };

  return { any, exact };
}

export type Supply = ReturnType<typeof createSupply>;
