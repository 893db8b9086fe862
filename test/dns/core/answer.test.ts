/** Replies from zones made by hand, decoded by dns-packet; what it hides is read from the bytes. */
import test from 'ava';
import packet from 'dns-packet';
import * as abi from '../../../assembly/abi-dns.js';
import {
  SPACE,
  TYPE,
  a,
  cut,
  openDnsCore,
  putCluster,
  query,
  srv,
  txt,
  value,
  wire,
} from './zone.js';
import type { Ask, Cut, Way } from './zone.js';

type Reply = packet.DecodedPacket & { readonly rcode: string };

function cluster(cutOptions: Cut = {}) {
  const dns = openDnsCore({ names: 2048 });
  const refused = dns.apply((writer) => putCluster(writer, cutOptions));
  if (refused.length > 0) throw new Error(refused.join());
  const bytesOf = (name: string, ask: Ask = {}, way: Way = {}): Buffer => {
    const message = query(name, ask);
    const { result, reply } = dns.ask(message, way);
    if (result <= 0) throw new Error(`no reply: ${result}`);
    const end = abi.DNS_HLEN + wire(name).length + 4;
    if (!Buffer.from(reply.slice(12, end)).equals(Buffer.from(message.slice(12, end)))) {
      throw new Error('the question is another one');
    }
    return Buffer.from(reply);
  };
  const decode = (name: string, ask: Ask = {}, way: Way = {}): Reply =>
    packet.decode(bytesOf(name, ask, way)) as Reply;
  return { dns, bytesOf, decode };
}

const Z = 'testns.svc.cluster.local';
const { dns: shared, bytesOf, decode } = cluster();

/** Owner, type and data of every record. */
const brief = (answers: packet.Answer[] | undefined): unknown[] =>
  (answers ?? []).map((rr) => [rr.name, rr.type, 'data' in rr ? rr.data : undefined]);

const counts = (reply: Buffer): number[] => [4, 6, 8, 10].map((at) => reply.readUInt16BE(at));

test('dns: an address is answered with the question as it came and the owner in its case [dns 1] [dns 2]', (t) => {
  for (const name of [`svc1.${Z}`, 'SvC1.TeStNs.SvC.cLuStEr.LoCaL']) {
    const reply = decode(name);
    t.is(reply.rcode, 'NOERROR');
    t.true(reply.flag_aa);
    t.false(reply.flag_ra);
    t.deepEqual(reply.answers, [
      { name, type: 'A', ttl: 5, class: 'IN', flush: false, data: '10.0.0.1' },
    ]);
  }
  // RFC 1035 4.1.4: every octet, by hand.
  const hex =
    '123485000001000100000000047376633106746573746e730373766307636c7573746572056c6f63616c0000010001';
  t.is(bytesOf(`svc1.${Z}`).toString('hex'), `${hex}c00c00010001000000050004` + '0a000001');
});

test('dns: no data and no name bring the SOA record [dns 3] [dns 15] [dns 17] [dns 18]', (t) => {
  for (const [name, type, rcode] of [
    [`svc1.${Z}`, TYPE.AAAA, 'NOERROR'],
    [`svc1.${Z}`, TYPE.SOA, 'NOERROR'],
    [`svc1.${Z}`, TYPE.CNAME, 'NOERROR'],
    [`svc1.${Z}`, TYPE.HTTPS, 'NOERROR'],
    [Z, TYPE.A, 'NOERROR'],
    ['cluster.local', TYPE.NS, 'NOERROR'],
    [`svc0.${Z}`, TYPE.A, 'NXDOMAIN'],
    [`svc0.${Z}`, TYPE.HTTPS, 'NXDOMAIN'],
    [`*.${Z}`, TYPE.A, 'NXDOMAIN'],
    ['foo.cluster.local', TYPE.NS, 'NXDOMAIN'],
  ] as const) {
    const reply = decode(name, { type });
    t.is(reply.rcode, rcode, name);
    t.true(reply.flag_aa);
    t.is(reply.answers?.length, 0);
    t.like(reply.authorities, [
      {
        name: 'cluster.local',
        type: 'SOA',
        ttl: 5,
        data: {
          mname: 'ns.dns.cluster.local',
          rname: 'hostmaster.cluster.local',
          serial: 1795384144,
          refresh: 7200,
          retry: 1800,
          expire: 86400,
          minimum: 5,
        },
      },
    ]);
  }
  // 54 octets behind the question (spec/dns.md 3.15).
  t.is(bytesOf(`svc0.${Z}`).length - query(`svc0.${Z}`).length, 54);
});

test('dns: the SOA record of the zone, in the case of the question [dns 20]', (t) => {
  const reply = decode('Cluster.local', { type: TYPE.SOA });
  t.like(reply.answers, [
    {
      name: 'Cluster.local',
      data: { mname: 'ns.dns.Cluster.local', rname: 'hostmaster.Cluster.local' },
    },
  ]);
  t.is(reply.authorities?.length, 0);
  const reverse = decode('99.0.0.10.in-addr.arpa', { type: TYPE.PTR });
  t.is(reverse.rcode, 'NXDOMAIN');
  t.is(reverse.authorities?.[0]?.name, '10.in-addr.arpa');
});

test('dns: the SOA record of the root has names without a pointer', (t) => {
  const dns = openDnsCore();
  dns.apply((writer) => writer.put(1, 0, wire(''), cut({ space: SPACE, mname: 'a', rname: 'b' })));
  const { reply } = dns.ask(query('nobody', { edns: 1232 }));
  const decoded = packet.decode(Buffer.from(reply)) as Reply;
  t.is(decoded.rcode, 'NXDOMAIN');
  t.like(decoded.authorities, [{ name: '.', data: { mname: 'a', rname: 'b', minimum: 5 } }]);
});

test('dns: SRV brings the addresses of its targets [dns 4] [dns 5]', (t) => {
  for (const name of [`svc1.${Z}`, `_http._tcp.svc1.${Z}`]) {
    const reply = decode(name, { type: TYPE.SRV, edns: 1232 });
    t.deepEqual(brief(reply.answers), [
      [name, 'SRV', { priority: 0, weight: 100, port: 80, target: `svc1.${Z}` }],
    ]);
    t.deepEqual(brief(reply.additionals).slice(0, 1), [[`svc1.${Z}`, 'A', '10.0.0.1']]);
    t.is(reply.additionals?.at(-1)?.type, 'OPT');
  }
});

test('dns: text, reverse names and IPv6 are records as any [dns 12] [dns 22] [dns 50]', (t) => {
  t.like(decode('dns-version.cluster.local', { type: TYPE.TXT }).answers, [{ ttl: 28800 }]);
  t.deepEqual(brief(decode('1.0.0.10.in-addr.arpa', { type: TYPE.PTR }).answers), [
    ['1.0.0.10.in-addr.arpa', 'PTR', `svc1.${Z}`],
  ]);
  t.deepEqual(brief(decode(`svc6.${Z}`, { type: TYPE.AAAA }).answers), [
    [`svc6.${Z}`, 'AAAA', '1234:abcd::1'],
  ]);
});

test('dns: what no cut covers is refused without AA and RA [dns 65] [dns 107]', (t) => {
  for (const [name, type, way] of [
    ['example.org', TYPE.A, {}],
    [`svc1.${Z}`, TYPE.A, { listener: 2 }],
    ['cluster.local', TYPE.AXFR, { flags: abi.DNS_F_TCP }],
    ['cluster.local', TYPE.IXFR, {}],
  ] as const) {
    const reply = decode(name, { type, edns: 1232, do: true }, way);
    t.is(reply.rcode, 'REFUSED');
    t.false(reply.flag_aa || reply.flag_ra);
    t.like(reply.additionals, [{ type: 'OPT', flag_do: true, udpPayloadSize: 1232 }]);
    t.is(shared.record32(abi.DNS_WHY_OFF), abi.DnsWhy.REFUSED);
  }
  shared.apply((writer) =>
    writer.put(3, 0, wire('no'), cut({ flags: abi.CUT_F_REFUSE | abi.CUT_F_RA })),
  );
  const reply = decode('a.no', {}, { listener: 3 });
  t.is(reply.rcode, 'REFUSED');
  t.false(reply.flag_ra);
});

test('dns: a chain of CNAMEs is followed within the zone [dns 40] [dns 42] [dns 43] [dns 44]', (t) => {
  const name = `external-to-service.${Z}`;
  t.deepEqual(brief(decode(name).answers), [
    [name, 'CNAME', `svc1.${Z}`],
    [`svc1.${Z}`, 'A', '10.0.0.1'],
  ]);
  t.deepEqual(brief(decode(`external-pod.${Z}`).answers), [
    [`external-pod.${Z}`, 'CNAME', '10-1-2-3.podns.pod.cluster.local'],
    ['10-1-2-3.podns.pod.cluster.local', 'A', '10.1.2.3'],
  ]);
  for (const [dead, type] of [
    [name, TYPE.AAAA],
    [`external-loop.${Z}`, TYPE.A],
    [`external-nx.${Z}`, TYPE.A],
    [`external-pod.${Z}`, TYPE.AAAA],
    [`external.${Z}`, TYPE.TXT],
    [`external.${Z}`, TYPE.SRV],
  ] as const) {
    const reply = decode(dead, { type });
    t.is(reply.rcode, 'NOERROR', dead);
    t.deepEqual([reply.answers?.length, reply.authorities?.length], [0, 1], dead);
  }
  t.deepEqual(brief(decode(`external.${Z}`, { type: TYPE.CNAME }).answers), [
    [`external.${Z}`, 'CNAME', 'ext.interwebs.test'],
  ]);
});

test('dns: a CNAME out of the zone is the host to follow, and the query stays as it is [dns 38]', (t) => {
  const message = query(`External.${Z}`, { edns: 1232 });
  const { result, reply } = shared.ask(message);
  t.is(result, abi.DNS_HOST);
  t.deepEqual(reply, message);
  t.is(shared.record32(abi.DNS_WHY_OFF), abi.DnsWhy.CNAME_OUTSIDE);
  t.is(shared.record16(abi.DNS_QTYPE_OFF), TYPE.A);
  t.is(shared.record16(abi.DNS_EDNS_SIZE_OFF), 1232);
  const at = abi.DNS_BASE + abi.DNS_NAME_OFF;
  const folded = shared.core.view.slice(at, at + wire(`external.${Z}`).length);
  t.deepEqual(folded, wire(`external.${Z}`));
});

test('dns: a CNAME without records behind it is shown where that is wanted', (t) => {
  const zone = cluster({ flags: abi.CUT_F_SHOW_CNAME });
  for (const [name, target] of [
    ['external-nx', `nosuch.${Z}`],
    ['external-loop', `external-loop.${Z}`],
  ]) {
    const reply = zone.decode(`${name}.${Z}`);
    t.is(reply.rcode, 'NOERROR');
    t.deepEqual(brief(reply.answers), [[`${name}.${Z}`, 'CNAME', target]]);
    t.is(reply.authorities?.length, 1);
  }
});

test('dns: a chain has ten links and no more', (t) => {
  const { dns, decode: ask } = cluster();
  dns.apply((writer) => {
    for (let i = 0; i < 12; i++) {
      const next = value({ type: TYPE.CNAME, records: [wire(`l${i + 1}.${Z}`)] });
      writer.put(SPACE, 0, wire(`l${i}.${Z}`), next);
    }
    writer.put(SPACE, 0, wire(`l12.${Z}`), value({ type: TYPE.A, records: [a('10.9.9.9')] }));
  });
  t.is(ask(`l2.${Z}`, { edns: 1232 }).answers?.length, 11);
  t.is(ask(`l1.${Z}`, { edns: 1232 }).answers?.length, 0);
});

test('dns: pods are in their names, read as CoreDNS reads them [dns 47] [dns 48]', (t) => {
  const address = (label: string, type: number = TYPE.A): unknown => {
    const reply = decode(`${label}.podns.pod.cluster.local`, { type });
    const [answer] = brief(reply.answers) as [string, string, string][];
    return answer ? answer[2] : reply.rcode;
  };
  t.is(address('172-0-0-2'), '172.0.0.2');
  t.is(address('172-0-0-2', TYPE.AAAA), 'NOERROR');
  t.is(address('172-0-0-2', TYPE.TXT), 'NOERROR');
  t.is(address('2001-db8--1', TYPE.AAAA), '2001:db8::1');
  t.is(address('2001-DB8--1', TYPE.AAAA), '2001:db8::1');
  t.is(address('--1', TYPE.AAAA), '::1');
  t.is(address('--', TYPE.AAAA), '::');
  t.is(address('1-2-3-4-5-6-7-8', TYPE.AAAA), '1:2:3:4:5:6:7:8');
  t.is(address('1-2-3-4-5-6-7--', TYPE.AAAA), '1:2:3:4:5:6:7:0');
  // IPv4 in its mapped form is IPv4 to Go's To4.
  t.is(address('--ffff-102-304'), '1.2.3.4');
  for (const label of [
    ...['blah', '1-2-3-400', '1-2-3', '1-2-3-4-5', '01-2-3-4', '-1-2-3', '1-2-3-', '1-2-3-a'],
    ...['1-2-3-4-5-6-7-8-9', '1-2-3-4-5-6-7-8--', '1--2--3', '12345--1', '---', '1-', '-1', 'g--1'],
    ...['1---2', '1-2-3-4-5-6-7', '1.2.3.4', '1-2-3-4.x', `${'1-'.repeat(20)}1`],
  ]) {
    for (const type of [TYPE.A, TYPE.AAAA]) t.is(address(label, type), 'NXDOMAIN', label);
  }
  t.is(decode('podns.pod.cluster.local').rcode, 'NOERROR');
  t.is(decode('1-2-3-4.nons.pod.cluster.local').rcode, 'NXDOMAIN');
  t.is(shared.record32(abi.DNS_WHY_OFF), abi.DnsWhy.ZONE);
});

test('dns: EDNS brings one OPT at the end, with our size and their DO [dns 68]', (t) => {
  const reply = bytesOf(`svc1.${Z}`, { edns: 4000, do: true });
  // Root, 41, 1232, no upper bits, version 0, DO, no options.
  t.is(reply.subarray(-11).toString('hex'), '00002904d0000080000000');
  t.deepEqual(counts(reply), [1, 1, 0, 1]);
  t.deepEqual(counts(bytesOf(`svc1.${Z}`)), [1, 1, 0, 0]);
  t.deepEqual(counts(bytesOf(`svc0.${Z}`, { edns: 512 })), [1, 0, 1, 1]);
});

test('dns: whole records from the front when not all fit, and TC [dns 69] [dns 70] [dns 71]', (t) => {
  const zone = cluster({ udpMax: 4096 });
  for (const [ask, way, length, records] of [
    [{}, {}, 498, 28],
    [{ edns: 100 }, {}, undefined, 28],
    [{ edns: 512 }, {}, undefined, 28],
    [{ edns: 1232 }, {}, undefined, 73],
    [{ edns: 2048 }, {}, undefined, 100],
    [{ edns: 65535 }, { room: 600 }, undefined, 33],
    [{}, { flags: abi.DNS_F_TCP }, undefined, 100],
    [{}, { flags: abi.DNS_F_TCP, room: 700 }, undefined, 40],
  ] as const) {
    const bytes = zone.bytesOf(`hdlsbig.${Z}`, ask, way);
    const reply = packet.decode(bytes) as Reply;
    const note = JSON.stringify([ask, way]);
    t.is(reply.answers?.length, records, note);
    t.is(reply.flag_tc, records < 100, note);
    if (length !== undefined) t.is(bytes.length, length);
    t.is(bytes.readUInt16BE(50), 0xc00c, 'the owner is a pointer to the question');
    t.deepEqual(brief(reply.answers)[0], [`hdlsbig.${Z}`, 'A', '172.1.0.1']);
  }
  // The cut has the last word.
  t.is(decode(`hdlsbig.${Z}`, { edns: 4096 }).answers?.length, 73);
});

test('dns: glue that does not fit is left out without TC, an answer is not [dns 70]', (t) => {
  const { dns, decode: ask } = cluster();
  const target = (i: number): string => `172-0-0-${i}.big.${Z}`;
  const numbers = Array.from({ length: 7 }, (_, i) => i);
  const set = (count: number) =>
    value({
      type: TYPE.SRV,
      records: numbers.slice(0, count).map((i) => srv(1, 80, target(i))),
      glue: numbers
        .slice(0, count)
        .map((i) => ({ record: i, name: 6, type: TYPE.A, rdata: a(`172.0.0.${i}`) })),
    });
  dns.apply((writer) => writer.put(SPACE, 0, wire(`big.${Z}`), set(7)));
  const name = `big.${Z}`;
  const short = ask(name, { type: TYPE.SRV });
  t.deepEqual([short.answers?.length, short.flag_tc, short.additionals?.length], [7, false, 3]);
  const whole = ask(name, { type: TYPE.SRV, edns: 1232 });
  t.deepEqual(
    brief(whole.additionals).slice(0, 7),
    numbers.map((i) => [target(i), 'A', `172.0.0.${i}`]),
  );
  const some = ask(name, { type: TYPE.SRV }, { flags: abi.DNS_F_TCP, room: 560 });
  t.false(some.flag_tc);
  t.deepEqual(
    brief(some.additionals),
    numbers.slice(0, some.additionals?.length).map((i) => [target(i), 'A', `172.0.0.${i}`]),
  );
  const cutShort = ask(name, { type: TYPE.SRV }, { room: 300 });
  t.true(cutShort.flag_tc);
  t.deepEqual([cutShort.answers?.length, cutShort.additionals?.length], [4, 0]);
});

test('dns: glue deep in a reply by TCP has its owner whole', (t) => {
  const { dns, decode: ask } = cluster();
  const many = Array.from({ length: 400 }, (_, i) => i);
  const target = (i: number): string => `target-${i}.deep.${Z}`;
  dns.apply((writer) => {
    const records = many.map((i) => srv(1, 80, target(i)));
    const glue = many.map((i) => ({
      record: i,
      name: 6,
      type: TYPE.A,
      rdata: a(`10.1.${i >> 8}.${i & 255}`),
    }));
    writer.put(SPACE, 0, wire(`deep.${Z}`), value({ type: TYPE.SRV, records, glue }));
  });
  const reply = ask(`deep.${Z}`, { type: TYPE.SRV }, { flags: abi.DNS_F_TCP });
  t.false(reply.flag_tc);
  t.deepEqual(
    brief(reply.additionals),
    many.map((i) => [target(i), 'A', `10.1.${i >> 8}.${i & 255}`]),
  );
});

test('dns: a record longer than the reply may be is passed over, and one that is alone leaves TC', (t) => {
  const { dns, decode: ask } = cluster();
  const long = Uint8Array.from({ length: 800 }, (_, i) => (i % 200 === 0 ? 199 : 0x61));
  dns.apply((writer) => {
    writer.put(SPACE, 0, wire(`t.${Z}`), value({ type: TYPE.TXT, records: [long, txt('short')] }));
    writer.put(SPACE, 0, wire(`u.${Z}`), value({ type: TYPE.TXT, records: [long] }));
  });
  const both = ask(`t.${Z}`, { type: TYPE.TXT });
  t.deepEqual([both.answers?.length, both.flag_tc], [1, true]);
  const none = ask(`u.${Z}`, { type: TYPE.TXT });
  t.deepEqual([none.answers?.length, none.flag_tc], [0, true]);
  t.is(ask(`t.${Z}`, { type: TYPE.TXT, edns: 1232 }).answers?.length, 2);
});

test('dns: addresses come in another order each time, all of them or a fair choice [dns 97]', (t) => {
  const zone = cluster({ flags: abi.CUT_F_SHUFFLE });
  const all = ['172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5'];
  const firsts = new Map<unknown, number>();
  for (let i = 0; i < 800; i++) {
    const data = brief(zone.decode(`hdls1.${Z}`).answers).map((rr) => (rr as unknown[])[2]);
    t.deepEqual(data.toSorted(), all);
    firsts.set(data[0], (firsts.get(data[0]) ?? 0) + 1);
  }
  // 200 each; six standard deviations of a fair draw are 73.
  for (const address of all) t.true(Math.abs((firsts.get(address) ?? 0) - 200) < 73, address);
  const seen = new Map<unknown, number>();
  let ascending = 0;
  for (let i = 0; i < 1000; i++) {
    const reply = zone.decode(`hdlsbig.${Z}`);
    const data = brief(reply.answers).map((rr) => String((rr as unknown[])[2]));
    t.true(reply.flag_tc);
    t.is(new Set(data).size, 28);
    for (const address of data) seen.set(address, (seen.get(address) ?? 0) + 1);
    const numbers = data.map((address) => Number(address.split('.')[3]));
    ascending += numbers.filter((n, j) => n > (numbers[j - 1] ?? 101)).length;
  }
  t.is(seen.size, 100);
  // 280 each and half of all neighbours; six standard deviations are 86 and 290 (of 13 500).
  for (const [address, n] of seen) t.true(Math.abs(n - 280) < 86, `${String(address)} ${n}`);
  t.true(Math.abs(ascending - 13_500) < 500, `${ascending}`);
  t.deepEqual(brief(zone.decode(`external-to-service.${Z}`).answers)[0], [
    `external-to-service.${Z}`,
    'CNAME',
    `svc1.${Z}`,
  ]);
});

test('dns: ANY is one HINFO record where the name is, and everywhere with the plugin [dns 98]', (t) => {
  const hinfo = [`svc1.${Z}`, 'HINFO', { cpu: 'ANY', os: 'obsoleted' }];
  const reply = decode(`svc1.${Z}`, { type: TYPE.ANY });
  t.deepEqual(brief(reply.answers), [hinfo]);
  t.like(reply.answers, [{ ttl: 8482 }]);
  t.true(reply.flag_aa);
  t.is(decode(`svc0.${Z}`, { type: TYPE.ANY }).rcode, 'NXDOMAIN');
  const zone = cluster({ flags: abi.CUT_F_ANY });
  const plugin = zone.decode(`svc0.${Z}`, { type: TYPE.ANY });
  t.deepEqual([plugin.rcode, plugin.answers?.length, plugin.flag_aa], ['NOERROR', 1, false]);
});

test('dns: minimal replies have no glue [dns 98]', (t) => {
  const zone = cluster({ flags: abi.CUT_F_MINIMAL | abi.CUT_F_RA });
  const reply = zone.decode(`svc1.${Z}`, { type: TYPE.SRV });
  t.deepEqual([reply.answers?.length, reply.additionals?.length], [1, 0]);
  t.true(reply.flag_ra);
});

test('dns: what is not known yet is SERVFAIL, what is known is answered [dns 55]', (t) => {
  const zone = cluster({ flags: abi.CUT_F_UNSYNCED });
  const reply = zone.decode(`svc0.${Z}`);
  t.is(reply.rcode, 'SERVFAIL');
  t.true(reply.flag_aa);
  t.is(reply.authorities?.length, 1);
  t.is(zone.decode(`svc1.${Z}`).answers?.length, 1);
});

test('dns: flags of a cut leave a query to the host, and say why [dns 53]', (t) => {
  const { dns } = cluster({ flags: abi.CUT_F_FALLTHROUGH });
  dns.apply((writer) => {
    writer.put(1, 0, wire('host'), cut({ flags: abi.CUT_F_HOST }));
    writer.put(1, 0, wire('chaos'), cut({ flags: abi.CUT_F_CHAOS }));
    writer.put(1, 0, wire('forward'), cut());
    writer.put(1, 0, wire('cached'), cut({ cache: 1 }));
  });
  const why = (name: string, ask: Ask = {}): string => {
    const message = query(name, ask);
    const { result, reply } = dns.ask(message);
    if (result !== abi.DNS_HOST) return `reply ${dns.record16(abi.DNS_RCODE_OFF)}`;
    t.deepEqual(reply, message, 'the message is untouched');
    return abi.DnsWhy[dns.record32(abi.DNS_WHY_OFF)] ?? '';
  };
  t.is(why('a.host'), 'HOST_FIRST');
  t.is(why('a.forward'), 'NO_NAMES');
  t.is(why('a.cached'), 'CACHE_MISS');
  t.is(why(`svc0.${Z}`), 'FALLTHROUGH');
  t.is(why(`svc1.${Z}`, { type: TYPE.TXT }), 'reply 0', 'no data does not fall through');
  t.is(why('a.host', { class: 3 }), 'reply 5');
  t.is(why('version.chaos', { class: 3 }), 'HOST_FIRST');
  t.is(why('version.chaos', { class: 255 }), 'reply 5');
});

test('dns: a batch answers each of its messages, and one word says how [dns 108]', (t) => {
  const { core } = shared;
  const at = 0x9_0000;
  const messages = [
    query(`svc1.${Z}`, { id: 1 }),
    query(`svc0.${Z}`, { id: 2 }),
    Uint8Array.of(1, 2, 3),
    query(`external.${Z}`, { id: 4 }),
  ];
  messages.forEach((message, i) => {
    const record = at + i * abi.BATCH_SIZE;
    const to = at + 4096 * (i + 1);
    core.view.set(message, to);
    core.words.setUint32(record + abi.BATCH_MESSAGE_OFF, to, true);
    core.words.setUint32(record + abi.BATCH_LENGTH_OFF, message.length, true);
    core.words.setUint32(record + abi.BATCH_ROOM_OFF, 4096, true);
    core.words.setUint16(record + abi.BATCH_LISTENER_OFF, 1, true);
    core.words.setUint16(record + abi.BATCH_FLAGS_OFF, 0, true);
  });
  t.is(core.exports.dnsBatch(at, messages.length, 1), 2);
  const results = messages.map((_, i) =>
    core.words.getInt32(at + i * abi.BATCH_SIZE + abi.BATCH_RESULT_OFF, true),
  );
  t.deepEqual(results.slice(2), [abi.DNS_DROP, abi.DNS_HOST]);
  for (const i of [0, 1]) {
    const to = at + 4096 * (i + 1);
    const reply = packet.decode(Buffer.from(core.view.slice(to, to + (results[i] ?? 0)))) as Reply;
    t.deepEqual([reply.id, reply.rcode], [i + 1, i === 0 ? 'NOERROR' : 'NXDOMAIN']);
  }
});

test('dns: every query is counted once, by zone, type, family, transport, RCODE and size', (t) => {
  const { dns } = cluster({ zone: 2 });
  const word = (zone: number, index: number): number =>
    Number(
      dns.core.words.getBigUint64(
        abi.DNS_COUNTERS_BASE + 8 * (zone * abi.DNS_ZONE_WORDS + index),
        true,
      ),
    );
  const requests = (type: abi.DnsTypeSlot, way: number): number =>
    word(2, abi.ZONE_REQUESTS_WORD + type * 4 + way);
  const big = query(`hdlsbig.${Z}`, { edns: 1232, do: true });
  dns.ask(query(`svc1.${Z}`));
  dns.ask(query(`svc0.${Z}`, { type: TYPE.SRV }), { flags: abi.DNS_F_TCP });
  dns.ask(big, { flags: abi.DNS_F_IPV6 });
  dns.ask(query(`external.${Z}`));
  dns.ask(query(`svc1.${Z}`), { flags: abi.DNS_F_UNCOUNTED });
  dns.ask(query('example.org'));
  dns.ask(query('x').slice(0, 11));
  t.is(requests(abi.DnsTypeSlot.A, 0), 2);
  t.is(requests(abi.DnsTypeSlot.SRV, 1), 1);
  t.is(requests(abi.DnsTypeSlot.A, 2), 1);
  t.deepEqual(
    [0, 3, 5].map((rcode) => word(2, abi.ZONE_REPLIES_WORD + rcode)),
    [2, 1, 0],
  );
  t.is(word(2, abi.ZONE_HOST_WORD), 1);
  t.is(word(2, abi.ZONE_DO_WORD), 1);
  t.is(word(2, abi.ZONE_REQUEST_SIZES_WORD), 4);
  // 63 and 103 bytes, and one of 1229 (up to 2047).
  t.deepEqual(
    [0, 1, 6].map((slot) => word(2, abi.ZONE_REPLY_SIZES_WORD + slot)),
    [1, 1, 1],
  );
  t.is(word(abi.DNS_ZONE_NONE, abi.ZONE_REPLIES_WORD + 5), 1);
  t.is(word(abi.DNS_ZONE_NONE, abi.ZONE_REQUESTS_WORD + abi.DnsTypeSlot.A * 4), 1);
});

test('dns: a name can be removed again', (t) => {
  const { dns, decode: ask } = cluster();
  t.deepEqual(
    dns.apply((writer) => writer.remove(SPACE, wire(`svc1.${Z}`))),
    [],
  );
  t.is(ask(`svc1.${Z}`).rcode, 'NXDOMAIN');
  t.deepEqual(
    dns.apply((writer) => writer.remove(SPACE, wire(`svc1.${Z}`))),
    ['ABSENT'],
  );
});
