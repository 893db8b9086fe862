/**
 * The look-ups that a first packet is decided by: longest-prefix match over a cluster's routes, the
 * frontend of an address and port, a member of a Maglev table.
 */
import {
  FRONTEND_ADDR_OFF,
  FRONTEND_KEY_SIZE,
  Op,
  RegionId,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  SCRATCH_BASE,
  TableId,
} from '../../assembly/abi.js';
import { createDeltaWriter } from '../../src/core/delta-writer.js';
import type { Context, Result, Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler } from '../twin.js';
import { xorshift32 } from './inputs.js';
import { buildMaglevJs, pickMaglevJs } from './js-twins.js';
import { createMaglevWorld, HASH_COUNT, HASHES } from './maglev-world.js';
import { createPrefixTable } from './packages.js';
import { measureHotPath, namesOf } from './rivals.js';
import { createServiceWorld, SERVICE_NET, SERVICE_PORT } from './service-world.js';
import { writeSnapshot } from './snapshot.js';
import { applyWriter, createWorld, missingModule } from './world.js';

const SEED = 88172645;
const LOOKUPS = 16_384;
const TWIN_PASSES = 20;
/** Half a word at address 8 of a mapped address, little-endian: ::ffff:0:0/96. */
const MAPPED_OFF = 10;
const IPV4_BITS = 96;

/** One route as text, as numbers, and where it leads. */
interface Prefix {
  readonly address: number;
  readonly length: number;
  readonly ifindex: number;
}

/** What a node of a big cluster has: pod ranges of 500 nodes, its own 100 pods, a default route. */
function prefixes(): Prefix[] {
  const nodes = Array.from({ length: 500 }, (_, i) => ({
    ...{ address: 0x0af40000 + (i << 8), length: 24, ifindex: 100 + i },
  }));
  const pods = Array.from({ length: 100 }, (_, i) => ({
    ...{ address: 0x0af40001 + i, length: 32, ifindex: 1000 + i },
  }));
  return [...nodes, ...pods, { address: 0, length: 0, ifindex: 2 }];
}

const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

function writeMapped(view: DataView, at: number, address: number): void {
  view.setUint16(at + MAPPED_OFF, 0xffff);
  view.setUint32(at + 12, address);
}

function routeRow({ address, length, ifindex }: Prefix): Uint8Array {
  const row = new Uint8Array(ROUTE_SIZE);
  const view = new DataView(row.buffer);
  view.setUint8(ROUTE_ACTION_OFF, 4);
  writeMapped(view, ROUTE_ADDR_OFF, address);
  view.setUint32(ROUTE_PREFIX_LEN_OFF, IPV4_BITS + length, true);
  view.setUint32(ROUTE_IFINDEX_OFF, ifindex, true);
  return row;
}

/** Pods of other nodes mostly, some of this node, some addresses of the world. */
function addresses(): number[] {
  const random = xorshift32(SEED);
  return Array.from({ length: LOOKUPS }, () => {
    const word = random();
    if (word % 8 === 0) return 0x0af40001 + ((word >>> 3) % 100);
    return word % 8 === 1 ? (word | 0x80000000) >>> 0 : 0x0af40000 + ((word >>> 3) % (500 << 8));
  });
}

/** A Map for each length, longest first: the usual way where there is no library. */
function lpmJs(routes: readonly Prefix[]): (address: number) => number {
  const lengths = new Map<number, Map<number, number>>();
  for (const { address, length, ifindex } of routes) {
    const map = lengths.get(length) ?? new Map<number, number>();
    lengths.set(length, map.set(address, ifindex));
  }
  const longestFirst = [...lengths].sort(([a], [b]) => b - a);
  return (address) => {
    for (const [length, map] of longestFirst) {
      const mask = length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
      const found = map.get((address & mask) >>> 0);
      if (found !== undefined) return found;
    }
    return 0;
  };
}

async function runLpm(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports } = createWorld({ routes: 2048 });
  const routes = prefixes();
  const writer = createDeltaWriter();
  for (const route of routes) writer.keyed(Op.PUT, TableId.ROUTE, routeRow(route));
  applyWriter(core, writer);
  const asked = addresses();
  asked.forEach((address, i) => {
    writeMapped(core.words, SCRATCH_BASE + 16 * i, address);
  });
  const find = lpmJs(routes);
  const file = writeSnapshot(context.scope, core);
  const table = createPrefixTable();
  if (!table) context.skip('core/lpm/600-routes/lib', 'package longest-prefix-match is missing');
  for (const { address, length, ifindex } of routes) {
    table?.addPrefix(`${dotted(address)}/${length}`, { ifindex });
  }
  const texts = asked.slice(0, 1024).map((address) => `${dotted(address)}/32`);
  let _sink = 0;
  const library = table && {
    name: 'longest-prefix-match',
    against: 'longest-prefix-match: hash maps and radix tries, addresses as text',
    ops: texts.length,
    loop: () => {
      for (const text of texts) _sink ^= table.getMatch(text).length;
    },
  };
  return measureHotPath(context, {
    ...{ name: 'core/lpm/600-routes', unit: 'ns/look-up', ops: LOOKUPS },
    wasm: () => exports.benchLpm(SCRATCH_BASE, LOOKUPS),
    js: {
      against: 'JavaScript: a Map for each prefix length',
      loop: () => asked.reduce((sum, address) => sum + find(address), 0),
    },
    ...(library ? { library } : {}),
    twin: ['tables', ['lpm', file, TWIN_PASSES, LOOKUPS, SCRATCH_BASE]],
  });
}

const SERVICES = 10_000;

async function runFrontend(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const spec = { protocol: 'UDP', services: SERVICES, flows4: 1024, frames: 1024 } as const;
  const { core, exports } = createServiceWorld(spec);
  const random = xorshift32(SEED);
  const asked = Array.from({ length: LOOKUPS }, () => SERVICE_NET + (random() % SERVICES) + 1);
  asked.forEach((address, i) => {
    const at = SCRATCH_BASE + i * FRONTEND_KEY_SIZE;
    writeMapped(core.words, at, address);
    core.words.setUint16(at + 16, SERVICE_PORT);
    core.words.setUint8(at + 18, 17);
  });
  // Which row of SERVICES a frontend leads to is the compiler's choice: it is read from the core.
  const rows = new Map<string, number>();
  const { base, capacity, rowSize } = core.region(RegionId.FRONTENDS);
  for (let at = base; at < base + capacity * rowSize; at += rowSize) {
    if (core.words.getUint32(at, true) !== 1) continue;
    const key = at + FRONTEND_ADDR_OFF;
    const [address, port] = [core.words.getUint32(key + 12), core.words.getUint16(key + 16)];
    const service = core.words.getUint32(at + 4, true) & 0xffffff;
    rows.set(`${address}:${port}/${core.words.getUint8(key + 18)}`, service);
  }
  const file = writeSnapshot(context.scope, core);
  return measureHotPath(context, {
    ...{ name: 'core/frontend/10k-services', unit: 'ns/look-up', ops: LOOKUPS },
    wasm: () => exports.benchFrontend(SCRATCH_BASE, LOOKUPS),
    js: {
      against: 'JavaScript: a Map by address, port and protocol as text',
      loop: () =>
        asked.reduce((sum, to) => sum + (rows.get(`${to}:${SERVICE_PORT}/17`) ?? -1) + 1, 0),
    },
    twin: ['tables', ['frontend', file, TWIN_PASSES, LOOKUPS, SCRATCH_BASE]],
  });
}

const MAGLEV_SIZE = 16_381;

async function runPick(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports, ids, table, hashes } = createMaglevWorld(100, MAGLEV_SIZE);
  const slots = buildMaglevJs(ids, MAGLEV_SIZE);
  const file = writeSnapshot(context.scope, core);
  const args = ['pick', file, TWIN_PASSES, HASH_COUNT, HASHES, table, MAGLEV_SIZE];
  return measureHotPath(context, {
    ...{ name: 'core/maglev-pick/16381', unit: 'ns/pick', ops: HASH_COUNT },
    wasm: () => exports.benchMaglevPick(table, MAGLEV_SIZE, HASHES, HASH_COUNT),
    js: {
      against: 'JavaScript: an array of numbers',
      loop: () => hashes.reduce((sum, hash) => sum + pickMaglevJs(slots, hash), 0),
    },
    twin: ['tables', args],
  });
}

async function missing(): Promise<string | undefined> {
  return missingModule() ?? (await missingCompiler());
}

export const suites: readonly Suite[] = [
  { names: namesOf('core/lpm/600-routes', true), missing, run: runLpm },
  { names: namesOf('core/frontend/10k-services', false), missing, run: runFrontend },
  { names: namesOf('core/maglev-pick/16381', false), missing, run: runPick },
];
