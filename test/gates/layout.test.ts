import { instantiateSync } from '@assemblyscript/loader';
import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { DYNAMIC_BASE, FLOW4_SIZE, PAGE_SIZE, REGION_COUNT, RegionId } from '../../assembly/abi.js';
import { CACHE_ROW_SIZE } from '../../assembly/abi-cache.js';
import { NAME_ROW_SIZE } from '../../assembly/abi-dns.js';
import { coreModule } from '../../src/core/instance.js';
import type { CoreExports } from '../../src/core/core.js';
import {
  type Capacities,
  SMALL_CAPACITIES,
  readRegion,
  writeCapacities,
} from '../../src/core/regions.js';

const WASM_PAGE = 65536;
const LINEAR_MEMORY_MAX = 2 ** 32;

const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
const words = new DataView(memory.buffer);
const core = instantiateSync(coreModule(), { env: { memory } }).exports as unknown as CoreExports;

function layout(capacities: Partial<Capacities>): number {
  writeCapacities(words, { ...SMALL_CAPACITIES, ...capacities });
  return core.layout();
}

const power = (least: number, most: number) =>
  fc.integer({ min: least, max: most }).map((exponent) => 2 ** exponent);
/** Mostly plausible, sometimes anything a u32 holds. */
const count = (most: number) =>
  fc.oneof({ arbitrary: fc.nat(most), weight: 9 }, fc.nat(0xffffffff));

const capacities = fc.record({
  flows4: power(0, 24),
  flows6: power(0, 24),
  ringBytes: count(1 << 26),
  links: count(5000),
  frontends: count(200_000),
  services: count(100_000),
  backends: count(1_000_000),
  setEntries: count(4_000_000),
  maglevEntries: count(1 << 28),
  routes: count(100_000),
  ranges: count(100_000),
  affinity: count(200_000),
  fragments: count(10_000),
  names: count(1_000_000),
  rrsetBytes: count(1 << 28),
  cache: count(100_000),
  replyBytes: count(1 << 26),
  frames: count(200_000),
  frameSize: power(11, 16),
});

testProp(
  'layout: regions lie in order, page by page, none over another, all within memory',
  [capacities],
  (t, caps) => {
    const pages = layout(caps);
    const rows = [caps.links, caps.frontends, caps.routes, caps.affinity, caps.fragments];
    const small = [
      [caps.names, NAME_ROW_SIZE],
      [caps.cache, CACHE_ROW_SIZE],
    ] as const;
    if (pages === 0) {
      const least =
        caps.flows4 * 128 +
        caps.flows6 * 192 +
        caps.ringBytes +
        caps.services * 64 +
        caps.backends * (32 + 16) +
        caps.ranges * 32 +
        caps.setEntries * 4 +
        caps.maglevEntries * 2 +
        caps.frames * (caps.frameSize + 4) +
        caps.rrsetBytes +
        caps.replyBytes +
        small.reduce((sum, [n, size]) => sum + n * 4 * size, 0) +
        rows.reduce((sum, n) => sum + n * 4 * 64, 0);
      t.true(least > LINEAR_MEMORY_MAX - DYNAMIC_BASE - 1e6, 'refused what would have fitted');
      return;
    }
    let end = DYNAMIC_BASE;
    for (let id = 0; id < REGION_COUNT; id++) {
      const { base, rowSize, capacity } = readRegion(words, id);
      t.is(base, end, RegionId[id] ?? '');
      t.is(base % PAGE_SIZE, 0);
      end = Math.ceil((base + rowSize * capacity) / PAGE_SIZE) * PAGE_SIZE;
    }
    t.true(end <= pages * WASM_PAGE && end > (pages - 1) * WASM_PAGE);
    t.true(pages <= 65536);
    for (const [id, least] of [
      [RegionId.LINKS, caps.links],
      [RegionId.FRONTENDS, caps.frontends],
      [RegionId.ROUTES, caps.routes],
      [RegionId.AFFINITY, caps.affinity],
      [RegionId.FRAGMENTS, caps.fragments],
      [RegionId.NAMES, caps.names],
      [RegionId.CACHE, caps.cache],
    ] as const) {
      const { capacity } = readRegion(words, id);
      t.true(capacity >= 2 * least && Math.log2(capacity) % 1 === 0, `${capacity} for ${least}`);
    }
  },
  { numRuns: 2000 },
);

const IMPOSSIBLE: Readonly<Record<string, Partial<Capacities>>> = {
  'no flows': { flows4: 0 },
  'no IPv6 flows': { flows6: 0 },
  'flows that are no power of two': { flows4: 1000 },
  'IPv6 flows that are no power of two': { flows6: 3 },
  'frames that are no power of two': { frameSize: 3000 },
  'frames of nothing': { frameSize: 0 },
  'frames smaller than AF_XDP takes': { frameSize: 1024 },
  'more flows than 4 GiB hold': { flows4: LINEAR_MEMORY_MAX / FLOW4_SIZE },
  'more UMEM than 4 GiB': { frames: 0x100000, frameSize: 4096 },
  'more links than there can be': { links: 0xffffffff },
  'just as many links as a u32 has halves': { links: 0x80000000 },
  'more routes than a power of two in u32 reaches': { routes: 0x80000001 },
};
for (const [what, caps] of Object.entries(IMPOSSIBLE)) {
  test(`layout: ${what} cannot be laid out`, (t) => {
    t.is(layout(caps), 0);
  });
}

test('layout: small tables fit into 32 MiB', (t) => {
  const pages = layout({});
  t.true(pages > 0 && pages <= 512, `${pages} pages`);
});
