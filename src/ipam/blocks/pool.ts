/**
 * Pools and reservations: what addresses there are, and for whom.
 *
 * The fields are those of Calico's IPPool and IPReservation that have a meaning here.
 */
import { z } from 'zod';
import { contains, formatCidr, parseCidr } from '../../addr.js';
import type { Address, Cidr, Family } from '../../addr.js';
import { parsePoolCidr } from '../../pool-prefix.js';
import { parsed } from '../../validate.js';
import { IpamError } from '../ipam.js';
import { overlaps } from './block-cidr.js';
import { parseSelector } from './selector.js';
import type { Labels } from './selector.js';

/** Blocks of 64 addresses by default; Calico's limits. */
const BLOCK_SIZES = {
  4: { least: 20, most: 32, usual: 26 },
  6: { least: 116, most: 128, usual: 122 },
} as const;

const doc = (shape: string, description: string, shown?: unknown) =>
  shown === undefined ? { shape, description } : { shape, description, shown };
const selector = parsed((text) => ({ text, selects: parseSelector(text) })).prefault('all()');

const fields = {
  cidr: parsed(parsePoolCidr).meta(doc('CIDR', 'addresses of the pool; never changes')),
  blockSize: z
    .int()
    .optional()
    .meta(doc('bits', 'prefix length of a block: 20 to 32, 116 to 128; default 26 or 122')),
  disabled: z
    .boolean()
    .default(false)
    .meta(doc('true|false', 'no new addresses from it', 'false')),
  nodeSelector: selector.meta(doc('SELECTOR', 'labels of nodes it serves', 'all()')),
  namespaceSelector: selector.meta(doc('SELECTOR', 'labels of namespaces it serves', 'all()')),
  allowedUses: z
    .array(z.enum(['Workload', 'Tunnel', 'LoadBalancer', 'HostSecondaryInterface']))
    .default(['Workload', 'Tunnel'])
    .meta(doc('list', 'what its addresses are for; pods get those with Workload')),
  natOutgoing: z
    .boolean()
    .default(false)
    .meta(doc('true|false', 'masquerade what its pods send out of the cluster', 'false')),
  assignmentMode: z
    .enum(['Automatic', 'Manual'])
    .default('Automatic')
    .meta(doc('Automatic|Manual', 'Manual: only for pods that name it', 'Automatic')),
};

interface Sized {
  readonly cidr: Cidr;
  readonly blockSize?: number | undefined;
}

/** Why a block size does not go with a pool. */
function sizeComplaint({ cidr, blockSize }: Sized): string | undefined {
  const { least, most, usual } = BLOCK_SIZES[cidr.family];
  const size = blockSize ?? usual;
  const from = Math.max(least, cidr.prefixLen);
  if (size >= from && size <= most) return undefined;
  return from > most
    ? `expected a pool of at most ${most} bits`
    : `expected a block size from ${from} to ${most} with ${formatCidr(cidr)}`;
}

function checkSize(spec: Sized, context: z.core.$RefinementCtx): void {
  const message = sizeComplaint(spec);
  if (message !== undefined) context.addIssue({ code: 'custom', path: ['blockSize'], message });
}

/** A pool as an object of the store has it. Fields of Calico's that say nothing here are let be. */
const storedPool = z.object(fields).superRefine(checkSize);
/** A pool of the configuration file. */
export const poolSchema = z
  .strictObject({ name: z.string().min(1).meta(doc('NAME', 'name of the pool')), ...fields })
  .superRefine(checkSize)
  .transform(({ name, ...spec }) => poolOf(name, spec));

const storedReservation = z.object({ reservedCIDRs: z.array(parsed(parseCidr)) });

export interface Pool {
  readonly name: string;
  readonly cidr: Cidr;
  /** Prefix length of its blocks. */
  readonly blockSize: number;
  readonly disabled: boolean;
  readonly natOutgoing: boolean;
  readonly isManual: boolean;
  readonly isForWorkloads: boolean;
  servesNode(labels: Labels): boolean;
  servesNamespace(labels: Labels): boolean;
}

function poolOf(name: string, spec: z.output<typeof storedPool>): Pool {
  const { cidr, blockSize = BLOCK_SIZES[cidr.family].usual } = spec;
  return {
    name,
    cidr,
    blockSize,
    disabled: spec.disabled,
    natOutgoing: spec.natOutgoing,
    isManual: spec.assignmentMode === 'Manual',
    isForWorkloads: spec.allowedUses.includes('Workload'),
    servesNode: spec.nodeSelector.selects,
    servesNamespace: spec.namespaceSelector.selects,
  };
}

function complaint(what: string, error: z.ZodError): string {
  const [issue] = error.issues;
  return `${what}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is malformed'}`;
}

/** @returns the pool, or what is wrong with it */
export function readPool(name: string, spec: unknown): Pool | string {
  const result = storedPool.safeParse(spec);
  return result.success ? poolOf(name, result.data) : complaint(`pool ${name}`, result.error);
}

/** @returns the reserved prefixes, or what is wrong with them */
export function readReservation(name: string, spec: unknown): readonly Cidr[] | string {
  const result = storedReservation.safeParse(spec);
  return result.success
    ? result.data.reservedCIDRs
    : complaint(`reservation ${name}`, result.error);
}

/** Everything that says what may be given out. */
export interface PoolView {
  /** By name; none overlaps another. */
  readonly pools: readonly Pool[];
  readonly reserved: readonly Cidr[];
  /** What was left out because it is malformed or overlaps. */
  readonly complaints: readonly string[];
}

/** Put pools in order. Of two that overlap, the one with the earlier name counts. */
export function viewOf(
  given: readonly Pool[],
  reserved: readonly Cidr[],
  complaints: readonly string[] = [],
): PoolView {
  const pools: Pool[] = [];
  const all = [...complaints];
  for (const pool of [...given].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const other = pools.find((earlier) => overlaps(earlier.cidr, pool.cidr));
    if (other === undefined) pools.push(pool);
    else all.push(`pool ${pool.name}: overlaps pool ${other.name}: it is left out`);
  }
  return { pools, reserved, complaints: all };
}

export function isReserved(view: PoolView, address: Address): boolean {
  return view.reserved.some((cidr) => contains(cidr, address));
}

/** The pool named by its name or its CIDR. @throws IpamError invalid */
function namedPool({ pools, complaints }: PoolView, wanted: string): Pool {
  const pool = pools.find(({ name, cidr }) => name === wanted || formatCidr(cidr) === wanted);
  if (pool === undefined) {
    const why = complaints.find((text) => text.startsWith(`pool ${wanted}: `));
    const known = pools.map(({ name }) => name).join(', ');
    const what = why ?? `pool ${JSON.stringify(wanted)} does not exist; there are: ${known}`;
    throw new IpamError('invalid', what);
  }
  if (pool.disabled) throw new IpamError('invalid', `pool ${pool.name} is disabled`);
  return pool;
}

export interface PoolWish {
  /** Names or CIDRs; a family that none of them is of is served as if nothing was named. */
  readonly named: readonly string[];
  readonly nodeLabels: Labels;
  readonly namespaceLabels: Labels;
}

/**
 * The pools a pod is served from, by family, in order. A named pool serves whatever its selectors
 * say, as Calico does it.
 *
 * @throws IpamError invalid  for a named one that is not there or disabled
 */
export function choosePools(view: PoolView, wish: PoolWish): ReadonlyMap<Family, readonly Pool[]> {
  const named = wish.named.map((text) => namedPool(view, text));
  const usual = view.pools.filter(
    (pool) =>
      !pool.disabled &&
      !pool.isManual &&
      pool.isForWorkloads &&
      pool.servesNode(wish.nodeLabels) &&
      pool.servesNamespace(wish.namespaceLabels),
  );
  const families: readonly Family[] = [4, 6];
  const chosen = families.flatMap((family): [Family, readonly Pool[]][] => {
    const own = named.filter(({ cidr }) => cidr.family === family);
    const pools = own.length > 0 ? own : usual.filter(({ cidr }) => cidr.family === family);
    return pools.length > 0 ? [[family, pools]] : [];
  });
  return new Map(chosen);
}
