import { testProp } from '@fast-check/ava';
import fc from 'fast-check';
import { Verdict } from '../../assembly/abi.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  IF,
  NODE4,
  NODE6,
  REMOTE4,
  REMOTE6,
  openEngine,
} from '../support/engine.js';
import { type PacketSpec, packet } from '../support/frames.js';

const PORTS = [
  { name: 'tcp', port: 80, protocol: 'TCP' },
  { name: 'udp', port: 80, protocol: 'UDP' },
];
const TARGETS = [
  { name: 'tcp', port: 9000, protocol: 'TCP' },
  { name: 'udp', port: 9000, protocol: 'UDP' },
];

const engine = openEngine();
/** ClusterIPs whose one backend is the pod itself, its neighbour, or somewhere else. */
const VIPS = {
  4: [
    ['10.96.1.1', A4],
    ['10.96.1.2', B4],
    ['10.96.1.3', REMOTE4],
  ],
  6: [
    ['fd00:10:96::1', A6],
    ['fd00:10:96::2', B6],
    ['fd00:10:96::3', REMOTE6],
  ],
} as const;
for (const pairs of Object.values(VIPS)) {
  for (const [clusterIP, backend] of pairs) {
    const name = `to-${backend.replaceAll(/[.:]+/g, '-')}`;
    engine.apply(
      put('Service', service(name, { clusterIP, ports: PORTS })),
      put('EndpointSlice', slice(`${name}-1`, name, [ready(backend)], TARGETS)),
    );
  }
}
const LINK_OF: Readonly<Record<string, number>> = {
  [A4]: IF.POD_A,
  [A6]: IF.POD_A,
  [B4]: IF.POD_B,
  [B6]: IF.POD_B,
  [REMOTE4]: IF.UPLINK,
  [REMOTE6]: IF.UPLINK,
  [NODE4]: IF.TRUNK,
  [NODE6]: IF.TRUNK,
};

const flow = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  which: fc.nat(2),
  proto: fc.constantFrom('tcp' as const, 'udp' as const),
  fromNode: fc.boolean(),
  sport: fc.integer({ min: 1, max: 65535 }),
  payload: fc.uint8Array({ maxLength: 300 }),
  ttl: fc.integer({ min: 2, max: 255 }),
});

testProp(
  'nat: what the reverse row makes of a reply is the request turned round',
  [flow],
  (t, { family, which, proto, fromNode, sport, payload, ttl }) => {
    const [vip, backend] = VIPS[family][which] ?? VIPS[family][0];
    const [pod, node] = family === 4 ? [A4, NODE4] : [A6, NODE6];
    const src = fromNode ? node : pod;
    engine.nowMs += 1_000_000_000;
    engine.sweepAll();
    const request: PacketSpec = {
      proto,
      src,
      dst: vip,
      sport,
      dport: 80,
      flags: 'S',
      payload,
      ttl,
    };
    const frame = packet(request);
    const there = engine.send(LINK_OF[src] ?? 0, frame);
    if (there.verdict !== Verdict.TX) return t.fail(`drop ${there.drop}`);
    const seen = there.seen;
    t.like(seen, { dst: backend, dport: 9000, isSound: true });

    const { src: client = '', sport: dport = 0 } = seen;
    const reply = {
      proto,
      src: backend,
      dst: client,
      sport: 9000,
      dport,
      flags: 'SA',
      payload,
      ttl,
    } as const;
    const back = engine.send(LINK_OF[backend] ?? 0, packet(reply));
    t.is(back.verdict, Verdict.TX);
    const { ttl: _, ...text } = back.seen;
    t.like(text, { src: vip, sport: 80, dst: src, dport: sport, isSound: true });
    t.is(text.payload, seen.payload);
    if (!fromNode) t.is(back.outIfindex, IF.POD_A);

    // The reverse of the reverse: the request once more gives the same frame.
    const again = engine.send(LINK_OF[src] ?? 0, packet({ ...request, flags: 'A' })).seen;
    t.like(again, { src: client, sport: dport, dst: backend, dport: 9000, isSound: true });
    return undefined;
  },
  { numRuns: 400 },
);
