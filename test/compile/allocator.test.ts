import test from 'ava';
import fc from 'fast-check';
import { createIndexAllocator, createRangeAllocator } from '../../src/compile/allocator.js';
import type { Range } from '../../src/compile/allocator.js';
import { checkProperty } from './property.js';

test('allocator: an index comes back only after reclaim', (t) => {
  const indices = createIndexAllocator(2);
  t.is(indices.take(), 0);
  t.is(indices.take(), 1);
  indices.retire(0);
  t.is(indices.take(), undefined);
  t.is(indices.used(), 2);
  indices.reclaim();
  t.is(indices.used(), 1);
  t.is(indices.take(), 0);
});

test('allocator: ranges that touch join again', (t) => {
  const ranges = createRangeAllocator(10);
  const [a, b, c] = [ranges.take(3), ranges.take(3), ranges.take(4)];
  t.deepEqual([a?.first, b?.first, c?.first], [0, 3, 6]);
  t.is(ranges.take(1), undefined);
  for (const range of [a, c, b]) if (range) ranges.retire(range);
  t.is(ranges.take(1), undefined);
  ranges.reclaim();
  t.deepEqual(ranges.take(10), { first: 0, count: 10 });
});

test('allocator: ranges never overlap, and all of them together are what is used', (t) => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 30 }));
  checkProperty(t, fc.array(step, { maxLength: 200 }), 100, (steps) => {
    const ranges = createRangeAllocator(200);
    const held: Range[] = [];
    for (const [isTake, n] of steps) {
      if (isTake) {
        const range = ranges.take(n);
        if (range) held.push(range);
      } else {
        const [range] = held.splice(n % Math.max(1, held.length), 1);
        if (range) ranges.retire(range);
        ranges.reclaim();
      }
      const slots = held.flatMap(({ first, count }) =>
        Array.from({ length: count }, (_, i) => first + i),
      );
      if (new Set(slots).size !== slots.length) throw new Error('overlap');
      if (slots.some((slot) => slot >= 200)) throw new Error('out of range');
      if (ranges.used() !== slots.length) throw new Error('lost entries');
    }
  });
});
