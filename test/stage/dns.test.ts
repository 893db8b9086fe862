/** Queries in frames: who is answered there, how the frame looks then, and what goes to the host. */
import test from 'ava';
import dnsPacket from 'dns-packet';
import {
  Action,
  Drop,
  FLOW_FLAGS_OFF,
  FLOW_F_CLIMB,
  LaneCounter,
  Verdict,
} from '../../assembly/abi.js';
import { formatAddress, parseAddress } from '../../src/addr.js';
import { createNamesWriter, refusedNames } from '../../src/core/names-writer.js';
import { readQueryLog, setSampling } from '../../src/core/query-log.js';
import { traceIn } from '../../src/core/trace.js';
import { namedKey } from '../../src/model/keys.js';
import { cut, putCluster, query, TYPE, wire } from '../dns/core/zone.js';
import type { Cut } from '../dns/core/zone.js';
import { put, service } from '../model/objects.js';
import { A4, A6, IF, OUTSIDE4, openEngine } from '../support/engine.js';
import type { Engine } from '../support/engine.js';
import { packet } from '../support/frames.js';
import type { PacketSpec } from '../support/frames.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';
const SERVER = '169.254.83.53';
const SERVER6 = 'fd53:6c75:6963:6500::53';
const ETH_HLEN = 14;
const NAME = 'svc1.testns.svc.cluster.local';

/** A node that is the cluster's DNS, with part of the oracle's cluster as names. */
function node(cutOptions: Cut = {}): Engine {
  const engine = openEngine();
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    { name: 'metrics', port: 9153, protocol: 'TCP' },
  ];
  const clusterIPs = [VIP, VIP6];
  engine.apply(
    put('Service', service('kube-dns', { clusterIP: VIP, clusterIPs, ports })),
    put('Service', service('other', { clusterIP: '10.96.0.11', ports })),
  );
  engine.tell((control) => {
    control.setDns({
      service: namedKey('default', 'kube-dns'),
      listener: 1,
      addresses: [SERVER, SERVER6].map(parseAddress),
      port: 53,
    });
  });
  const writer = createNamesWriter();
  putCluster(writer, cutOptions);
  writer.put(1, 0, wire(''), cut({ space: 0 }));
  const records = writer.take();
  engine.core.applyNames(records);
  if (refusedNames(records).length > 0) throw new Error('a name was refused');
  return engine;
}

function asked(message: Uint8Array, over: Partial<PacketSpec> = {}): Uint8Array {
  const base = { proto: 'udp', src: A4, dst: VIP, sport: 40001, dport: 53 } as const;
  return packet({ ...base, payload: message, ...over });
}

function messageIn(frame: Uint8Array, l3: number): dnsPacket.DecodedPacket {
  return dnsPacket.decode(Buffer.from(frame.subarray(ETH_HLEN + l3 + 8)));
}

for (const [family, src, dst, l3] of [
  [4, A4, VIP, 20],
  [6, A6, VIP6, 40],
] as const) {
  test(`dns: a pod's IPv${family} query is answered in its frame`, (t) => {
    const engine = node();
    const sent = engine.send(IF.POD_A, asked(query(NAME), { src, dst }));
    t.is(sent.verdict, Verdict.TX);
    t.is(sent.action, Action.POD);
    t.is(sent.outIfindex, IF.POD_A);
    t.like(sent.seen, { src: dst, dst: src, sport: 53, dport: 40001, isSound: true });
    const reply = messageIn(sent.frame, l3);
    t.is(reply.id, 0x1234);
    t.deepEqual(
      reply.answers?.map((rr) => ('data' in rr ? rr.data : undefined)),
      ['10.0.0.1'],
    );
    t.is(engine.flows().length, 0, 'no flow is needed');
    t.is(engine.counter(LaneCounter.DNS_ANSWERED), 1);
  });
}

test('dns: the reply is a datagram of our own: hop limit 64, do not fragment, MACs swapped [dns V46]', (t) => {
  const macs = { srcMac: '02:00:00:00:00:0a', dstMac: '02:53:00:00:00:01' };
  const { frame } = node().send(IF.POD_A, asked(query(NAME), { ttl: 7, ...macs }));
  const ip = new DataView(frame.buffer, frame.byteOffset + ETH_HLEN);
  t.is(ip.getUint8(8), 64);
  t.is(ip.getUint16(4), 0);
  t.is(ip.getUint16(6), 0x4000);
  t.is(ip.getUint16(2), frame.length - ETH_HLEN);
  t.is(Buffer.from(frame.subarray(0, 12)).toString('hex'), '02000000000a025300000001');
});

test('dns: a checksum that is missing, or left to a device, is no reason not to answer', (t) => {
  for (const how of [{ noChecksum: true }, { partial: true }]) {
    const sent = node().send(IF.POD_A, asked(query(NAME), how));
    t.true(sent.seen.isSound);
    t.is(messageIn(sent.frame, 20).answers?.length, 1);
  }
});

test('dns: the node and clients outside are answered the way they came', (t) => {
  const engine = node();
  const fromHost = engine.send(IF.TRUNK, asked(query(NAME), { src: '192.168.0.1' }));
  t.is(fromHost.action, Action.HOST);
  t.like(fromHost.seen, { src: VIP, dst: '192.168.0.1', isSound: true });
  const outside = engine.send(IF.UPLINK, asked(query(NAME), { src: OUTSIDE4 }));
  t.is(outside.action, Action.UPLINK);
  t.is(outside.outIfindex, IF.UPLINK);
});

test("dns: what the names do not know goes to the host's server, and the next query climbs again", (t) => {
  const engine = node();
  const sent = engine.send(IF.POD_A, asked(query('example.org')));
  t.is(sent.action, Action.HOST);
  t.like(sent.seen, { src: A4, dst: SERVER, dport: 53, isSound: true });
  t.is(engine.counter(LaneCounter.DNS_LEFT), 1);
  const row = engine.flow(A4, 40001, VIP, 53);
  t.truthy((engine.core.view[row.ptr + FLOW_FLAGS_OFF] ?? 0) & FLOW_F_CLIMB);
  const back = packet({
    proto: 'udp',
    ...{ src: SERVER, dst: A4, sport: 53, dport: 40001, payload: 'reply' },
  });
  const returned = engine.send(IF.TRUNK, back);
  t.is(returned.action, Action.POD);
  t.like(returned.seen, { src: VIP, dst: A4, isSound: true });
  // The same socket asks for a name that is known: a row is no reason not to answer.
  const known = engine.send(IF.POD_A, asked(query(NAME)));
  t.is(messageIn(known.frame, 20).answers?.length, 1);
  t.is(known.action, Action.POD);
});

test('dns: TCP goes to the server, other ports where they went before', (t) => {
  const engine = node();
  const tcp = packet({ proto: 'tcp', src: A4, dst: VIP, sport: 9, dport: 53, flags: 'S' });
  t.like(engine.send(IF.POD_A, tcp).seen, { dst: SERVER, dport: 53 });
  const metrics = packet({ proto: 'tcp', src: A4, dst: VIP, sport: 9, dport: 9153, flags: 'S' });
  t.is(engine.send(IF.POD_A, metrics).seen.proto, 1, 'no backend: refused');
  const other = engine.send(IF.POD_A, asked(query(NAME), { dst: '10.96.0.11' }));
  t.is(other.seen.proto, 1, 'a Service that is not ours has no backend');
});

test('dns: no answer to what is no query, to fragments, to options, to source port 0 [dns V04] [dns V45]', (t) => {
  const engine = node();
  const response = query(NAME, { flags: 0x8100 });
  t.is(engine.send(IF.POD_A, asked(response)).drop, Drop.DNS_NOT_A_QUERY);
  t.is(engine.send(IF.POD_A, asked(query(NAME).slice(0, 11))).drop, Drop.DNS_NOT_A_QUERY);
  t.is(engine.counter(LaneCounter.DNS_ANSWERED), 0);
  for (const odd of [
    { fragment: { offset: 0, more: true } },
    { options: Uint8Array.of(1, 1, 1, 1) },
    { sport: 0 },
  ]) {
    const engineOfOdd = node();
    engineOfOdd.send(IF.POD_A, asked(query(NAME), odd));
    t.is(engineOfOdd.counter(LaneCounter.DNS_ANSWERED), 0, JSON.stringify(odd));
  }
});

test('dns: a reply is never longer than the link takes, and says so', (t) => {
  const engine = node({ udpMax: 4096 });
  const big = query('hdlsbig.testns.svc.cluster.local', { edns: 4096 });
  const { frame, seen } = engine.send(IF.POD_A, asked(big));
  t.true(seen.isSound);
  t.true(frame.length <= ETH_HLEN + 1500 && frame.length > 1400);
  const reply = messageIn(frame, 20);
  t.true(reply.flag_tc);
  t.true((reply.answers?.length ?? 0) > 80);
});

test('dns: a malformed query is told so in its frame, which does not grow [dns V02]', (t) => {
  const sent = node().send(
    IF.POD_A,
    asked(Uint8Array.from(Buffer.from('123401000000000000000000', 'hex'))),
  );
  t.is(sent.frame.length, ETH_HLEN + 20 + 8 + 12);
  t.is((sent.frame[ETH_HLEN + 20 + 8 + 3] ?? 0) & 15, 1);
});

test('dns: AAAA of a name with A only is no data, in the same frame', (t) => {
  const { frame, seen } = node().send(IF.POD_A, asked(query(NAME, { type: TYPE.AAAA })));
  t.true(seen.isSound);
  const reply = messageIn(frame, 20);
  t.is(reply.answers?.length, 0);
  t.is(reply.authorities?.length, 1);
});

test('dns: when the node is the DNS no more, its Service is like any other', (t) => {
  const engine = node();
  engine.tell((control) => {
    control.setDns(undefined);
  });
  t.is(engine.send(IF.POD_A, asked(query(NAME))).seen.proto, 1);
  t.is(engine.counter(LaneCounter.DNS_ANSWERED), 0);
});

test('dns: a sampled query bears the address and the link that it came from; a traced one is none', (t) => {
  const engine = node();
  setSampling(engine.core, 1);
  engine.send(IF.POD_A, asked(query(NAME)));
  engine.send(IF.POD_A, asked(query('example.org')));
  traceIn(engine.core, IF.POD_A, asked(query(NAME)), 1);
  const { queries } = readQueryLog(engine.core, undefined);
  t.is(queries.length, 1);
  t.is(queries[0]?.client && formatAddress(queries[0].client), A4);
  t.is(queries[0]?.ifindex, IF.POD_A);
});
