/** `sluice trace` in words, over a core that is compiled from objects as the agent does it. */
import test from 'ava';
import type { Verdict } from '../../assembly/abi.js';
import { parseAddress } from '../../src/addr.js';
import { traceIn } from '../../src/core/trace.js';
import { buildProbe, parseProbe } from '../../src/ops/probe-frame.js';
import { explainTrace, formatTrace, ingressOf } from '../../src/ops/trace.js';
import type { NamedLink } from '../../src/ops/trace-words.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  IF,
  NODE4,
  OUTSIDE4,
  REMOTE4,
  openEngine,
} from '../support/engine.js';
import { hexOf, see } from '../support/frames.js';
import { VIP, VIP6, back, webOver } from '../stage/web.js';

const addresses = (...texts: string[]) => texts.map(parseAddress);
const LINKS: readonly NamedLink[] = [
  { kind: 'host', name: 'slc0', ifindex: IF.TRUNK, addresses: addresses(NODE4) },
  { kind: 'uplink', name: 'eth0', ifindex: IF.UPLINK, addresses: [] },
  {
    kind: 'pod',
    name: 'slcaaaa',
    ifindex: IF.POD_A,
    pod: 'default/a',
    addresses: addresses(A4, A6),
  },
  {
    kind: 'pod',
    name: 'slcbbbb',
    ifindex: IF.POD_B,
    pod: 'default/b',
    addresses: addresses(B4, B6),
  },
];
const AROUND = { links: LINKS, serviceName: () => 'default/web:http' };

function trace(engine: Engine, from: string, to: string, name?: string) {
  const probe = parseProbe(from, to);
  const ingress = ingressOf(LINKS, probe.from.address, name);
  const traced = traceIn(engine.core, ingress.ifindex, buildProbe(probe), engine.nowMs);
  return explainTrace(probe, traced, AROUND);
}

const HEAD = 'packet       ';
/** IP()/SCTP()/SCTPChunkInit() of scapy with these addresses and ports. */
const SCTP_INIT =
  '4500003400004000408423e70af401020a60000ac3500f1c00000000993f3da60100001400000001000100000001000100000001';

test('trace: a service packet is told stage by stage', (t) => {
  const report = trace(webOver(B4), `${A4}:40000`, `${VIP}:80/TCP`);
  t.is(
    formatTrace(report),
    [
      `${HEAD}TCP 10.244.1.2:40000 > 10.96.0.10:80`,
      'parse        TCP 10.244.1.2:40000 > 10.96.0.10:80, 54 bytes',
      'classify     came by slcaaaa of pod default/a',
      'flow-lookup  miss: the first packet of a flow',
      'service      ClusterIP of default/web:http: backend 10.244.1.3:8080 (random)',
      'policy       from a pod: endpoints of the whole cluster, source kept',
      'route        POD by slcbbbb of pod default/b, next hop known',
      'flow-create  two rows: TCP 10.244.1.2:40000 > 10.96.0.10:80 becomes 10.244.1.2:40000 > 10.244.1.3:8080; 10.244.1.3:8080 > 10.244.1.2:40000 becomes 10.96.0.10:80 > 10.244.1.2:40000',
      'nat          TCP 10.244.1.2:40000 > 10.244.1.3:8080, TTL 63',
      'verdict      TX',
    ].join('\n'),
  );
});

test('trace: the frame is to the byte what a real packet leaves as', (t) => {
  const engine = openEngine();
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  const targets = ports.map((port) => ({ ...port, port: port.port + 8000 }));
  engine.apply(
    put('Service', service('four', { clusterIP: VIP, ports })),
    put('Service', service('six', { clusterIP: VIP6, ports })),
    put('EndpointSlice', slice('four-1', 'four', [ready(B4)], targets)),
    put('EndpointSlice', slice('six-1', 'six', [ready(B6)], targets)),
  );
  const cases = [
    [`${A4}:4000`, `${VIP}:80/TCP`],
    [`${A4}:4000`, `${VIP}:53/UDP`],
    [`[${A6}]:4000`, `[${VIP6}]:80/TCP`],
    [`[${A6}]:4000`, `[${VIP6}]:53/UDP`],
    [A4, `${B4}/ICMP`],
    [A6, `${B6}/ICMP`],
  ] as const;
  for (const [from, to] of cases) {
    const { frame } = trace(engine, from, to);
    const sent = engine.send(IF.POD_A, buildProbe(parseProbe(from, to)));
    t.true(sent.seen.isSound);
    t.is(frame, hexOf(sent.frame), to);
  }
});

test('trace: a hit names row, direction and state', (t) => {
  const engine = webOver(B4);
  engine.send(IF.POD_A, buildProbe(parseProbe(`${A4}:40000`, `${VIP}:80`)));
  engine.send(IF.POD_B, back(B4, 'SA'));
  const { idx } = engine.flow(A4, 40000, VIP, 80);
  const { stages, verdict } = trace(engine, `${A4}:40000`, `${VIP}:80`);
  t.is(verdict, 'TX');
  t.deepEqual(stages.slice(2), [
    {
      stage: 'flow-lookup',
      decision: `hit: row ${idx} of flows4, original direction, SYN_RECV`,
    },
    { stage: 'route', decision: 'POD by slcbbbb of pod default/b, next hop known' },
    { stage: 'nat', decision: 'TCP 10.244.1.2:40000 > 10.244.1.3:8080, TTL 63' },
  ]);
});

test('trace: a refusal says what the sender is told', (t) => {
  const { stages, verdict, drop } = trace(webOver(), `${A4}:40000`, `${VIP}:80`);
  t.is(verdict, 'TX');
  t.is(drop, undefined);
  t.deepEqual(stages.slice(3), [
    { stage: 'service', decision: 'ClusterIP of default/web:http: no backend anywhere' },
    { stage: 'policy', decision: 'from a pod: endpoints of the whole cluster, source kept' },
    { stage: 'reject', decision: 'refused aloud: ICMP type 3 code 3 to the sender' },
  ]);
});

test('trace: a port that no service has is told apart from an address that none has', (t) => {
  const engine = webOver(B4);
  const wrongPort = trace(engine, `${A4}:40000`, `${VIP}:81`);
  t.is(wrongPort.stages[3]?.decision, "the address is a service's, this port is not");
  const noRoute = trace(engine, `${NODE4}:40000`, '203.0.113.7:80/UDP');
  t.deepEqual(noRoute.stages.slice(3), [
    { stage: 'service', decision: 'not for a service' },
    { stage: 'route', decision: 'dropped: NO_ROUTE (docs/troubleshooting.md#no_route)' },
  ]);
  t.is(noRoute.drop, 'NO_ROUTE');
});

test('trace: a drop ends the list at its stage, with the name that the documentation has', (t) => {
  const engine = webOver(B4);
  const spoofed = trace(engine, `${B4}:1`, `${VIP}:80`, 'slcaaaa');
  t.deepEqual(spoofed.stages.at(-1), {
    stage: 'classify',
    decision: 'dropped: SPOOFED_SOURCE (docs/troubleshooting.md#spoofed_source)',
  });
  t.is(spoofed.stages.length, 2);
  t.is(spoofed.frame, undefined);
  t.is(formatTrace(spoofed).split('\n').at(-1), 'verdict      DROP SPOOFED_SOURCE');
  const verdict: keyof typeof Verdict = 'DROP';
  t.is(spoofed.verdict, verdict);
});

test('trace: who has no link comes by the uplink, the node by the trunk', (t) => {
  const from = (text: string, name?: string) => ingressOf(LINKS, parseAddress(text), name).name;
  t.is(from(A4), 'slcaaaa');
  t.is(from(B6), 'slcbbbb');
  t.is(from(NODE4), 'slc0');
  t.is(from('127.0.0.1'), 'slc0');
  t.is(from('::1'), 'slc0');
  t.is(from(OUTSIDE4), 'eth0');
  t.is(from(REMOTE4), 'eth0');
  t.is(from(A4, 'eth0'), 'eth0');
  const message = '--in: eth9: expected one of slc0, eth0, slcaaaa, slcbbbb';
  t.throws(() => from(A4, 'eth9'), { message });
  t.throws(() => ingressOf([], parseAddress(A4), undefined), {
    message: '--in: no uplink for packets from 10.244.1.2: expected one of (no links)',
  });
});

test('trace: a packet from outside shows its hidden source', (t) => {
  const { stages } = trace(webOver(B4), `${OUTSIDE4}:40000`, `${VIP}:80`);
  const said = (stage: string) => stages.find((line) => line.stage === stage)?.decision ?? '';
  t.is(said('policy'), 'from outside: endpoints of the whole cluster, source hidden');
  t.regex(said('masquerade'), /^source becomes 192\.168\.0\.1:\d+$/);
});

test('probe: frames are sound, and SCTP is to the byte what scapy builds', (t) => {
  const of = (from: string, to: string) => buildProbe(parseProbe(from, to));
  t.like(see(of(`${A4}:1`, `${VIP}:80`)), { flags: 'S', sport: 1, dport: 80, isSound: true });
  t.like(see(of(`[${A6}]:1`, `[${VIP6}]:80/udp`)), { proto: 17, dport: 80, isSound: true });
  t.like(see(of(`${A4}:7`, `${VIP}/icmp`)), { proto: 1, type: 8, id: 7, isSound: true });
  t.like(see(of(`[${A6}]:7`, `${VIP6}/ICMP`)), { proto: 58, type: 128, id: 7, isSound: true });
  t.is(hexOf(of(A4, `${VIP}:3868/SCTP`)).slice(28), SCTP_INIT);
});

test('probe: a wrong end is named with what was expected', (t) => {
  const complaint = (from: string, to: string) =>
    t.throws(() => parseProbe(from, to), { code: 'ERR_USAGE' }).message;
  t.is(
    complaint('a', `${VIP}:80`),
    '--from: "a": expected IP:PORT such as 10.0.0.1:80 or [fd00::1]:80',
  );
  t.is(
    complaint(A4, `${VIP}:80/HTTP`),
    `--to: "${VIP}:80/HTTP": expected IP:PORT/PROTO, PROTO one of TCP, UDP, SCTP, ICMP`,
  );
  t.is(complaint(A4, VIP), `--to: "${VIP}": expected a port`);
  t.is(complaint(A4, `${VIP}:0`), `--to: "${VIP}:0": expected a port from 1 to 65535`);
  t.is(complaint(A4, `[${VIP6}]:80`), '--from and --to: expected addresses of one family');
});
