/**
 * `sluice/core`: the core for any JavaScript runtime. No native module, nothing of Node: it is given
 * the bytes of core.wasm, or what they were compiled to.
 *
 *   const sluice = await createCore(bytes)
 *   const { links } = sluice.configure({ node: 'node-a', objects: yaml })
 *   const { verdict, frame } = sluice.process(bytes, { ifindex: links[0].ifindex, nowMs: 0 })
 *
 * One core is one node over one linear memory. It is synchronous; several may run side by side, in as
 * many workers.
 */
import { RegionId, SCRATCH_BASE, SCRATCH_BYTES } from '../../assembly/abi.js';
import { DNS_F_TCP } from '../../assembly/abi-dns.js';
import { instantiatorOf, openCore } from '../core/core.js';
import type { Core, StartOptions } from '../core/core.js';
import type { Capacities } from '../core/regions.js';
import { DataplaneError } from '../errors.js';
import { readFlowTable } from '../ops/flow-rows.js';
import type { Flow, RowArray } from '../ops/flow-rows.js';
import { CLUSTER_CAPACITIES } from '../replay/capacities.js';
import { createConfigure } from './cluster.js';
import type { Configure } from './cluster.js';
import { parseFrame, processFrame } from './frames.js';
import type { Ingress, Parsed, Processed } from './frames.js';
import { buildMaglev, checksumOf, createRoutes } from './pieces.js';
import type { Maglev, MaglevMember, Routes } from './pieces.js';

export { DataplaneError };
export type {
  Capacities,
  Configure,
  Flow,
  Ingress,
  Maglev,
  MaglevMember,
  Parsed,
  Processed,
  Routes,
};
export type { ClusterConfig, Configured, ConfiguredLink } from './cluster.js';
export type { Route } from './pieces.js';

export interface CoreOptions extends Partial<
  Pick<StartOptions, 'timeoutsMs' | 'pickSeed' | 'hashKeys'>
> {
  /** Sizes of the tables; what is left out is enough for a thousand Services, 20 MiB in all. */
  readonly capacities?: Partial<Capacities>;
}

/** How a DNS query came. */
export interface Asked {
  readonly nowMs: number;
  /** By TCP: without a limit but 64 KiB. */
  readonly isTcp?: boolean;
}

/** A node's dataplane in memory. Inputs are copied in, results are copies. */
export interface SluiceCore {
  readonly abiVersion: number;
  /** The exports and the memory themselves, as docs/abi.md has them. */
  readonly core: Core;
  /** Services, pods and names of a node; again with other objects, it becomes that. */
  readonly configure: Configure;
  /** One frame, decided and rewritten. */
  process(frame: Uint8Array, ingress: Ingress): Processed;
  /** What is in a frame; decides nothing. */
  parse(frame: Uint8Array): Parsed;
  /** Live flows with their translations and counters. */
  flows(nowMs: number): Flow[];
  /** Forget flows that have been silent for too long. @returns how many */
  sweep(nowMs: number): number;
  /**
   * The reply to a DNS query, by the names of `configure`.
   *
   * @returns undefined: nobody answers, for it is no query; 'host': somebody else has to, the names
   *          do not know
   */
  answer(query: Uint8Array, asked: Asked): Uint8Array | 'host' | undefined;
  readonly routes: Routes;
  maglev(members: readonly (MaglevMember | number)[], size: number): Maglev;
  checksum(bytes: Uint8Array): number;
}

/** The listener of the names (replay/names.ts). */
const LISTENER = 1;
/** Longest message (RFC 1035 4.2.2). */
const MESSAGE_MAX = 0xffff;
const SWEEP_ALL = 0xffffffff;

function rowsOf({ memory, region }: Core, id: RegionId): RowArray {
  const { base, rowSize, capacity } = region(id);
  const size = rowSize * capacity;
  return {
    bytes: new Uint8Array(memory.buffer, base, size),
    words: new DataView(memory.buffer, base, size),
    rows: capacity,
    rowSize,
  };
}

/** Live rows of both tables. */
export function flowsOf(core: Core, nowMs: number): Flow[] {
  const tables = [
    { family: 4, rows: RegionId.FLOWS4, tallies: RegionId.TALLY4 },
    { family: 6, rows: RegionId.FLOWS6, tallies: RegionId.TALLY6 },
  ] as const;
  return tables.flatMap(({ family, rows, tallies }) => [
    ...readFlowTable({ family, rows: rowsOf(core, rows), tallies: rowsOf(core, tallies) }, nowMs),
  ]);
}

function answer({ exports, view }: Core, query: Uint8Array, { nowMs, isTcp }: Asked) {
  if (query.length > MESSAGE_MAX) {
    const message = `a DNS message of ${String(query.length)} bytes: expected at most ${String(MESSAGE_MAX)}`;
    throw new DataplaneError('ERR_USAGE', message);
  }
  view.set(query, SCRATCH_BASE);
  const flags = isTcp === true ? DNS_F_TCP : 0;
  const room = Math.min(MESSAGE_MAX, SCRATCH_BYTES);
  const length = exports.dnsAnswer(LISTENER, SCRATCH_BASE, query.length, room, flags, nowMs);
  if (length < 0) return 'host' as const;
  return length === 0 ? undefined : view.slice(SCRATCH_BASE, SCRATCH_BASE + length);
}

/**
 * A core of a module that is compiled.
 *
 * @throws DataplaneError ERR_ABI_MISMATCH for a core.wasm of another version, ERR_CONFIG for
 *         capacities that cannot be met
 */
export function createCoreSync(module: WebAssembly.Module, options: CoreOptions = {}): SluiceCore {
  const { capacities: wished, ...start } = options;
  const unknown = Object.keys(wished ?? {}).find((key) => !(key in CLUSTER_CAPACITIES));
  if (unknown !== undefined) {
    const known = Object.keys(CLUSTER_CAPACITIES).join(', ');
    throw new DataplaneError('ERR_CONFIG', `capacities.${unknown}: there are ${known}`);
  }
  const capacities = { ...CLUSTER_CAPACITIES, ...wished };
  const core = openCore(instantiatorOf(module), capacities);
  core.start({ offload: false, nowMs: 0, sampleEvery: 0, ...start });
  return {
    abiVersion: core.exports.abiVersion(),
    core,
    configure: createConfigure(core, capacities),
    process: (frame, ingress) => processFrame(core, frame, ingress),
    parse: (frame) => parseFrame(core, frame),
    flows: (nowMs) => flowsOf(core, nowMs),
    sweep: (nowMs) => core.exports.sweep(nowMs, SWEEP_ALL),
    answer: (query, asked) => answer(core, query, asked),
    routes: createRoutes(core),
    maglev: (members, size) =>
      buildMaglev(
        core,
        members.map((member) => (typeof member === 'number' ? { id: member } : member)),
        size,
      ),
    checksum: (bytes) => checksumOf(core, bytes),
  };
}

/**
 * A core of the bytes of core.wasm, or of a module.
 *
 * @throws as `createCoreSync`; a WebAssembly.CompileError when the bytes are no module, or need a
 *         feature that this runtime lacks: core-baseline.wasm needs none
 */
export async function createCore(
  source: WebAssembly.Module | BufferSource,
  options: CoreOptions = {},
): Promise<SluiceCore> {
  const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
  return createCoreSync(module, options);
}
