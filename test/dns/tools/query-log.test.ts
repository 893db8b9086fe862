/** The sample of queries in a core: what is noted of each, how many are taken, what is left out. */
import test from 'ava';
import dnsPacket from 'dns-packet';
import * as abi from '../../../assembly/abi-dns.js';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { formatAddress, parseAddress } from '../../../src/addr.js';
import {
  logWritten,
  noteBatch,
  noteClient,
  readQueryLog,
  setSampling,
} from '../../../src/core/query-log.js';
import type { HostReply } from '../../../src/dns/chain/setup.js';
import { createHostLog } from '../../../src/dns/server/host-log.js';
import { formatName } from '../../../src/dns/wire/name.js';
import { TYPE, openDnsCore, putCluster, query } from '../core/zone.js';

const NAME = 'svc1.testns.svc.cluster.local';

function rig(every: number) {
  const dns = openDnsCore();
  dns.apply(putCluster);
  setSampling(dns.core, every);
  return dns;
}

test('log: name in lower case, type, RCODE and who has answered, oldest first', (t) => {
  const { core, ask } = rig(1);
  ask(query('SVC1.testns.svc.cluster.local', { type: TYPE.AAAA }));
  ask(query('nosuch.testns.svc.cluster.local'), { flags: abi.DNS_F_TCP });
  ask(query('10-1-2-3.podns.pod.cluster.local'));
  ask(query('example.org'));
  const { queries, every, written, lost } = readQueryLog(core, undefined);
  t.deepEqual({ every, written, lost }, { every: 1, written: 4, lost: 0 });
  t.deepEqual(
    queries.map(({ name, type, rcode, by, transport, client, ifindex }) => [
      ...[formatName(name), type, rcode, by, transport, client, ifindex],
    ]),
    [
      [`${NAME}.`, TYPE.AAAA, 0, abi.DnsWhy.ZONE, 'udp', undefined, 0],
      ['nosuch.testns.svc.cluster.local.', TYPE.A, 3, abi.DnsWhy.ZONE, 'tcp', undefined, 0],
      ['10-1-2-3.podns.pod.cluster.local.', TYPE.A, 0, abi.DnsWhy.POD, 'udp', undefined, 0],
      ['example.org.', TYPE.A, 5, abi.DnsWhy.REFUSED, 'udp', undefined, 0],
    ],
  );
  t.deepEqual(readQueryLog(core, written).queries, [], 'nothing new since');
});

test('log: the longest name is whole, and of a malformed message there is none', (t) => {
  const { core, ask } = rig(1);
  const long = [63, 63, 63, 61].map((n) => 'x'.repeat(n)).join('.');
  ask(query(long));
  ask(query(NAME).subarray(0, 20));
  const [first, second] = readQueryLog(core, undefined).queries;
  t.is(formatName(first?.name ?? new Uint8Array()), `${long}.`);
  t.is(first?.name.length, 255);
  t.like(second, { rcode: 1, by: abi.DnsWhy.MALFORMED, type: 0 });
  t.is(second?.name.length, 0);
});

test('log: what is not counted, dropped or left to the host is not in it', (t) => {
  const { core, ask, apply } = rig(1);
  apply((writer) => {
    putCluster(writer, { flags: abi.CUT_F_HOST });
  });
  t.is(ask(query(NAME)).result, abi.DNS_HOST);
  t.is(ask(query(NAME, { flags: 0x8000 })).result, abi.DNS_DROP);
  t.true(ask(query('example.org'), { flags: abi.DNS_F_UNCOUNTED }).result > 0);
  t.is(logWritten(core), 0);
});

test('log: 0 takes none; one in n takes so many of A and of AAAA, asked in turn', (t) => {
  const { core, ask } = rig(0);
  for (let i = 0; i < 200; i++) ask(query(NAME));
  t.is(logWritten(core), 0);
  setSampling(core, 16);
  const counts = new Map<number, number>();
  let since = 0;
  const rounds = 32_000;
  for (let i = 0; i < rounds; i++) {
    ask(query(NAME, { type: i % 2 === 0 ? TYPE.A : TYPE.AAAA }));
    if (i % 200 !== 199) continue;
    const page = readQueryLog(core, since);
    t.is(page.lost, 0);
    for (const { type } of page.queries) counts.set(type, (counts.get(type) ?? 0) + 1);
    since = page.written;
  }
  // Gaps are even from 1 to 31: 2000 samples with a standard deviation of about 25.
  for (const type of [TYPE.A, TYPE.AAAA]) {
    const count = counts.get(type) ?? 0;
    t.true(count > 800 && count < 1200, `${count} of type ${type}`);
  }
});

test('log: what is overwritten before it is read is said to be lost', (t) => {
  const { core, ask } = rig(1);
  ask(query('first.testns.svc.cluster.local'));
  const { written } = readQueryLog(core, undefined);
  for (let i = 0; i < abi.LOG_SLOTS + 5; i++) ask(query(`n${i}.testns.svc.cluster.local`));
  const page = readQueryLog(core, written);
  t.is(page.lost, 5);
  t.is(page.queries.length, abi.LOG_SLOTS);
  t.is(formatName(page.queries[0]?.name ?? new Uint8Array()), 'n5.testns.svc.cluster.local.');
  t.is(readQueryLog(core, undefined).lost, 0, 'who begins to look has lost nothing');
});

test('log: the host says whose a query was, of the last one and of a batch', (t) => {
  const { core, ask } = rig(1);
  ask(query(NAME));
  noteClient(core, parseAddress('10.1.2.3').bytes);
  ask(query(NAME), { flags: abi.DNS_F_UNCOUNTED });
  noteClient(core, parseAddress('10.9.9.9').bytes);
  const at = SCRATCH_BASE;
  const message = query(NAME);
  const before = logWritten(core);
  for (let i = 0; i < 3; i++) {
    const slot = at + 4096 * (i + 1);
    core.view.set(message, slot);
    const descriptor = at + abi.BATCH_SIZE * i;
    core.words.setUint32(descriptor + abi.BATCH_MESSAGE_OFF, slot, true);
    core.words.setUint32(descriptor + abi.BATCH_LENGTH_OFF, message.length, true);
    core.words.setUint32(descriptor + abi.BATCH_ROOM_OFF, 4095, true);
    core.words.setUint16(descriptor + abi.BATCH_LISTENER_OFF, i === 1 ? 9 : 1, true);
    core.words.setUint16(descriptor + abi.BATCH_FLAGS_OFF, 0, true);
  }
  t.is(core.exports.dnsBatch(at, 3, 1), 3);
  noteBatch(core, before, (i) => parseAddress(`fd00::${i + 1}`).bytes);
  const clients = readQueryLog(core, undefined).queries.map(({ client }) =>
    client ? formatAddress(client) : undefined,
  );
  t.deepEqual(clients, ['10.1.2.3', 'fd00::1', 'fd00::2', 'fd00::3']);
});

test('log: of the chain, the plugin, the client and the RCODE are kept, newest over oldest', (t) => {
  const log = createHostLog(1, Math.random, () => 7);
  const note = (name: string): void => {
    const message = dnsPacket.encode({ type: 'query', questions: [{ type: 'A', name }] });
    const server = { address: parseAddress('192.0.2.53'), port: 53 };
    const client = {
      address: parseAddress('10.1.2.3'),
      port: 4,
      transport: 'tls',
      server,
    } as const;
    const wire = message.subarray(12, message.length - 4);
    log.note({
      query: { message, name: wire, type: 1, class: 1, client },
      ...{ rcode: 'NXDOMAIN', plugin: 'forward', type: 'A', transport: 'tls' },
      ...{ bytes: 1, seconds: 0, zone: { server: '', zone: '', view: '' } },
    } satisfies HostReply);
  };
  for (let i = 0; i < 70; i++) note(`N${i}.example`);
  const page = log.page(0);
  t.is(page.lost, 6);
  t.is(page.queries.length, 64);
  const [first] = page.queries;
  t.is(formatName(first?.name ?? new Uint8Array()), 'n6.example.');
  t.like(first, { rcode: 3, by: 'forward', transport: 'tls', timeMs: 7 });
  t.is(first?.client && formatAddress(first.client), '10.1.2.3');
  const off = createHostLog(0, Math.random, () => 7);
  t.is(off.page(undefined).written, 0);
});
