/**
 * The tables behind the answers: names against a Map, cuts against a search of all of them, and what an
 * update must be before it is taken.
 */
import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import * as abi from '../../../assembly/abi-dns.js';
import { DELTA_BASE, DELTA_BYTES, DeltaError } from '../../../assembly/abi.js';
import { createNamesWriter, nameLoads } from '../../../src/core/names-writer.js';
import { SPACE, TYPE, a, aaaa, cut, openDnsCore, query, srv, value, wire } from './zone.js';
import type { Glue } from './zone.js';

const operation = fc.record({
  op: fc.constantFrom('put' as const, 'put' as const, 'remove' as const, 'ask' as const),
  name: fc.nat(60),
  last: fc.nat(255),
  size: fc.nat(40),
});

// 32 rows at most, and room for fewer when they have many records.
const small = openDnsCore({ names: 32, rrsetBytes: 8192 });
small.apply((writer) => writer.put(1, 0, wire('z'), cut({ space: SPACE })));

testProp(
  'dns: names are a Map under any operations, and a table that is full keeps what it has',
  [fc.array(operation, { minLength: 50, maxLength: 250, size: 'max' })],
  (t, operations) => {
    const dns = small;
    const nameOf = (number: number): string => `n${number}${'-x'.repeat(number % 7)}.z`;
    const model = new Map<string, number>();
    for (const { op, name: number, last, size } of operations) {
      const name = nameOf(number);
      if (op === 'ask') {
        const { reply } = dns.ask(query(name));
        const known = model.get(name);
        t.is((reply[3] ?? 0) & 15, known === undefined ? 3 : 0, name);
        if (known !== undefined) t.is(reply.at(-1), known);
        continue;
      }
      const [result] = dns.apply((writer) => {
        const records = Array.from({ length: size + 1 }, () => a(`10.0.0.${last}`));
        if (op === 'put') writer.put(SPACE, 0, wire(name), value({ type: TYPE.A, records }));
        else writer.remove(SPACE, wire(name));
      });
      if (op === 'remove') {
        t.is(result, model.delete(name) ? undefined : 'ABSENT');
      } else if (result === undefined) {
        model.set(name, last);
      } else {
        t.is(result, 'TABLE_FULL');
      }
      t.true(model.size < 32);
    }
    const left = dns.apply((writer) => {
      for (const name of model.keys()) writer.remove(SPACE, wire(name));
    });
    t.deepEqual(left, []);
  },
);

const served = openDnsCore();

testProp(
  'dns: the longest cut serves a name, whatever was put and removed before',
  [
    fc.array(fc.tuple(fc.boolean(), fc.nat(30)), { minLength: 5, maxLength: 60 }),
    fc.array(fc.nat(30), { minLength: 1, maxLength: 20 }),
  ],
  (t, changes, asked) => {
    const dns = served;
    // 31 names of 0 to 4 labels, and of 70: both words of the mask.
    const labelsOf = (n: number): string[] => {
      const own = n.toString(2).slice(1).split('').slice(0, 4);
      return n % 5 === 4 ? [...own, ...Array.from({ length: 70 }, () => 'd')] : own;
    };
    const nameOf = (n: number): string => labelsOf(n + 1).join('.');
    const cuts = new Set<string>();
    for (const [isPut, n] of changes) {
      dns.apply((writer) => {
        if (isPut) writer.put(1, 0, wire(nameOf(n)), cut({ flags: abi.CUT_F_HOST }));
        else writer.remove(1, wire(nameOf(n)));
      });
      if (isPut) cuts.add(nameOf(n));
      else cuts.delete(nameOf(n));
    }
    for (const n of asked) {
      const parts = ['x', ...labelsOf(n + 1)];
      const suffixes = parts.map((_, i) => parts.slice(i).join('.')).concat('');
      const longest = suffixes.find((suffix) => cuts.has(suffix));
      const { result } = dns.ask(query(parts.join('.')));
      if (longest === undefined) {
        t.true(result > 0);
        t.is(dns.record16(abi.DNS_RCODE_OFF), 5);
      } else {
        t.is(result, abi.DNS_HOST);
        const depth = longest === '' ? 0 : longest.split('.').length;
        t.is(dns.record16(abi.DNS_ZONE_LABELS_OFF), depth);
      }
    }
    dns.apply((writer) => {
      for (const name of cuts) writer.remove(1, wire(name));
    });
    dns.ask(query('x'));
    t.is(dns.record16(abi.DNS_RCODE_OFF), 5);
  },
);

test('dns: listeners have cuts of their own, and DS is of the zone above [dns 66]', (t) => {
  const dns = openDnsCore();
  dns.apply((writer) => {
    writer.put(1, 0, wire(''), cut({ flags: abi.CUT_F_HOST }));
    writer.put(1, 0, wire('cluster.local'), cut({ space: SPACE }));
    writer.put(2, 0, wire('0.10.in-addr.arpa'), cut({ flags: abi.CUT_F_HOST }));
    writer.put(2, 0, wire('1.10.in-addr.arpa'), cut({ flags: abi.CUT_F_HOST }));
    writer.put(SPACE, 0, wire('cluster.local'), value());
  });
  const labels = (name: string, listener: number, type: number = TYPE.A): number => {
    dns.ask(query(name, { type }), { listener });
    const isServed = dns.record32(abi.DNS_CUT_OFF) !== 0;
    return isServed ? dns.record16(abi.DNS_ZONE_LABELS_OFF) : -1;
  };
  t.is(labels('a.cluster.local', 1), 2);
  t.is(labels('CLUSTER.local', 1), 2);
  t.is(labels('cluster.local', 1, TYPE.DS), 0);
  t.is(labels('a.cluster.local', 1, TYPE.DS), 2);
  t.is(labels('acluster.local', 1), 0);
  t.is(labels('local', 1), 0);
  t.is(labels('', 1), 0);
  t.is(labels('whoami.0.10.in-addr.arpa', 2), 4);
  t.is(labels('whoami.1.10.in-addr.arpa', 2), 4);
  t.is(labels('whoami.2.10.in-addr.arpa', 2), -1);
  t.is(labels('cluster.local', 2), -1);
  for (const listener of [0, 31, 32, 0xffff]) t.is(labels('cluster.local', listener), -1);
});

test('dns: an update that is not sound is refused, and changes nothing', (t) => {
  const dns = openDnsCore();
  const range = 'OUT_OF_RANGE';
  const name = wire('a.z');
  const put = (bytes: Uint8Array, space: number = SPACE, key: Uint8Array = name): string[] =>
    dns.apply((writer) => writer.put(space, 0, key, bytes));
  const good = value({ type: TYPE.A, records: [a('10.0.0.1')] });
  t.deepEqual(put(cut({ space: SPACE }), 1, wire('z')), []);
  t.deepEqual(put(good), []);
  t.deepEqual(put(value({ type: TYPE.AAAA, records: [aaaa('1:2:3:4:5:6:7:8')] })), []);
  t.deepEqual(put(good), []);

  // Keys.
  t.deepEqual(put(good, SPACE, wire('A.z')), [range], 'not in lower case');
  t.deepEqual(put(good, SPACE, Uint8Array.of(1, 0x61)), [range], 'no root');
  t.deepEqual(put(good, SPACE, Uint8Array.of(0, 0)), [range], 'more than a name');
  t.deepEqual(put(good, SPACE, Uint8Array.of(0xc0, 12, 0)), [range], 'a pointer');
  t.deepEqual(put(good, 0), [range], 'no space');
  // Records.
  t.deepEqual(put(value({ type: TYPE.A, records: [Uint8Array.of(1, 2, 3)] })), [range]);
  t.deepEqual(put(value({ type: TYPE.AAAA, records: [a('1.2.3.4')] })), [range]);
  t.deepEqual(put(value({ type: TYPE.A, records: [] })), [range]);
  t.deepEqual(put(value({ type: TYPE.OPT, records: [a('1.2.3.4')] })), [range]);
  t.deepEqual(put(value({ type: TYPE.ANY, records: [a('1.2.3.4')] })), [range]);
  t.deepEqual(put(value({ type: 0, records: [a('1.2.3.4')] })), [range]);
  t.deepEqual(put(value({ type: TYPE.CNAME, records: [wire('b.z'), wire('c.z')] })), [range]);
  t.deepEqual(put(value({ type: TYPE.CNAME, records: [Uint8Array.of(1, 0x62)] })), [range]);
  t.deepEqual(put(value({ type: TYPE.CNAME, records: [Uint8Array.of(0, 0)] })), [range]);
  // Glue.
  const target = srv(1, 80, 'b.z');
  const glue: Glue = { record: 0, name: 6, type: TYPE.A, rdata: a('10.0.0.1') };
  const withGlue = (...all: Glue[]): string[] =>
    put(value({ type: TYPE.SRV, records: [target, target], glue: all }), SPACE, wire('s.z'));
  t.deepEqual(withGlue(glue, { ...glue, record: 1 }), []);
  t.deepEqual(withGlue({ ...glue, record: 2 }), [range], 'of no record');
  t.deepEqual(withGlue({ ...glue, record: 1 }, glue), [range], 'out of order');
  t.deepEqual(withGlue({ ...glue, name: 5 }), [range], 'an owner that is no name');
  t.deepEqual(withGlue({ ...glue, name: target.length }), [range], 'an owner behind the record');
  t.deepEqual(withGlue({ ...glue, type: TYPE.AAAA }), [range], 'RDLENGTH of another type');
  // Cuts.
  t.deepEqual(put(cut({ space: 5 }), 1, wire('y')), [range], 'the space of a listener');
  t.deepEqual(put(cut({ zone: abi.DNS_ZONE_MAX }), 1, wire('y')), [range]);
  t.deepEqual(put(good, 1, wire('y')), [range], 'no cut at all');
  const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(59)}`;
  t.deepEqual(put(cut({ mname: longest }), 1, wire('y')), []);
  t.deepEqual(put(cut({ mname: `${longest}d` }), 1, wire('yy')), [range], 'MNAME too long');
  // Every value that is cut off somewhere.
  for (let end = 0; end < good.length; end += 4) {
    const short = good.slice(0, end);
    if (put(short, SPACE, wire('short.z')).length === 0) t.fail(`${end} of ${good.length} bytes`);
  }
  t.is(dns.ask(query('a.z')).reply.at(-1), 1, 'what was there is there');
  t.is((dns.ask(query('short.z')).reply[3] ?? 0) & 15, 3);
});

test('dns: a record of an impossible size or operation ends or refuses an update', (t) => {
  const { core } = openDnsCore();
  const load = (change: (view: DataView) => void): [number, DeltaError] => {
    const writer = createNamesWriter();
    writer.put(SPACE, 0, wire('a.z'), value());
    const record = writer.take().slice();
    change(new DataView(record.buffer));
    core.view.set(record, DELTA_BASE);
    const applied = core.exports.applyNames(record.length);
    return [applied, core.words.getUint32(DELTA_BASE + abi.NAMES_RESULT_OFF, true)];
  };
  const size = (bytes: number) => load((view) => view.setUint32(abi.NAMES_SIZE_OFF, bytes, true));
  t.deepEqual(
    load(() => undefined),
    [1, DeltaError.NONE],
  );
  for (const bytes of [0, 8, 16, 20, 0x7fff_fff8, 0xffff_fff8]) {
    t.deepEqual(size(bytes), [0, DeltaError.OUT_OF_RANGE], `${bytes}`);
  }
  t.deepEqual(
    load((view) => view.setUint16(abi.NAMES_OP_OFF, 7, true)),
    [0, DeltaError.UNKNOWN_OP],
  );
  t.is(core.exports.applyNames(0), 0);
});

test('dns: updates larger than the mailbox go through it in whole records', (t) => {
  const dns = openDnsCore({ names: 4096, rrsetBytes: 1 << 22 });
  const records = Array.from({ length: 2000 }, (_, i) => a(`10.1.${i >> 8}.${i & 255}`));
  const count = (3 * DELTA_BYTES) / (2000 * 6);
  const refused = dns.apply((writer) => {
    writer.put(1, 0, wire('z'), cut({ space: SPACE }));
    for (let i = 0; i < count; i++) {
      writer.put(SPACE, 0, wire(`n${i}.z`), value({ type: TYPE.A, records }));
    }
  });
  t.deepEqual(refused, []);
  for (let i = 0; i < count; i++) {
    const { reply } = dns.ask(query(`n${i}.z`), { flags: abi.DNS_F_TCP });
    t.is((reply[6] ?? 0) * 256 + (reply[7] ?? 0), 2000);
  }
  const writer = createNamesWriter();
  for (let i = 0; i < 50; i++) writer.remove(SPACE, wire(`n${i}.z`));
  const loads = [...nameLoads(writer.take(), 100)];
  t.true(loads.every(({ length }) => length > 0 && length <= 100));
  t.is(
    loads.reduce((sum, { length }) => sum + length, 0),
    writer.take().length,
  );
  t.throws(() => createNamesWriter().put(SPACE, 0, wire('z'), new Uint8Array(DELTA_BYTES)), {
    message: /does not fit the mailbox/,
  });
});

test('dns: names that differ in one octet are two, at every length', (t) => {
  const dns = openDnsCore({ names: 8192, rrsetBytes: 1 << 21 });
  const base = Array.from({ length: 4 }, (_, i) => String.fromCharCode(97 + i).repeat(60)).join(
    '.',
  );
  const names = Array.from({ length: 240 }, (_, i) => base.slice(base.length - 1 - i))
    .filter((name) => !name.startsWith('.'))
    .map((name) => wire(name));
  t.deepEqual(
    dns.apply((writer) => {
      writer.put(1, 0, wire(''), cut({ space: SPACE }));
      for (const name of names) writer.put(SPACE, 0, name, value());
    }),
    [],
  );
  const rcode = (name: Uint8Array): number => (dns.ask(query(name)).reply[3] ?? 0) & 15;
  for (const name of names) {
    t.is(rcode(name), 0);
    for (const at of [1, name.length >> 1, name.length - 2]) {
      const other = name.slice();
      if ((other[at] ?? 0) < 0x61) continue;
      other[at] = 0x7a;
      t.is(rcode(other), 3, `${at} of ${name.length}`);
    }
  }
});
