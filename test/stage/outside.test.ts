/** What leaves the cluster: with the node's address, or not at all. */
import test from 'ava';
import * as abi from '../../assembly/abi.js';
import { Action, Drop, LaneCounter, Verdict } from '../../assembly/abi.js';
import { parseCidr } from '../../src/addr.js';
import { NO_OUTSIDE } from '../../src/compile/outside.js';
import type { Outside } from '../../src/compile/outside.js';
import { put, service } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  type Engine,
  type EngineOptions,
  IF,
  NODE4,
  NODE6,
  OUTSIDE4,
  OUTSIDE6,
  REMOTE4,
  openEngine,
} from '../support/engine.js';
import { type PacketSpec, packet } from '../support/frames.js';

const DEFAULTS = ['0.0.0.0/0', '::/0'].map((text) => ({
  cidr: parseCidr(text),
  uplink: IF.UPLINK,
}));
const LINKS_OWN = ['169.254.0.0/16', 'fe80::/10', 'ff00::/8'].map(parseCidr);

function outsideOf(more: Partial<Outside> = {}): Outside {
  return { ...NO_OUTSIDE, routes: DEFAULTS, kernels: LINKS_OWN, ...more };
}

function nodeWith(more: Partial<Outside> = {}, options: EngineOptions = {}): Engine {
  const engine = openEngine(options);
  engine.tell((control) => control.setOutside(outsideOf(more)));
  return engine;
}

const SYN: PacketSpec = {
  proto: 'tcp',
  src: A4,
  dst: OUTSIDE4,
  sport: 40000,
  dport: 443,
  flags: 'S',
};

const isSnatPort = (port: number | undefined): boolean =>
  port !== undefined && port >= abi.SNAT_PORT_FIRST && port < abi.SNAT_PORT_END;

for (const [proto, family, src, dst, node] of [
  ['tcp', 4, A4, OUTSIDE4, NODE4],
  ['udp', 4, A4, OUTSIDE4, NODE4],
  ['tcp', 6, A6, OUTSIDE6, NODE6],
  ['udp', 6, A6, OUTSIDE6, NODE6],
] as const) {
  test(`outside: ${proto} over IPv${String(family)} leaves with the node's address and comes back`, (t) => {
    const engine = nodeWith();
    const sent = engine.send(IF.POD_A, packet({ ...SYN, proto, src, dst, flags: 'S' }));
    t.is(sent.verdict, Verdict.TX);
    t.is(sent.action, Action.UPLINK);
    t.is(sent.outIfindex, IF.UPLINK);
    t.is(sent.seen.src, node);
    t.is(sent.seen.dst, dst);
    t.true(isSnatPort(sent.seen.sport));
    t.true(sent.seen.isSound);
    const port = sent.seen.sport ?? 0;
    const back = { src: dst, dst: node, sport: 443, dport: port, flags: 'SA' } as const;
    const got = engine.send(IF.UPLINK, packet({ ...back, proto }));
    t.is(got.action, Action.POD);
    t.is(got.outIfindex, IF.POD_A);
    t.is(got.seen.dst, src);
    t.is(got.seen.dport, 40000);
    t.true(got.seen.isSound);
  });
}

test('outside: what stays in the cluster or on the node keeps its address', (t) => {
  const engine = nodeWith();
  for (const dst of [B4, REMOTE4, '192.168.0.2', NODE4, '169.254.169.254']) {
    const { seen, verdict } = engine.send(IF.POD_A, packet({ ...SYN, dst }));
    t.not(verdict, Verdict.DROP, dst);
    t.is(seen.src, A4, dst);
  }
});

test('outside: a route of another device stays the kernel’s, and so does what lies in a pod range', (t) => {
  const engine = nodeWith({
    routes: [
      ...DEFAULTS,
      { cidr: parseCidr('172.17.0.0/16'), uplink: undefined },
      { cidr: parseCidr('10.244.2.128/25'), uplink: IF.UPLINK },
    ],
  });
  const docker = engine.send(IF.POD_A, packet({ ...SYN, dst: '172.17.0.2' }));
  t.is(docker.action, Action.HOST);
  t.is(docker.seen.src, A4);
  const remote = engine.send(IF.POD_A, packet({ ...SYN, dst: '10.244.2.200' }));
  t.is(remote.action, Action.UPLINK);
  t.is(remote.seen.src, A4);
});

test('outside: only pods are masqueraded', (t) => {
  const engine = nodeWith();
  const { drop, verdict } = engine.send(IF.TRUNK, packet({ ...SYN, src: NODE4 }));
  t.true(verdict === Verdict.TX || drop === Drop.NO_ROUTE);
  t.deepEqual(
    engine.flows().filter(({ newSport }) => isSnatPort(newSport)),
    [],
  );
});

test('outside: destinations of the list keep the pod’s address, however long the list is', (t) => {
  const exempt = Array.from({ length: 63 }, (_, i) => parseCidr(`203.0.${String(i)}.0/24`));
  const engine = nodeWith({ exempt: [...exempt, parseCidr('2001:db8:100::/48')] });
  for (const [src, dst] of [
    [A4, '203.0.0.1'],
    [A4, '203.0.62.255'],
    [A6, OUTSIDE6],
  ] as const) {
    const { seen, action } = engine.send(IF.POD_A, packet({ ...SYN, src, dst }));
    t.is(action, Action.UPLINK);
    t.is(seen.src, src);
    t.is(seen.sport, 40000);
  }
  t.is(engine.send(IF.POD_A, packet({ ...SYN, dst: '203.0.63.1' })).seen.src, NODE4);
  engine.tell((control) => control.setOutside(outsideOf()));
  const later = { ...SYN, dst: '203.0.0.1', sport: 40001 };
  t.is(engine.send(IF.POD_A, packet(later)).seen.src, NODE4, 'the list is empty again');
});

test('outside: segments of no known connection are dropped, not let out as they are', (t) => {
  const engine = nodeWith();
  for (const flags of ['A', 'SA', 'FA', 'R', 'RA'] as const) {
    const { verdict, drop } = engine.send(IF.POD_A, packet({ ...SYN, flags }));
    t.is(verdict, Verdict.DROP, flags);
    t.is(drop, Drop.TCP_INVALID_STATE, flags);
  }
  t.is(engine.flows().length, 0);
});

test('outside: what answers could not be told by is dropped by name', (t) => {
  const engine = nodeWith();
  const frame = packet(SYN);
  const esp = 50;
  frame[14 + 9] = esp;
  frame.set([0, 0], 14 + 10);
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += ((frame[i] ?? 0) << 8) | (frame[i + 1] ?? 0);
  sum = (sum & 0xffff) + (sum >>> 16);
  const checksum = ~(sum + (sum >>> 16)) & 0xffff;
  frame.set([checksum >> 8, checksum & 0xff], 14 + 10);
  const { verdict, drop } = engine.send(IF.POD_A, frame);
  t.is(verdict, Verdict.DROP);
  t.is(drop, Drop.MASQUERADE_PROTOCOL);
});

test('outside: without a node address of the family nothing leaves', (t) => {
  const engine = openEngine({ control: { nodeAddresses: [] } });
  engine.tell((control) => control.setOutside(outsideOf()));
  engine.core.view.fill(
    0,
    abi.CONTROL_BASE + abi.CONTROL_NODE_ADDR6_OFF,
    abi.CONTROL_BASE + abi.CONTROL_NODE_ADDR6_OFF + 16,
  );
  const { drop } = engine.send(IF.POD_A, packet({ ...SYN, src: A6, dst: OUTSIDE6 }));
  t.is(drop, Drop.NO_NODE_ADDRESS);
});

test('outside: a pod reaches endpoints outside of a service with the node’s address', (t) => {
  const engine = nodeWith();
  engine.apply(
    put(
      'Service',
      service('db', {
        clusterIP: '10.96.0.77',
        ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      }),
    ),
    put('EndpointSlice', {
      metadata: {
        name: 'db-1',
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': 'db' },
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 5432, protocol: 'TCP' }],
      endpoints: [{ addresses: [OUTSIDE4], conditions: { ready: true } }],
    }),
  );
  const { seen } = engine.send(IF.POD_A, packet({ ...SYN, dst: '10.96.0.77', dport: 80 }));
  t.is(seen.dst, OUTSIDE4);
  t.is(seen.src, NODE4);
});

/** Source ports of `count` new flows to one destination. */
function drawnPorts(engine: Engine, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const dst = `198.51.${String(100 + (i >> 8))}.${String(i & 0xff)}`;
    return engine.send(IF.POD_A, packet({ ...SYN, dst, sport: 40000 })).seen.sport ?? 0;
  });
}

test('outside: source ports are drawn anew for each flow, evenly over the range, and never a taken one [cni 68]', (t) => {
  const vxlan = 8472;
  const takenPorts = new Uint8Array(abi.TAKEN_PORTS_BYTES);
  const group = vxlan >> abi.TAKEN_PORTS_SHIFT;
  takenPorts[group >> 3] = 1 << (group & 7);
  const engine = nodeWith({ takenPorts });
  const count = 4096;
  const ports = drawnPorts(engine, count);
  t.true(ports.every(isSnatPort));
  t.true(ports.every((port) => port >> abi.TAKEN_PORTS_SHIFT !== group));
  const steps = ports.slice(1).map((port, i) => port - (ports[i] ?? 0));
  t.true(steps.filter((step) => Math.abs(step) === 1).length < count / 100);
  const times = new Map<number, number>();
  for (const step of steps) times.set(step, (times.get(step) ?? 0) + 1);
  const commonest = Math.max(...times.values());
  t.true(commonest < count / 100, 'no fixed step either');
  // Chi-square over 64 buckets: 63 degrees of freedom, beyond 120 once in 10^5 runs.
  const buckets = new Array<number>(64).fill(0);
  for (const port of ports) {
    const width = (abi.SNAT_PORT_END - abi.SNAT_PORT_FIRST) / buckets.length;
    const at = Math.floor((port - abi.SNAT_PORT_FIRST) / width);
    buckets[at] = (buckets[at] ?? 0) + 1;
  }
  const expected = count / buckets.length;
  const chi = buckets.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  t.true(chi < 120, `chi-square ${chi.toFixed(1)}`);
});

test('outside: a port is had again when its connection is over, not before', (t) => {
  // Four ports are free.
  const takenPorts = new Uint8Array(abi.TAKEN_PORTS_BYTES).fill(0xff);
  takenPorts[500] = 0xfe;
  const engine = nodeWith({ takenPorts });
  const dial = (sport: number) => {
    // A walk of 64 steps sees few of them: whoever asks again walks from elsewhere.
    for (let i = 0; i < 12000; i++) {
      const sent = engine.send(IF.POD_A, packet({ ...SYN, sport }));
      if (sent.verdict === Verdict.TX) return sent.seen.sport;
      if (sent.drop !== Drop.NO_FREE_PORT) throw new Error(Drop[sent.drop]);
    }
    return undefined;
  };
  const ports = [1, 2, 3, 4].map((i) => dial(41000 + i));
  t.is(new Set(ports).size, 4);
  t.is(dial(41005), undefined, 'all four are in use');
  const reset = { src: OUTSIDE4, dst: NODE4, sport: 443, dport: Number(ports[2]) } as const;
  engine.send(IF.UPLINK, packet({ ...reset, proto: 'tcp', flags: 'RA' }));
  t.is(dial(41006), ports[2]);
});

test('outside: a connection between the same ends goes on with its port, others never get it', (t) => {
  const engine = nodeWith();
  const dial = (sport: number) => engine.send(IF.POD_A, packet({ ...SYN, sport })).seen.sport;
  const close = (port: number | undefined) =>
    engine.send(
      IF.UPLINK,
      packet({
        src: OUTSIDE4,
        dst: NODE4,
        sport: 443,
        dport: port ?? 0,
        proto: 'tcp',
        flags: 'RA',
      }),
    );
  const first = dial(41000);
  const seen = new Set([first]);
  for (let i = 0; i < 200; i++) {
    close(first);
    t.is(dial(41000), first);
    const other = dial(42000 + i);
    t.false(seen.has(other));
    seen.add(other);
  }
  // Somebody of the host has it now: another one will do.
  const takenPorts = new Uint8Array(abi.TAKEN_PORTS_BYTES);
  const group = (first ?? 0) >> abi.TAKEN_PORTS_SHIFT;
  takenPorts[group >> 3] = 1 << (group & 7);
  engine.core.view.set(takenPorts, abi.CONTROL_BASE + abi.CONTROL_TAKEN_PORTS_OFF);
  close(first);
  const next = dial(41000);
  t.not(next, first);
  t.true(isSnatPort(next));
});

test('outside: with every port taken a flow is refused by name', (t) => {
  const takenPorts = new Uint8Array(abi.TAKEN_PORTS_BYTES).fill(0xff);
  const engine = nodeWith({ takenPorts });
  t.is(engine.send(IF.POD_A, packet(SYN)).drop, Drop.NO_FREE_PORT);
});

test('outside: what the host forwards to a pod is answered by way of the host, not masqueraded', (t) => {
  const engine = nodeWith();
  const asked = { ...SYN, src: OUTSIDE4, dst: A4, sport: 50000, dport: 8080 };
  t.is(engine.send(IF.TRUNK, packet(asked)).action, Action.POD);
  const answer = {
    ...asked,
    src: A4,
    dst: OUTSIDE4,
    sport: 8080,
    dport: 50000,
    flags: 'SA',
  } as const;
  const { action, seen } = engine.send(IF.POD_A, packet(answer));
  t.is(action, Action.HOST);
  t.is(seen.src, A4);
  t.is(seen.sport, 8080);
  // A connection from before the agent: the next segment of the client makes it known.
  const old = { ...asked, sport: 50001, flags: 'A' } as const;
  const mute = { ...answer, dport: 50001, flags: 'A' } as const;
  t.is(engine.send(IF.POD_A, packet(mute)).drop, Drop.TCP_INVALID_STATE);
  t.is(engine.send(IF.TRUNK, packet(old)).action, Action.POD);
  t.is(engine.send(IF.POD_A, packet(mute)).action, Action.HOST);
});

test('outside: packets to an unallocated service address end here, whatever the default route is [cni 69]', (t) => {
  const engine = nodeWith({}, { control: { serviceCIDRs: [parseCidr('10.96.0.0/16')] } });
  for (const from of [IF.POD_A, IF.TRUNK, IF.UPLINK]) {
    const src = { [IF.POD_A]: A4, [IF.TRUNK]: NODE4, [IF.UPLINK]: OUTSIDE4 }[from];
    const { verdict, drop } = engine.send(from, packet({ ...SYN, src, dst: '10.96.7.7' }));
    t.is(verdict, Verdict.DROP);
    t.is(drop, Drop.SERVICE_ADDRESS_UNKNOWN);
  }
  t.is(engine.counter(LaneCounter.FLOWS_CREATED), 0);
});
