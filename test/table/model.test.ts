import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import {
  DIRECTORY_BASE,
  DIR_CAPACITY_OFF,
  DIR_ENTRY_SIZE,
  DIR_USED_OFF,
  ROUTE_IFINDEX_OFF,
  RegionId,
  SCRATCH_BASE,
} from '../../assembly/abi.js';
import { openInnerCore } from '../support/inner-core.js';

const core = await openInnerCore('release', { links: 16, frontends: 16, routes: 256 });
const { exports, view, words } = core;

function clear(id: RegionId): void {
  const { base, rowSize, capacity } = core.region(id);
  view.fill(0, base, base + rowSize * capacity);
  words.setUint32(DIRECTORY_BASE + id * DIR_ENTRY_SIZE + DIR_USED_OFF, 0, true);
}

const operation = fc.record({
  op: fc.constantFrom('put' as const, 'put' as const, 'delete' as const, 'find' as const),
  key: fc.nat(40),
});

for (const [name, id, width] of [
  ['one-word', RegionId.LINKS, 1],
  ['three-word', RegionId.FRONTENDS, 3],
] as const) {
  testProp(
    `hash table: ${name} keys are a Map under any operations`,
    [fc.array(operation, { minLength: 50, maxLength: 500, size: 'max' }), fc.nat(0xffffffff)],
    (t, operations, salt) => {
      clear(id);
      const { capacity } = core.region(id);
      const words3 = (key: number): [bigint, bigint, bigint] => {
        const spread = BigInt.asUintN(64, BigInt(key) * 0x9e3779b97f4a7c15n);
        // Keys that differ in one word only, each time another one.
        const high = width === 3 ? BigInt(salt) : 0n;
        if (width === 1) return [spread ^ BigInt(salt), 0n, 0n];
        return key % 2 === 0 ? [1n, spread, high] : [1n, high, spread];
      };
      const model = new Map<number, number>();
      for (const { op, key } of operations) {
        const known = model.get(key) ?? 0;
        if (op === 'find') {
          t.is(exports.tableFind(id, width, ...words3(key)) >>> 0, known);
        } else if (op === 'delete') {
          t.is(exports.tableDelete(id, width, ...words3(key)), known === 0 ? 0 : 1);
          model.delete(key);
        } else {
          const row = exports.tablePut(id, width, ...words3(key)) >>> 0;
          if (known !== 0) t.is(row, known);
          else if (model.size < capacity / 2) t.not(row, 0, 'refused before it was half full');
          else t.is(row, 0, 'more than half full');
          if (row !== 0) model.set(key, row);
        }
      }
      t.is(new Set(model.values()).size, model.size, 'two keys in one row');
      for (let key = 0; key <= 40; key++) {
        t.is(exports.tableFind(id, width, ...words3(key)) >>> 0, model.get(key) ?? 0);
      }
      const used = DIRECTORY_BASE + id * DIR_ENTRY_SIZE + DIR_USED_OFF;
      t.is(words.getUint32(used, true), model.size);
    },
    { numRuns: 300 },
  );
}

test('hash table: what is deleted in the end leaves no trace that slows a search', (t) => {
  clear(RegionId.LINKS);
  const keys = Array.from({ length: 16 }, (_, i) => BigInt(i * 7919));
  for (const key of keys) exports.tablePut(RegionId.LINKS, 1, key, 0n, 0n);
  for (const key of keys) exports.tableDelete(RegionId.LINKS, 1, key, 0n, 0n);
  const { base, rowSize, capacity } = core.region(RegionId.LINKS);
  const states = Array.from({ length: capacity }, (_, i) =>
    words.getUint32(base + i * rowSize, true),
  );
  t.true(states.filter((state) => state !== 0).length < 16, states.join(' '));
});

test('hash table: hashed regions have a power of two of slots', (t) => {
  for (const id of [RegionId.LINKS, RegionId.FRONTENDS, RegionId.ROUTES]) {
    const capacity = words.getUint32(DIRECTORY_BASE + id * DIR_ENTRY_SIZE + DIR_CAPACITY_OFF, true);
    t.is(Math.log2(capacity) % 1, 0);
  }
});

// ---- Longest-prefix match ---------------------------------------------------------------

interface Prefix {
  readonly addr: bigint;
  readonly length: number;
}

/** Addresses close to one another, so that prefixes nest. */
const addr = fc.oneof(
  fc.nat(255).map((low) => (0xffffn << 32n) | BigInt(0x0af40000 + low * 257)),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  fc.nat(0xffff).map((low) => (0xfd00n << 112n) | BigInt(low)),
);
const prefix = fc.record({
  addr,
  length: fc.oneof(fc.integer({ min: 0, max: 128 }), fc.constantFrom(0, 96, 120, 128, 64, 65)),
});
const change = fc.record({ isPut: fc.oneof(fc.constant(true), fc.boolean()), prefix });

const masked = ({ addr: a, length }: Prefix): bigint =>
  (a >> BigInt(128 - length)) << BigInt(128 - length);
const AT = SCRATCH_BASE;

function placeAddr(a: bigint): number {
  words.setBigUint64(AT, a >> 64n);
  words.setBigUint64(AT + 8, BigInt.asUintN(64, a));
  return AT;
}

testProp(
  'lpm: a look-up finds what a naive longest match finds',
  [
    fc.array(change, { minLength: 1, maxLength: 60, size: 'max' }),
    fc.array(addr, { maxLength: 40 }),
  ],
  (t, changes, addresses) => {
    clear(RegionId.ROUTES);
    exports.init(0); // forgets the prefix lengths
    const model = new Map<string, { readonly prefix: Prefix; readonly tag: number }>();
    changes.forEach(({ isPut, prefix: p }, i) => {
      const key = `${masked(p)}/${p.length}`;
      if (isPut) {
        const row = exports.lpmPut(placeAddr(p.addr), p.length);
        t.not(row, 0);
        words.setUint32(row + ROUTE_IFINDEX_OFF, i + 1, true);
        model.set(key, { prefix: p, tag: i + 1 });
      } else {
        t.is(exports.lpmDelete(placeAddr(p.addr), p.length), model.delete(key) ? 1 : 0);
      }
    });
    for (const a of [...addresses, ...changes.map(({ prefix: p }) => p.addr)]) {
      let best: { length: number; tag: number } | undefined;
      for (const { prefix: p, tag } of model.values()) {
        const isOtherFamily = p.length < 96 && a >> 32n === 0xffffn;
        const covers = !isOtherFamily && masked({ addr: a, length: p.length }) === masked(p);
        if (covers && p.length >= (best?.length ?? -1)) best = { length: p.length, tag };
      }
      const row = exports.lpmFind(placeAddr(a));
      t.is(row === 0 ? undefined : words.getUint32(row + ROUTE_IFINDEX_OFF, true), best?.tag);
    }
  },
  { numRuns: 300 },
);

test('lpm: a prefix of IPv6 covers no IPv4 address', (t) => {
  clear(RegionId.ROUTES);
  exports.init(0);
  const ipv4 = 0xffff_0808_0808n;
  exports.lpmPut(placeAddr(0n), 0);
  exports.lpmPut(placeAddr(ipv4), 95);
  t.is(exports.lpmFind(placeAddr(ipv4)), 0);
  const all = exports.lpmPut(placeAddr(0xffffn << 32n), 96);
  t.is(exports.lpmFind(placeAddr(ipv4)), all);
});

test('lpm: a prefix longer than an address is refused', (t) => {
  t.is(exports.lpmPut(placeAddr(1n), 129), 0);
  t.is(exports.lpmDelete(placeAddr(1n), 0xffffffff), 0);
});

test('lpm: all 129 lengths fit side by side', (t) => {
  clear(RegionId.ROUTES);
  exports.init(0);
  const rows = Array.from({ length: 129 }, (_, length) => exports.lpmPut(placeAddr(0n), length));
  t.is(rows.filter((row) => row !== 0).length, 129);
  t.is(exports.lpmFind(placeAddr(0n)), rows[128] ?? -1);
  t.is(exports.lpmFind(placeAddr(1n)), rows[127] ?? -1);
  t.is(exports.lpmFind(placeAddr(1n << 127n)), rows[0] ?? -1);
});
