/** Answers before the server is there: what an earlier one has left, and how it is handed over. */
import test from 'ava';
import dnsPacket from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../src/addr.js';
import { closeFd } from '../../src/native.js';
import { udpOpen } from '../../src/native-sockets.js';
import type { Early } from '../../src/nameserver/early/early.js';
import { openEarly } from '../../src/nameserver/early/early.js';
import type { EarlySetup } from '../../src/nameserver/early/setup.js';
import type { Bound } from '../../src/dns/server/messages.js';
import type { DnsThread } from '../../src/dns/server/thread.js';
import { freePort } from '../support/ports.js';
import { until } from '../support/until.js';
import { ask, askUntil, askUntilComplete, query, sendUdp } from './client.js';
import { metricOf } from './metric.js';
import { OBJECTS, WEB } from './objects.js';
import { openFolder, serve, start } from './served.js';
import type { Owner, ServedOptions } from './served.js';

/** A start takes a fraction of it. */
const HAMMER_MS = 2_000;

/** Who answers everything with one address, for whatever is forwarded. */
async function openUpstream(t: Owner): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  socket.on('message', (message: Buffer, peer) => {
    const { id, questions } = dnsPacket.decode(message);
    const name = questions?.[0]?.name ?? '';
    const answers = [{ type: 'A', name, ttl: 60, data: '192.0.2.7' }] as const;
    const reply = dnsPacket.encode({
      ...{ type: 'response', id, questions, answers: [...answers] },
      flags: dnsPacket.RECURSION_AVAILABLE,
    });
    socket.send(reply, peer.port, peer.address);
  });
  return socket.address().port;
}

interface Left extends ServedOptions {
  readonly folder: string;
  readonly stateDir: string;
  readonly port: number;
}

/** What a server leaves that has answered, and has ended. */
async function leave(t: Owner): Promise<Left> {
  const folder = openFolder(t);
  const port = await freePort();
  const upstream = await openUpstream(t);
  const corefile = `.:53 {
 kubernetes cluster.local
 forward . 127.0.0.1:${upstream}
 prometheus 127.0.0.1:0
}
`;
  const args = ['--port', String(port)];
  const options = { corefile, objects: OBJECTS, folder, isKept: true, args };
  const server = await serve(t, options);
  await askUntilComplete(server);
  const stateDir = join(folder, 'state');
  await until('said how it was started', () => existsSync(join(stateDir, 'early.json')));
  await server.stop();
  return { ...options, stateDir, port };
}

const setupOf = ({ stateDir }: Left): EarlySetup =>
  JSON.parse(readFileSync(join(stateDir, 'early.json'), 'utf8')) as EarlySetup;

/** A thread that answers with what it is asked. */
function standIn(bound: readonly Partial<Bound>[]) {
  const counted: bigint[] = [];
  const thread = {
    bound: () => bound,
    ask: (_: number, message: Uint8Array) =>
      Promise.resolve(
        dnsPacket.encode({ ...dnsPacket.decode(Buffer.from(message)), type: 'response' }),
      ),
    addCounters: (counters: BigUint64Array) => {
      counted.push(counters.reduce((sum, count) => sum + count, 0n));
    },
  };
  return { thread: thread as unknown as DnsThread, counted };
}

/** A socket at the same address, as a thread of the server opens it. */
function openSuccessor(t: Owner, { port }: Left): Partial<Bound> {
  const address = parseAddress('127.0.0.1');
  const { fd } = udpOpen({ address, port, isShared: true });
  t.teardown(() => closeFd(fd));
  return { transport: 'udp', host: '127.0.0.1', port, fd };
}

function open(t: Owner, left: Left, words = setupOf(left).words): Early | undefined {
  const early = openEarly(left.stateDir, words);
  t.teardown(() => early?.handOver(standIn([]).thread));
  return early;
}

test.serial(
  'early: names on disk are answered, what may have come meanwhile is not denied',
  async (t) => {
    const left = await leave(t);
    t.truthy(open(t, left));
    const { rcode, answers, packet } = await ask(left, WEB);
    t.deepEqual([rcode, answers], ['NOERROR', ['A 10.96.0.1']]);
    t.true((packet as unknown as { flag_aa: boolean }).flag_aa);
    t.is((await ask(left, 'new.default.svc.cluster.local')).rcode, 'SERVFAIL');
  },
);

test.serial('early: what the core leaves to the host waits for the server', async (t) => {
  const left = await leave(t);
  const early = openEarly(left.stateDir, setupOf(left).words);
  const message = query('example.org');
  let isHandedOver = false;
  const waiting = sendUdp(message, left).then((reply) => {
    t.true(isHandedOver);
    return reply;
  });
  await ask(left, WEB);
  // By then the first query has been received, too.
  const { thread, counted } = standIn([openSuccessor(t, left)]);
  isHandedOver = true;
  early?.handOver(thread);
  t.deepEqual((await waiting)?.subarray(0, 2), message.subarray(0, 2));
  t.is(counted.length, 1);
  t.true((counted[0] ?? 0n) > 0n);
});

test.serial('early: another command line, folder, Corefile or ABI is another server', async (t) => {
  const left = await leave(t);
  const { words } = setupOf(left);
  const file = join(left.stateDir, 'early.json');
  const whole = readFileSync(file, 'utf8');
  const change = (more: Partial<EarlySetup>): void => {
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(whole) as EarlySetup), ...more }));
  };
  t.is(open(t, left, [...words, '--sample', '1']), undefined);
  t.is(openEarly(join(left.folder, 'nowhere'), words), undefined);
  change({ folder: '/' });
  t.is(open(t, left), undefined);
  change({ abi: 0 });
  t.is(open(t, left), undefined);
  change({ identity: 'of another Corefile' });
  t.is(open(t, left), undefined, 'the names are of the one before');
  writeFileSync(file, whole.slice(0, -1));
  t.is(openEarly(left.stateDir, words), undefined, 'cut off');
  writeFileSync(file, whole);
  writeFileSync(join(left.folder, 'Corefile'), `${left.corefile}\n# changed\n`);
  t.is(open(t, left), undefined);
  writeFileSync(join(left.folder, 'Corefile'), left.corefile);
  const early = open(t, left);
  t.truthy(early);
});

test.serial('early: a port that the kernel has chosen is not opened again', async (t) => {
  const folder = openFolder(t);
  const server = await serve(t, { corefile: '.:53 {\n whoami\n}\n', folder, isKept: true });
  await askUntil(server, 'example.org', ({ rcode }) => rcode === 'NOERROR');
  await server.stop();
  t.false(existsSync(join(folder, 'state', 'early.json')));
});

test.serial(
  'early: from the first answer on no query is lost, and each is counted once',
  async (t) => {
    const left = await leave(t);
    const server = start(t, left);
    const endMs = Date.now() + HAMMER_MS;
    const told = { wrong: 0, silence: 0 };
    let replies = 0;
    for (let i = 0; Date.now() < endMs; i++) {
      const isOurs = i % 2 === 0;
      const message = query(isOurs ? WEB : `name${i}.example.org`);
      const reply = await sendUdp(message, { port: left.port });
      // Before the first socket is open it is refused at once.
      if (reply === undefined && replies === 0) continue;
      if (reply === undefined) {
        told.silence++;
        continue;
      }
      replies++;
      const [answer] = dnsPacket.decode(reply).answers ?? [];
      const expected = isOurs ? '10.96.0.1' : '192.0.2.7';
      if (answer?.type !== 'A' || answer.data !== expected) told.wrong++;
    }
    await server.said(/\/metrics$/);
    t.deepEqual(told, { wrong: 0, silence: 0 });
    t.is(await metricOf(server, 'coredns_dns_requests_total', (n) => n >= replies), replies);
  },
);
