/**
 * A block: some addresses of a pool, the node they belong to, and who holds each of them. All of
 * it is one document, so that giving out an address is one compare-and-swap
 * (docs/decisions/0013-allocations-live-in-the-block.md).
 *
 * An address is named by its ordinal, its place in the block. Functions here are pure: a changed
 * block is a new one.
 */
import { z } from 'zod';
import { formatCidr, parseCidr } from '../../addr.js';
import type { Address, Cidr } from '../../addr.js';
import { parsed } from '../../validate.js';
import type { Owner, PodIdentity } from '../ipam.js';
import type { StoreValue } from '../store/store.js';
import { addressAt, sizeOf } from './block-cidr.js';

export interface Allocation {
  readonly owner: Owner;
  readonly pod: PodIdentity | undefined;
  /** The node that asked for it: not the block's when it was borrowed. */
  readonly node: string;
  /** Another one for every allocation of this block, and of one that takes its place. */
  readonly seq: number;
  /** Wall clock, ms. */
  readonly sinceMs: number;
}

export interface Block {
  readonly cidr: Cidr;
  /** The node that claimed it and takes from it first. */
  readonly node: string;
  /** Wall clock, ms: when it was claimed, and the last allocation or release. */
  readonly claimedMs: number;
  readonly changedMs: number;
  readonly nextSeq: number;
  readonly allocations: ReadonlyMap<number, Allocation>;
  /** Ordinals that nobody holds, the one released longest ago first. */
  readonly free: readonly number[];
  /** Wall clock, ms, of releases that may still keep an address back. */
  readonly releasedMs: ReadonlyMap<number, number>;
}

const ordinal = z.int().min(0);
const ordinalKey = z
  .string()
  .regex(/^\d+$/)
  .transform((text) => Number(text));

const storedAllocation = z.object({
  network: z.string(),
  containerID: z.string(),
  ifname: z.string(),
  pod: z.object({ namespace: z.string(), name: z.string(), uid: z.string().optional() }).optional(),
  node: z.string(),
  seq: z.int(),
  sinceMs: z.number(),
});

const storedBlock = z.object({
  cidr: parsed(parseCidr),
  node: z.string(),
  claimedMs: z.number(),
  changedMs: z.number(),
  nextSeq: z.int(),
  allocations: z.record(z.string(), storedAllocation).default({}),
  free: z.array(ordinal).default([]),
  releasedMs: z.record(z.string(), z.number()).default({}),
});

function byOrdinal<T, U>(record: Readonly<Record<string, T>>, read: (value: T) => U) {
  const pairs = Object.entries(record).map(([key, value]): [number, U] => [
    ordinalKey.parse(key),
    read(value),
  ]);
  return new Map(pairs);
}

function readAllocation(stored: z.output<typeof storedAllocation>): Allocation {
  const { network, containerID: containerId, ifname, pod, node, seq, sinceMs } = stored;
  const identity = pod && { namespace: pod.namespace, name: pod.name, uid: pod.uid };
  return { owner: { network, containerId, ifname }, pod: identity, node, seq, sinceMs };
}

/** @returns the block, or what is wrong with it */
export function readBlock(value: StoreValue): Block | string {
  const result = storedBlock.safeParse(value);
  if (!result.success) return z.prettifyError(result.error).replaceAll('\n', ' ');
  const { allocations, releasedMs, ...rest } = result.data;
  return {
    ...rest,
    allocations: byOrdinal(allocations, readAllocation),
    releasedMs: byOrdinal(releasedMs, (ms) => ms),
  };
}

function writeAllocation({ owner, pod, node, seq, sinceMs }: Allocation) {
  const { network, containerId: containerID, ifname } = owner;
  const identity = pod && {
    namespace: pod.namespace,
    name: pod.name,
    ...(pod.uid === undefined ? {} : { uid: pod.uid }),
  };
  const holder = { network, containerID, ifname };
  return { ...holder, ...(identity && { pod: identity }), node, seq, sinceMs };
}

export function writeBlock(block: Block): StoreValue {
  const { cidr, allocations, releasedMs, ...rest } = block;
  return {
    cidr: formatCidr(cidr),
    ...rest,
    allocations: Object.fromEntries([...allocations].map(([at, a]) => [at, writeAllocation(a)])),
    releasedMs: Object.fromEntries(releasedMs),
  };
}

/**
 * A block that a node has just claimed. Numbers start at the time, so that a block which is given
 * up and claimed again does not repeat them.
 */
export function newBlock(cidr: Cidr, node: string, nowMs: number): Block {
  const free = Array.from({ length: Number(sizeOf(cidr)) }, (_, at) => at);
  const times = { claimedMs: nowMs, changedMs: nowMs, nextSeq: nowMs };
  return { cidr, node, ...times, allocations: new Map(), free, releasedMs: new Map() };
}

/** What decides which free address is given. */
export interface AssignRules {
  readonly nowMs: number;
  /** How long an address rests after its release. */
  readonly cooldownMs: number;
  isReserved(address: Address): boolean;
}

export type Claimant = Pick<Allocation, 'owner' | 'pod' | 'node'>;

function isRested(block: Block, at: number, { nowMs, cooldownMs }: AssignRules): boolean {
  const releasedMs = block.releasedMs.get(at);
  return releasedMs === undefined || nowMs - releasedMs >= cooldownMs;
}

/** The ordinals that could be given out now, in the order they would be. */
export function availableIn(block: Block, rules: AssignRules): number[] {
  return block.free.filter(
    (at) => isRested(block, at, rules) && !rules.isReserved(addressAt(block.cidr, at)),
  );
}

/** Give an ordinal that is free. */
function assign(block: Block, at: number, [claimant, rules]: [Claimant, AssignRules]): Block {
  const { nowMs } = rules;
  const allocation = { ...claimant, seq: block.nextSeq, sinceMs: nowMs };
  const resting = [...block.releasedMs].filter(
    ([other]) => other !== at && !isRested(block, other, rules),
  );
  return {
    ...block,
    changedMs: nowMs,
    nextSeq: block.nextSeq + 1,
    allocations: new Map([...block.allocations, [at, allocation]]),
    free: block.free.filter((other) => other !== at),
    releasedMs: new Map(resting),
  };
}

export interface Assigned {
  readonly block: Block;
  readonly at: number;
}

/** Give the address that was released longest ago. @returns undefined when none is left */
export function assignAny(
  block: Block,
  claimant: Claimant,
  rules: AssignRules,
): Assigned | undefined {
  const at = block.free.find(
    (free) => isRested(block, free, rules) && !rules.isReserved(addressAt(block.cidr, free)),
  );
  return at === undefined ? undefined : { block: assign(block, at, [claimant, rules]), at };
}

/** Give one address, reserved or resting or not. @returns undefined when somebody holds it */
export function assignExact(
  block: Block,
  at: number,
  wish: [Claimant, AssignRules],
): Assigned | undefined {
  return block.free.includes(at) ? { block: assign(block, at, wish), at } : undefined;
}

/** Take back the ordinals of some allocations. */
export function unassign(block: Block, ordinals: readonly number[], nowMs: number): Block {
  if (ordinals.length === 0) return block;
  const gone = new Set(ordinals);
  return {
    ...block,
    changedMs: nowMs,
    allocations: new Map([...block.allocations].filter(([at]) => !gone.has(at))),
    free: [...block.free.filter((at) => !gone.has(at)), ...ordinals],
    releasedMs: new Map([
      ...block.releasedMs,
      ...ordinals.map((at): [number, number] => [at, nowMs]),
    ]),
  };
}

/** Whether an address was released so lately that the block has to remember it. */
export function isResting(block: Block, nowMs: number, cooldownMs: number): boolean {
  return [...block.releasedMs.values()].some((ms) => nowMs - ms < cooldownMs);
}

export function sameOwner(a: Owner, b: Owner): boolean {
  return a.network === b.network && a.containerId === b.containerId && a.ifname === b.ifname;
}
