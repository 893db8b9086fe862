/** Host ports of attachments: who reaches them, as whom, and who has a port. */
import test from 'ava';
import { Action, Drop, Verdict } from '../../assembly/abi.js';
import { parseAddress, parseMac } from '../../src/addr.js';
import type { PodLink } from '../../src/compile/links.js';
import { attachmentKey } from '../../src/model/attachments.js';
import type { AttachmentRecord, HostPort } from '../../src/model/attachments.js';
import { conflicts } from '../../src/model/host-ports.js';
import {
  A4,
  type Engine,
  IF,
  MAC,
  NODE4,
  NODE6,
  OUTSIDE4,
  OUTSIDE6,
  openEngine,
} from '../support/engine.js';
import { packet } from '../support/frames.js';

const POD4 = '10.244.1.20';
const POD6 = 'fd00:10:244:1::20';

function mapping(hostPort: number, more: Partial<HostPort> = {}): HostPort {
  return { protocol: 'TCP', hostPort, containerPort: 8080, hostIP: undefined, ...more };
}

function attachment(
  containerId: string,
  hostPorts: readonly HostPort[],
  addresses = [POD4, POD6],
): AttachmentRecord {
  const name = { network: 'pods', containerId, ifname: 'eth0' };
  return {
    key: attachmentKey(name),
    name,
    pod: undefined,
    addresses: addresses.map(parseAddress),
    hostPorts,
    isShaped: false,
  };
}

function linkOf(record: AttachmentRecord, ifindex: number): PodLink {
  const mac = parseMac(`02:00:00:00:00:${String(ifindex)}`);
  return { kind: 'pod', ifindex, pod: record.key, mac, ownMac: parseMac(MAC.GATEWAY), mtu: 1500 };
}

const LINK = 20;

function nodeWith(...hostPorts: HostPort[]): Engine {
  const engine = openEngine();
  const record = attachment('one', hostPorts);
  engine.tell((control) => control.attach(record, linkOf(record, LINK)));
  return engine;
}

interface Try {
  readonly from: number;
  readonly src: string;
  readonly dst: string;
  readonly proto?: 'tcp' | 'udp' | 'sctp';
  readonly sport?: number;
}

function ask(engine: Engine, { from, src, dst, proto = 'tcp', sport = 40000 }: Try) {
  const chunks = proto === 'sctp' ? { chunks: ['INIT'] as const } : {};
  const spec = { proto, src, dst, sport, dport: 8000, flags: 'S', ...chunks } as const;
  return engine.send(from, packet(spec));
}

const OUTER = { from: IF.UPLINK, src: OUTSIDE4, dst: NODE4 };

test('host ports: who reaches one, and as whom [cni 74]', (t) => {
  const engine = nodeWith(mapping(8000));
  const tries: readonly (readonly [string, Try, string])[] = [
    ['from outside', OUTER, OUTSIDE4],
    ['over IPv6', { from: IF.UPLINK, src: OUTSIDE6, dst: NODE6 }, OUTSIDE6],
    ['from another pod', { from: IF.POD_A, src: A4, dst: NODE4 }, A4],
    ['from the node', { from: IF.TRUNK, src: NODE4, dst: NODE4 }, NODE4],
    ['by 127.0.0.1', { from: IF.TRUNK, src: '127.0.0.1', dst: '127.0.0.1' }, NODE4],
    ['from the pod itself', { from: LINK, src: POD4, dst: NODE4 }, NODE4],
  ];
  for (const [what, attempt, seenAs] of tries) {
    const { action, outIfindex, seen } = ask(engine, attempt);
    t.is(action, Action.POD, what);
    t.is(outIfindex, LINK, what);
    t.is(seen.dport, 8080, what);
    t.is(seen.src, seenAs, what);
  }
});

test('host ports: 127.0.0.1 is the node’s alone', (t) => {
  const engine = nodeWith(mapping(8000));
  const { drop } = ask(engine, { from: IF.UPLINK, src: OUTSIDE4, dst: '127.0.0.1' });
  t.is(drop, Drop.MARTIAN_DESTINATION);
});

test('host ports: hostIP narrows a mapping, unspecified is every address of its family [cni 74]', (t) => {
  const reached = (hostIP: string, attempt: Try): boolean =>
    ask(nodeWith(mapping(8000, { hostIP: parseAddress(hostIP) })), attempt).outIfindex === LINK;
  const outer6 = { from: IF.UPLINK, src: OUTSIDE6, dst: NODE6 };
  t.true(reached(NODE4, OUTER));
  t.false(reached('192.168.0.77', OUTER));
  t.false(reached(NODE6, OUTER));
  t.true(reached(NODE6, outer6));
  t.true(reached('0.0.0.0', OUTER));
  t.false(reached('0.0.0.0', outer6));
  t.true(reached('::', outer6));
  t.false(reached('::', OUTER));
  t.true(reached('127.0.0.1', { from: IF.TRUNK, src: '127.0.0.1', dst: '127.0.0.1' }));
});

test('host ports: every protocol has ports of its own', (t) => {
  for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
    const engine = nodeWith(mapping(8000, { protocol }));
    for (const proto of ['tcp', 'udp', 'sctp'] as const) {
      const { outIfindex } = ask(engine, { ...OUTER, proto });
      t.is(outIfindex === LINK, proto === protocol.toLowerCase(), `${proto} at ${protocol}`);
    }
  }
});

test('host ports: a UDP port given to another container takes its flows along at once [cni 73]', (t) => {
  const engine = nodeWith(mapping(8000, { protocol: 'UDP' }));
  const first = ask(engine, { ...OUTER, proto: 'udp' });
  t.is(first.outIfindex, LINK);
  const old = attachment('one', []);
  engine.tell((control) => control.detach(old.key));
  t.is(engine.flows().length, 0, 'gone with the container, before anybody else has the port');
  const next = attachment('two', [mapping(8000, { protocol: 'UDP' })], ['10.244.1.21']);
  engine.tell((control) => control.attach(next, linkOf(next, 21)));
  const again = ask(engine, { ...OUTER, proto: 'udp' });
  t.is(again.outIfindex, 21, 'the same client port');
  t.is(again.seen.dst, '10.244.1.21');
});

test('host ports: the first of two attachments keeps a port, the second has it when it is free', (t) => {
  const engine = nodeWith(mapping(8000));
  const second = attachment('two', [mapping(8000), mapping(8001)], ['10.244.1.21']);
  engine.tell((control) => control.attach(second, linkOf(second, 21)));
  t.is(ask(engine, OUTER).outIfindex, LINK);
  engine.tell((control) => {
    const [problem] = control.problems();
    t.regex(problem?.reason ?? '', /hostPort 8000\/TCP: taken by cni:pods\/one\/eth0/);
    const { services } = control.explain();
    t.is(services.filter(({ type }) => type === 'HostPort').length, 3);
  });
  engine.tell((control) => control.detach(attachment('one', []).key));
  t.is(ask(engine, { ...OUTER, sport: 40001 }).outIfindex, 21);
  engine.tell((control) => t.deepEqual(control.problems(), []));
});

test('host ports: a port that is gone is nobody’s', (t) => {
  const engine = nodeWith(mapping(8000));
  engine.tell((control) => control.detach(attachment('one', []).key));
  const { verdict, action } = ask(engine, OUTER);
  t.true(verdict === Verdict.PUNT || action === Action.HOST);
});

test('host ports: what competes with what [cni 73]', (t) => {
  const at = (text: string) => parseAddress(text);
  const texts = (mine: HostPort[], theirs: HostPort[]): string[] =>
    conflicts(attachment('new', mine), [attachment('old', theirs)]).map(({ text }) => text);
  const four = mapping(80, { hostIP: at('192.0.2.1') });
  t.deepEqual(texts([mapping(80)], [mapping(81), mapping(80, { protocol: 'UDP' })]), []);
  t.deepEqual(texts([mapping(80)], [mapping(80)]), ['hostPort 80/TCP: taken by cni:pods/old/eth0']);
  t.is(texts([four], [mapping(80)]).length, 1);
  t.is(texts([four], [mapping(80, { hostIP: at('192.0.2.2') })]).length, 0);
  t.is(texts([four], [mapping(80, { hostIP: at('::') })]).length, 0);
  t.is(texts([four], [mapping(80, { hostIP: at('0.0.0.0') })]).length, 1);
  t.deepEqual(texts([mapping(80), mapping(80)], []), [
    'hostPort 80/TCP: taken by the same attachment',
  ]);
});
