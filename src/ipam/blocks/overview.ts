/** All blocks of a store at a glance, and what is wrong with them. */
import { formatAddress, formatCidr } from '../../addr.js';
import type { Cidr } from '../../addr.js';
import { addressAt, covers, overlaps, sizeOf } from './block-cidr.js';
import type { Block } from './block.js';
import { leasesOf } from './keeper.js';
import type { BlockLease, LeaseView } from './keeper.js';
import type { Pool, PoolView } from './pool.js';

export interface PoolUse {
  readonly name: string;
  readonly cidr: string;
  readonly blockSize: number;
  readonly disabled: boolean;
  readonly natOutgoing: boolean;
  readonly size: bigint;
  /** Addresses kept from automatic assignment. */
  readonly reserved: bigint;
  readonly inUse: number;
  /** Of those, held by another node than the block's. */
  readonly borrowed: number;
  readonly blocks: number;
}

export interface NodeUse {
  readonly node: string;
  readonly blocks: number;
  /** Addresses it has given out, and those of them from blocks of others. */
  readonly inUse: number;
  readonly borrowed: number;
}

export interface Overview {
  readonly pools: readonly PoolUse[];
  readonly nodes: readonly NodeUse[];
  readonly complaints: readonly string[];
}

const isBorrowed = (block: Block) => (lease: BlockLease) => lease.node !== block.node;

/** Addresses of a pool in reserved prefixes, each once. */
function reservedIn(pool: Cidr, reserved: readonly Cidr[]): bigint {
  if (reserved.some((cidr) => covers(cidr, pool))) return sizeOf(pool);
  const inside = reserved.filter((cidr) => covers(pool, cidr));
  const outermost = inside.filter(
    (cidr, i) =>
      !inside.some((other, j) => i !== j && covers(other, cidr) && (!covers(cidr, other) || j < i)),
  );
  return outermost.reduce((sum, cidr) => sum + sizeOf(cidr), 0n);
}

function poolUse(pool: Pool, { reserved }: PoolView, all: readonly Block[]): PoolUse {
  const blocks = all.filter(({ cidr }) => covers(pool.cidr, cidr));
  const { name, blockSize, disabled, natOutgoing } = pool;
  return {
    ...{ name, cidr: formatCidr(pool.cidr), blockSize, disabled, natOutgoing },
    size: sizeOf(pool.cidr),
    reserved: reservedIn(pool.cidr, reserved),
    inUse: blocks.reduce((sum, { allocations }) => sum + allocations.size, 0),
    borrowed: blocks.flatMap((block) => leasesOf(block).filter(isBorrowed(block))).length,
    blocks: blocks.length,
  };
}

export function overviewOf(view: PoolView, blocks: readonly Block[]): Overview {
  const leases = blocks.flatMap((block) =>
    leasesOf(block).map((lease) => ({ node: lease.node, isBorrowed: isBorrowed(block)(lease) })),
  );
  const names = new Set([...blocks.map(({ node }) => node), ...leases.map(({ node }) => node)]);
  const nodes = [...names].sort().map((node) => {
    const own = leases.filter((lease) => lease.node === node);
    return {
      node,
      blocks: blocks.filter((block) => block.node === node).length,
      inUse: own.length,
      borrowed: own.filter((lease) => lease.isBorrowed).length,
    };
  });
  const pools = view.pools.map((pool) => poolUse(pool, view, blocks));
  return { pools, nodes, complaints: view.complaints };
}

export type FindingKind =
  /** Two hold it. */
  | 'double'
  /** Nobody answers for it. */
  | 'leaked'
  /** It is in no pool. */
  | 'unknown'
  /** A document contradicts itself or cannot be read. */
  | 'broken';

export interface IpamFinding {
  readonly kind: FindingKind;
  /** An address, a prefix or a key. */
  readonly subject: string;
  readonly text: string;
}

const nameOf = ({ owner, pod, node }: BlockLease): string => {
  const { network, containerId, ifname } = owner;
  const who = pod === undefined ? '' : ` (pod ${pod.namespace}/${pod.name})`;
  return `${network}.${containerId} ${ifname}${who} on ${node}`;
};

/** Every ordinal is either free or held, once. */
function brokenIn(block: Block): IpamFinding[] {
  const seen = [...block.free, ...block.allocations.keys()];
  const size = Number(sizeOf(block.cidr));
  const subject = formatCidr(block.cidr);
  const broken = seen.filter((at, i) => at >= size || seen.indexOf(at) !== i);
  const found = broken.map((at): IpamFinding => {
    const text = `${formatAddress(addressAt(block.cidr, at))} is listed twice or lies outside`;
    return { kind: 'broken', subject, text };
  });
  const lost = size + broken.length - seen.length;
  if (lost === 0) return found;
  return [
    ...found,
    { kind: 'broken', subject, text: `${lost} addresses are neither free nor held` },
  ];
}

function doubles(blocks: readonly Block[], leases: readonly BlockLease[]): IpamFinding[] {
  const holders = new Map<string, BlockLease[]>();
  const held = new Map<string, BlockLease[]>();
  for (const lease of leases) {
    const address = formatAddress(lease.address);
    holders.set(address, [...(holders.get(address) ?? []), lease]);
    const owner = `${nameOf(lease)} IPv${lease.address.family}`;
    held.set(owner, [...(held.get(owner) ?? []), lease]);
  }
  const twice = [...holders].filter(([, who]) => who.length > 1);
  const greedy = [...held].filter(([, what]) => what.length > 1);
  // Prefixes overlap only by nesting, and the outer one then stands right before an inner one.
  const sorted = [...blocks].sort(
    (a, b) => Buffer.compare(a.cidr.bytes, b.cidr.bytes) || a.cidr.prefixLen - b.cidr.prefixLen,
  );
  const overlapping = sorted.flatMap((block, i) => {
    const next = sorted[i + 1];
    return next !== undefined && overlaps(block.cidr, next.cidr) ? [[block, next]] : [];
  });
  return [
    ...twice.map(([subject, who]): IpamFinding => {
      return { kind: 'double', subject, text: `held by ${who.map(nameOf).join(' and ')}` };
    }),
    ...greedy.map(([who, what]): IpamFinding => {
      const subject = what.map(({ address }) => formatAddress(address)).join(', ');
      return { kind: 'double', subject, text: `all held by ${who}` };
    }),
    ...overlapping.map((pair): IpamFinding => {
      const subject = pair.map(({ cidr }) => formatCidr(cidr)).join(', ');
      return { kind: 'broken', subject, text: 'blocks overlap' };
    }),
  ];
}

/**
 * What is wrong with what was given out; nothing is changed.
 *
 * @param isOurs  leases that `view` knows about
 */
export async function checkBlocks(
  [pools, blocks]: readonly [PoolView, readonly Block[]],
  view: LeaseView,
  isOurs: (lease: BlockLease) => boolean,
): Promise<readonly IpamFinding[]> {
  const leases = blocks.flatMap(leasesOf);
  const findings = [...doubles(blocks, leases), ...blocks.flatMap(brokenIn)];
  for (const { cidr } of blocks) {
    if (pools.pools.some((pool) => covers(pool.cidr, cidr))) continue;
    findings.push({ kind: 'unknown', subject: formatCidr(cidr), text: 'this block is in no pool' });
  }
  for (const lease of leases.filter(isOurs)) {
    const hasNode = view.hasNode?.(lease.node) ?? true;
    if (hasNode && (await view.isAlive(lease))) continue;
    const text = `nobody answers for ${nameOf(lease)}`;
    findings.push({ kind: 'leaked', subject: formatAddress(lease.address), text });
  }
  return findings;
}
