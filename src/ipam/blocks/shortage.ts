/** Whether a node could be given an address now. */
import { covers } from './block-cidr.js';
import { availableIn } from './block.js';
import type { AssignRules, Block } from './block.js';
import { choosePools } from './pool.js';
import type { Pool, PoolView } from './pool.js';
import type { Labels } from './selector.js';

export interface Situation {
  readonly view: PoolView;
  readonly nodeName: string;
  readonly nodeLabels: Labels;
  readonly rules: AssignRules;
  readonly strictAffinity: boolean;
}

/** Pools of each family that serve some namespace on this node: which one asks is not known. */
function servingPools({ view, nodeLabels }: Situation): (readonly Pool[])[] {
  const pools = view.pools.map((pool) => ({ ...pool, servesNamespace: () => true }));
  const wish = { named: [], nodeLabels, namespaceLabels: {} };
  return [...choosePools({ ...view, pools }, wish).values()];
}

const inPools = (pools: readonly Pool[], blocks: readonly Block[]): Block[] =>
  blocks.filter((block) => pools.some((pool) => covers(pool.cidr, block.cidr)));

const hasRoom = (blocks: readonly Block[], rules: AssignRules): boolean =>
  blocks.some((block) => availableIn(block, rules).length > 0);

/** Whether the blocks a node has are enough for a pod, in each family. */
export function hasOwnRoom(situation: Situation, known: readonly Block[]): boolean {
  const own = known.filter(({ node }) => node === situation.nodeName);
  const families = servingPools(situation);
  const isFine = (pools: readonly Pool[]) => hasRoom(inPools(pools, own), situation.rules);
  return families.length > 0 && families.every(isFine);
}

/**
 * Why a node could not be given addresses.
 *
 * @param all  every block there is
 * @returns undefined when it could
 */
export function shortage(
  situation: Situation & { readonly maxBlocks: number },
  all: readonly Block[],
): string | undefined {
  const { nodeName, strictAffinity, rules, maxBlocks } = situation;
  const families = servingPools(situation);
  if (families.length === 0) return `no enabled pool serves node ${nodeName}`;
  const empty = families.find((pools) => {
    const inside = inPools(pools, all);
    const own = inside.filter(({ node }) => node === nodeName);
    if (hasRoom(strictAffinity ? own : inside, rules)) return false;
    const isUnclaimed = pools.some(({ cidr, blockSize }) => {
      const claimed = inside.filter((block) => covers(cidr, block.cidr)).length;
      return BigInt(claimed) < 1n << BigInt(blockSize - cidr.prefixLen);
    });
    return !isUnclaimed || own.length >= maxBlocks;
  });
  return empty && `no address is free in ${empty.map(({ name }) => name).join(', ')}`;
}
