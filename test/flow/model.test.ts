import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import {
  CONTROL_BASE,
  CONTROL_HASH_KEYS_OFF,
  FLOW_PROBE_MAX,
  FLOW4_SIZE,
  FLOW6_SIZE,
  HASH_KEYS,
  RegionId,
  SCRATCH_BASE,
} from '../../assembly/abi.js';
import { openInnerCore } from '../support/inner-core.js';

const CAPACITY = 64;
const core = await openInnerCore('release', { flows4: CAPACITY, flows6: CAPACITY });
const { exports, view, words } = core;
const SRC = SCRATCH_BASE;
const DST = SCRATCH_BASE + 16;

const FAMILIES = {
  4: {
    region: RegionId.FLOWS4,
    size: FLOW4_SIZE,
    width: 4,
    find: exports.flowFind4,
    insert: exports.flowInsert4,
    remove: exports.flowDelete4,
    reclaim: exports.flowReclaim4,
  },
  6: {
    region: RegionId.FLOWS6,
    size: FLOW6_SIZE,
    width: 16,
    find: exports.flowFind6,
    insert: exports.flowInsert6,
    remove: exports.flowDelete6,
    reclaim: exports.flowReclaim6,
  },
} as const;

const u32 = fc.nat(0xffffffff);

/** Few keys over few slots, so that runs fill, break and join. */
const operation = fc.record({
  op: fc.constantFrom('insert' as const, 'insert' as const, 'remove' as const, 'reclaim' as const),
  key: fc.nat(90),
  slot: fc.nat(CAPACITY - 1),
  wait: fc.constantFrom(0, 0, 400, 1000),
});

for (const family of [4, 6] as const) {
  const { region, size, width, find, insert, remove, reclaim } = FAMILIES[family];

  /** Write the addresses of a key to SRC and DST. @returns its ports and its kind */
  const place = (key: number): [number, number] => {
    view.fill(0, SRC, SRC + 32);
    words.setUint32(SRC + width - 4, 0x0af40100 + (key % 7));
    words.setUint32(DST + width - 4, 0x0a600000 + (key % 5));
    return [Math.imul(key, 0x10001) >>> 0, key % 2 === 0 ? 6 : 17];
  };

  testProp(
    `flow table: IPv${family} rows are a Map under any operations`,
    [fc.array(operation, { minLength: 100, maxLength: 400, size: 'max' }), u32],
    (t, operations, salt) => {
      const { base, capacity } = core.region(region);
      view.fill(0, base, base + capacity * size);
      for (let i = 0; i < HASH_KEYS; i++) {
        words.setUint32(
          CONTROL_BASE + CONTROL_HASH_KEYS_OFF + i * 4,
          Math.imul(salt ^ i, 0x9e3779b1) >>> 0,
          true,
        );
      }
      const model = new Map<number, number>();
      let now = 5_000_000;
      for (const { op, key, slot, wait } of operations) {
        now += wait;
        const known = model.get(key);
        if (op === 'reclaim') {
          reclaim(slot, now);
        } else if (op === 'remove' && known !== undefined) {
          remove(known);
          model.delete(key);
        } else if (op === 'insert' && known === undefined) {
          const row = insert(SRC, DST, ...place(key)) >>> 0;
          if (row !== 0) model.set(key, row);
          else if (model.size < FLOW_PROBE_MAX) t.fail('a run is full of fewer rows than it has');
        }
      }
      for (let key = 0; key <= 90; key++) {
        const found = find(SRC, DST, ...place(key)) >>> 0;
        if (found !== (model.get(key) ?? 0)) t.fail(`key ${key}`);
      }
      t.pass();
    },
    { numRuns: 300 },
  );
}

/** RFC 4418 5.2 and the finish of native/bpf/flow.h, in numbers that do not wrap by themselves. */
function nh(operands: readonly number[], keys: readonly number[]): number {
  const M32 = 0xffff_ffffn;
  const M64 = 0xffff_ffff_ffff_ffffn;
  let h = 0n;
  for (let i = 0; i < operands.length; i += 2) {
    const a = (BigInt(operands[i] ?? 0) + BigInt(keys[i] ?? 0)) & M32;
    const b = (BigInt(operands[i + 1] ?? 0) + BigInt(keys[i + 1] ?? 0)) & M32;
    h = (h + a * b) & M64;
  }
  h ^= h >> 32n;
  h = (h * 0x9e3779b97f4a7c15n) & M64;
  h ^= h >> 29n;
  return Number((h >> 16n) & M32);
}

const keys12 = fc.array(u32, { minLength: HASH_KEYS, maxLength: HASH_KEYS });
const kind = fc.nat(0xffff);

function setKeys(keys: readonly number[]): void {
  keys.forEach((key, i) => {
    words.setUint32(CONTROL_BASE + CONTROL_HASH_KEYS_OFF + i * 4, key, true);
  });
}

testProp(
  'hash: IPv4 tuples are hashed as the kernel programs do it',
  [keys12, u32, u32, u32, kind],
  (t, keys, src, dst, ports, what) => {
    setKeys(keys);
    t.is(exports.nhFlow4(src, dst, ports, what) >>> 0, nh([src, dst, ports, what], keys));
  },
  { numRuns: 2000 },
);

testProp(
  'hash: IPv6 tuples are hashed as the kernel programs do it',
  [keys12, fc.array(u32, { minLength: 8, maxLength: 8 }), u32, kind],
  (t, keys, addresses, ports, what) => {
    setKeys(keys);
    addresses.forEach((word, i) => {
      words.setUint32(SRC + i * 4, word, true);
    });
    t.is(exports.nhFlow6(SRC, DST, ports, what) >>> 0, nh([...addresses, ports, what], keys));
  },
  { numRuns: 2000 },
);

test('hash: tuples that differ in a port spread over the whole table', (t) => {
  setKeys(Array.from({ length: HASH_KEYS }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0));
  const SLOTS = 256;
  const load = new Array<number>(SLOTS).fill(0);
  for (let port = 0; port < 16384; port++) {
    const slot = exports.nhFlow4(0x0201f40a, 0x0a00600a, port | (80 << 16), 6) & (SLOTS - 1);
    load[slot] = (load[slot] ?? 0) + 1;
  }
  // 64 a slot on average; NH is universal, not random: what matters is that no slot is a heap.
  t.true(Math.max(...load) < 128, `fullest slot: ${Math.max(...load)}`);
});

test('ports: candidates are all different, and come by the whole range', (t) => {
  const start = exports.nextRandom();
  const seen = new Set<number>();
  for (let i = 0; i < 28976; i++) {
    const port = exports.candidatePort(start, i);
    if (port < 1024 || port > 29999) t.fail(`port ${port}`);
    seen.add(port);
  }
  t.is(seen.size, 28976);
  t.not(exports.nextRandom(), start);
});
