import test from 'ava';
import * as abi from '../../assembly/abi.js';
import { createCore } from '../../src/core/instance.js';
import { createDeltaWriter, refusedDeltas } from '../../src/core/delta-writer.js';
import type { DeltaWriter } from '../../src/core/delta-writer.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { corpus } from '../fuzz/frames.js';
import { openEngine } from '../support/engine.js';

const { DeltaError, Op, RegionId, TableId } = abi;

function started() {
  const core = createCore({
    ...SMALL_CAPACITIES,
    links: 8,
    services: 4,
    backends: 4,
    setEntries: 8,
  });
  core.start({ offload: true, nowMs: 1 });
  const apply = (write: (writer: DeltaWriter) => void): (keyof typeof DeltaError)[] => {
    const writer = createDeltaWriter();
    write(writer);
    const batch = writer.take();
    const applied = core.apply(batch);
    const refused = refusedDeltas(batch);
    if (applied + refused.length !== writer.count()) throw new Error('a record has no result');
    return refused.map(({ error }) => DeltaError[error] as keyof typeof DeltaError);
  };
  return { core, apply };
}

function linkRow(ifindex: number, addr4 = 0): Uint8Array {
  const row = new Uint8Array(abi.LINK_SIZE);
  const view = new DataView(row.buffer);
  view.setUint8(abi.LINK_KIND_OFF, abi.LinkKind.POD);
  view.setBigUint64(abi.LINK_KEY_OFF, BigInt(ifindex), true);
  view.setUint32(abi.LINK_ADDR4_OFF, addr4);
  return row;
}

/** Live rows of LINKS as `ifindex:address`. */
function links(core: ReturnType<typeof createCore>): string[] {
  const { base, rowSize, capacity } = core.region(RegionId.LINKS);
  return Array.from({ length: capacity }, (_, i) => base + i * rowSize)
    .filter((row) => core.words.getUint32(row, true) === abi.RowState.LIVE)
    .map((row) => {
      const ifindex = core.words.getUint32(row + abi.LINK_KEY_OFF, true);
      return `${ifindex}:${core.words.getUint32(row + abi.LINK_ADDR4_OFF)}`;
    })
    .sort();
}

test('delta: a keyed row is put, overwritten and deleted by its key', (t) => {
  const { core, apply } = started();
  const put = (ifindex: number, addr: number) => (writer: DeltaWriter) => {
    writer.keyed(Op.PUT, TableId.LINK, linkRow(ifindex, addr));
  };
  t.deepEqual(apply(put(5, 1)), []);
  t.deepEqual(apply(put(6, 2)), []);
  t.deepEqual(apply(put(5, 3)), []);
  t.deepEqual(links(core), ['5:3', '6:2']);
  const remove = (writer: DeltaWriter): void => {
    writer.keyed(Op.DELETE, TableId.LINK, linkRow(5));
  };
  t.deepEqual(apply(remove), []);
  t.deepEqual(apply(remove), ['ABSENT']);
  t.deepEqual(links(core), ['6:2']);
});

test('delta: each record has its own result, and a refused one changes nothing', (t) => {
  const { core, apply } = started();
  const refused = apply((writer) => {
    writer.keyed(Op.PUT, TableId.LINK, linkRow(1));
    writer.keyed(Op.DELETE, TableId.ROUTE, new Uint8Array(abi.ROUTE_SIZE));
    writer.putIndexed(TableId.BACKEND, 4, new Uint8Array(abi.BACKEND_SIZE));
    writer.putIndexed(TableId.SERVICE, 0xffffffff, new Uint8Array(abi.SERVICE_SIZE));
    writer.putSet(7, [1, 2]);
    writer.buildMaglev({ first: 0, size: 251, setFirst: 8, setCount: 1 });
    writer.keyed(Op.PUT, TableId.LINK, linkRow(2));
  });
  const range = 'OUT_OF_RANGE';
  t.deepEqual(refused, ['ABSENT', range, range, range, range]);
  t.deepEqual(links(core), ['1:0', '2:0']);
  t.is(core.words.getUint32(core.region(RegionId.SETS).base + 7 * 4, true), 0);
});

test('delta: a table that is full says so and keeps what it has', (t) => {
  const { core, apply } = started();
  const refused = apply((writer) => {
    for (let ifindex = 1; ifindex <= 10; ifindex++) {
      writer.keyed(Op.PUT, TableId.LINK, linkRow(ifindex));
    }
  });
  t.deepEqual(refused, ['TABLE_FULL', 'TABLE_FULL']);
  t.is(links(core).length, 8);
});

test('delta: operations and tables that there are not are refused', (t) => {
  const { core } = started();
  const record = (op: number, table: number): Uint8Array => {
    const bytes = new Uint8Array(abi.DELTA_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint16(abi.DELTA_OP_OFF, op, true);
    view.setUint16(abi.DELTA_TABLE_OFF, table, true);
    core.apply(bytes);
    return bytes;
  };
  const error = (bytes: Uint8Array) => refusedDeltas(bytes)[0]?.error;
  for (const op of [0, 3, 0xffff]) t.is(error(record(op, TableId.LINK)), DeltaError.UNKNOWN_OP);
  for (const table of [0, 15, 0xffff]) t.is(error(record(Op.PUT, table)), DeltaError.UNKNOWN_TABLE);
});

test('delta: a route is found by its prefix whatever the bits behind it', (t) => {
  const { apply } = started();
  const route = (last: number): Uint8Array => {
    const row = new Uint8Array(abi.ROUTE_SIZE);
    row.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last], abi.ROUTE_ADDR_OFF);
    new DataView(row.buffer).setUint32(abi.ROUTE_PREFIX_LEN_OFF, 120, true);
    return row;
  };
  t.deepEqual(
    apply((writer) => {
      writer.keyed(Op.PUT, TableId.ROUTE, route(7));
    }),
    [],
  );
  t.deepEqual(
    apply((writer) => {
      writer.keyed(Op.DELETE, TableId.ROUTE, route(9));
    }),
    [],
  );
  t.deepEqual(
    apply((writer) => {
      writer.keyed(Op.DELETE, TableId.ROUTE, route(7));
    }),
    ['ABSENT'],
  );
});

test('delta: more records than the mailbox holds arrive all the same', (t) => {
  const { core, apply } = started();
  const many = abi.DELTA_BYTES / abi.DELTA_SIZE + 10;
  const refused = apply((writer) => {
    for (let i = 0; i < many; i++)
      writer.putIndexed(TableId.BACKEND, 3, new Uint8Array(32).fill(i));
  });
  t.deepEqual(refused, []);
  t.is(core.view[core.region(RegionId.BACKENDS).base + 3 * 32], (many - 1) & 0xff);
  const deltas = abi.COUNTERS_BASE + (abi.COUNTER_LANE_BASE + abi.LaneCounter.DELTAS) * 8;
  t.is(Number(core.words.getBigUint64(deltas, true)), many);
  t.is(core.words.getUint32(abi.CONTROL_BASE + abi.CONTROL_EPOCH_OFF, true), 2);
});

test('delta: a row that leads out of another table is refused', (t) => {
  const { apply } = started();
  const service = (offset: number, value: number) => (writer: DeltaWriter) => {
    const row = new Uint8Array(abi.SERVICE_SIZE);
    new DataView(row.buffer).setUint32(offset, value, true);
    writer.putIndexed(TableId.SERVICE, 0, row);
  };
  for (const count of [abi.SERVICE_LOCAL_COUNT_OFF, abi.SERVICE_CLUSTER_COUNT_OFF]) {
    t.deepEqual(apply(service(count, 8)), []);
    t.deepEqual(apply(service(count, 9)), ['OUT_OF_RANGE']);
  }
  t.deepEqual(apply(service(abi.SERVICE_CLUSTER_FIRST_OFF, 9)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_SET_OFF, 0xffffffff)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_MAGLEV_OFF, 1 << 21)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_MAGLEV_COUNT_OFF, 0xffffffff)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_LOCAL_MAGLEV_OFF, 1 << 21)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_LOCAL_MAGLEV_COUNT_OFF, 0xffffffff)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_RANGES_OFF, 0xffffffff)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(service(abi.SERVICE_RANGES_COUNT_OFF, 0xffffffff)), ['OUT_OF_RANGE']);
  const frontend = (idx: number) => (writer: DeltaWriter) => {
    const row = new Uint8Array(abi.FRONTEND_SIZE);
    new DataView(row.buffer).setUint32(abi.FRONTEND_SERVICE_OFF, idx, true);
    writer.keyed(Op.PUT, TableId.FRONTEND, row);
  };
  t.deepEqual(apply(frontend(3)), []);
  t.deepEqual(apply(frontend(4)), ['OUT_OF_RANGE']);
});

test('delta: a set names rows of BACKENDS only, and one that does not changes nothing', (t) => {
  const { core, apply } = started();
  const set = (members: readonly number[]) => (writer: DeltaWriter) => {
    writer.putSet(0, members);
  };
  t.deepEqual(apply(set([3, 2])), []);
  t.deepEqual(apply(set([1, 4])), ['OUT_OF_RANGE']);
  t.deepEqual(apply(set([0xffffffff])), ['OUT_OF_RANGE']);
  const { base } = core.region(RegionId.SETS);
  t.deepEqual([core.words.getUint32(base, true), core.words.getUint32(base + 4, true)], [3, 2]);
});

test('delta: a route has 128 bits at most', (t) => {
  const { apply } = started();
  const route = (op: abi.Op.PUT | abi.Op.DELETE, length: number) => (writer: DeltaWriter) => {
    const row = new Uint8Array(abi.ROUTE_SIZE);
    new DataView(row.buffer).setUint32(abi.ROUTE_PREFIX_LEN_OFF, length, true);
    writer.keyed(op, TableId.ROUTE, row);
  };
  t.deepEqual(apply(route(Op.PUT, 128)), []);
  t.deepEqual(apply(route(Op.PUT, 129)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(route(Op.PUT, 0xffffffff)), ['OUT_OF_RANGE']);
  t.deepEqual(apply(route(Op.DELETE, 129)), ['OUT_OF_RANGE']);
});

test('delta: random records neither trap, nor reach beyond their tables, nor make frames trap', (t) => {
  const engine = openEngine({ capacities: { links: 8, services: 4, backends: 4, setEntries: 8 } });
  const { core } = engine;
  let seed = 99;
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
  const umem = core.region(RegionId.UMEM);
  const bytes = new Uint8Array(abi.DELTA_SIZE * 64);
  const words = new DataView(bytes.buffer);
  for (let round = 0; round < 500; round++) {
    for (let at = 0; at < bytes.length; at += 4) {
      words.setUint32(at, random() % 3 === 0 ? random() * 257 : random() % 12, true);
    }
    for (let at = 0; at < bytes.length; at += abi.DELTA_SIZE) {
      words.setUint16(at + abi.DELTA_OP_OFF, 1 + (random() % 2), true);
      words.setUint16(at + abi.DELTA_TABLE_OFF, 1 + (random() % 11), true);
    }
    core.apply(bytes);
  }
  for (const { ifindex, frame } of corpus())
    for (const from of [ifindex, 1, 2, 3]) engine.send(from, frame);
  const isZero = (from: number, to: number): boolean =>
    core.view.subarray(from, to).every((b) => b === 0);
  t.true(isZero(umem.base, umem.base + umem.rowSize * umem.capacity));
  t.is(core.exports.census(), SMALL_CAPACITIES.frames);
});
