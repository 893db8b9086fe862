import test from 'ava';
import { DeltaError, Op, TableId } from '../../assembly/abi.js';
import { createDeltaWriter, refusedDeltas } from '../../src/core/delta-writer.js';

const RECORD = 128;

/** One record as hex: head in words, then the payload without its trailing zeros. */
function shown(records: Uint8Array, i: number): [string, string] {
  const bytes = Buffer.from(records.subarray(i * RECORD, (i + 1) * RECORD));
  const head = bytes
    .subarray(0, 16)
    .toString('hex')
    .replace(/(.{8})(?=.)/g, '$1 ');
  return [
    head,
    bytes
      .subarray(16)
      .toString('hex')
      .replace(/(00)+$/, ''),
  ];
}

test('delta-writer: a keyed row is carried from its offset 4 on', (t) => {
  const writer = createDeltaWriter();
  const row = Uint8Array.from({ length: 64 }, (_, i) => i);
  writer.keyed(Op.PUT, TableId.ROUTE, row);
  writer.keyed(Op.DELETE, TableId.LINK, row.subarray(0, 32));
  const records = writer.take();
  const image = Buffer.from(row.subarray(4)).toString('hex');
  // op PUT, table ROUTE | idx | count | result
  t.deepEqual(shown(records, 0), ['01000700 00000000 00000000 00000000', image]);
  t.deepEqual(shown(records, 1), ['02000100 00000000 00000000 00000000', image.slice(0, 56)]);
});

test('delta-writer: an indexed row is carried whole', (t) => {
  const writer = createDeltaWriter();
  writer.putIndexed(TableId.BACKEND, 0x1234, Uint8Array.from([1, 2, 3]));
  writer.deleteIndexed(TableId.SERVICE, 5);
  const records = writer.take();
  t.deepEqual(shown(records, 0), ['01000400 34120000 00000000 00000000', '010203']);
  t.deepEqual(shown(records, 1), ['02000300 05000000 00000000 00000000', '']);
});

test('delta-writer: a set goes 28 entries a record', (t) => {
  const writer = createDeltaWriter();
  writer.putSet(
    100,
    Array.from({ length: 57 }, (_, i) => i + 1),
  );
  t.is(writer.count(), 3);
  const records = writer.take();
  t.deepEqual(
    [0, 1, 2].map((i) => shown(records, i)[0]),
    [
      '01000500 64000000 1c000000 00000000',
      '01000500 80000000 1c000000 00000000',
      '01000500 9c000000 01000000 00000000',
    ],
  );
  t.is(shown(records, 2)[1], '39');
});

test('delta-writer: a Maglev build names its slots and its set', (t) => {
  const writer = createDeltaWriter();
  writer.buildMaglev({ first: 0x100, size: 251, setFirst: 7, setCount: 2 });
  writer.putNode(Uint8Array.from({ length: 32 }, (_, i) => i + 1));
  const records = writer.take();
  t.deepEqual(shown(records, 0), ['01000600 00010000 fb000000 00000000', '0700000002']);
  t.is(shown(records, 1)[0], '01000800 00000000 00000000 00000000');
  t.is(shown(records, 1)[1].length, 64);
});

test('delta-writer: it grows, and reads back what the core refused', (t) => {
  const writer = createDeltaWriter();
  for (let i = 0; i < 1000; i++) writer.deleteIndexed(TableId.BACKEND, i);
  const records = writer.take();
  t.is(records.length, 1000 * RECORD);
  t.deepEqual(refusedDeltas(records), []);
  records[999 * RECORD + 12] = DeltaError.TABLE_FULL;
  t.deepEqual(refusedDeltas(records), [{ record: 999, error: DeltaError.TABLE_FULL }]);
});
