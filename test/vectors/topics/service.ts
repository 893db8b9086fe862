/** Connections through ClusterIPs: translated, answered from the ClusterIP, refused without backends. */
import { A4, A6, B4, B6, IF, NODE4, REMOTE4, REMOTE6 } from '../../support/engine.js';
import { packet } from '../../support/frames.js';
import type { ChunkName, PacketSpec } from '../../support/frames.js';
import { frameRig } from '../frames.js';
import type { FrameRig, Topic } from '../frames.js';

/** One backend each, so that which one is chosen is no question, and one Service with none. */
const MANIFESTS = `
apiVersion: v1
kind: Service
metadata: { namespace: default, name: web }
spec:
  clusterIPs: [10.96.0.10, "fd00:10:96::a"]
  clusterIP: 10.96.0.10
  ipFamilies: [IPv4, IPv6]
  ports:
    - { name: tcp, port: 80, protocol: TCP }
    - { name: udp, port: 53, protocol: UDP }
    - { name: sctp, port: 132, protocol: SCTP }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: web-4, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports:
  - { name: tcp, port: 8080, protocol: TCP }
  - { name: udp, port: 5353, protocol: UDP }
  - { name: sctp, port: 1132, protocol: SCTP }
endpoints: [{ addresses: [10.244.1.3], conditions: { ready: true }, nodeName: node-a }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: web-6, labels: { kubernetes.io/service-name: web } }
addressType: IPv6
ports:
  - { name: tcp, port: 8080, protocol: TCP }
  - { name: udp, port: 5353, protocol: UDP }
  - { name: sctp, port: 1132, protocol: SCTP }
endpoints: [{ addresses: ["fd00:10:244:1::3"], conditions: { ready: true }, nodeName: node-a }]
---
apiVersion: v1
kind: Service
metadata: { namespace: default, name: far }
spec:
  clusterIPs: [10.96.0.11, "fd00:10:96::b"]
  clusterIP: 10.96.0.11
  ipFamilies: [IPv4, IPv6]
  ports: [{ port: 80, protocol: TCP }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: far-4, labels: { kubernetes.io/service-name: far } }
addressType: IPv4
ports: [{ port: 8080, protocol: TCP }]
endpoints: [{ addresses: [10.244.2.7], conditions: { ready: true }, nodeName: node-b }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: far-6, labels: { kubernetes.io/service-name: far } }
addressType: IPv6
ports: [{ port: 8080, protocol: TCP }]
endpoints: [{ addresses: ["fd00:10:244:2::7"], conditions: { ready: true }, nodeName: node-b }]
---
apiVersion: v1
kind: Service
metadata: { namespace: default, name: empty }
spec:
  clusterIPs: [10.96.0.12, "fd00:10:96::c"]
  clusterIP: 10.96.0.12
  ipFamilies: [IPv4, IPv6]
  ports: [{ name: tcp, port: 80, protocol: TCP }, { name: udp, port: 53, protocol: UDP }]
`;

const WAYS = {
  4: { client: A4, web: '10.96.0.10', pod: B4, far: '10.96.0.11', remote: REMOTE4 },
  6: { client: A6, web: 'fd00:10:96::a', pod: B6, far: 'fd00:10:96::b', remote: REMOTE6 },
} as const;
const EMPTY = { 4: '10.96.0.12', 6: 'fd00:10:96::c' } as const;

interface Conversation {
  readonly proto: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  readonly target: number;
  /** What makes the segments of a conversation different, by who sends them. */
  readonly turns: readonly (readonly ['client' | 'server', Partial<PacketSpec>])[];
}

const chunks = (...names: ChunkName[]): Partial<PacketSpec> => ({ chunks: names });

const CONVERSATIONS: readonly Conversation[] = [
  {
    ...{ proto: 'tcp', port: 80, target: 8080 },
    turns: [
      ['client', { flags: 'S' }],
      ['server', { flags: 'SA' }],
      ['client', { flags: 'A' }],
      ['client', { flags: 'PA', payload: 'GET / HTTP/1.0\r\n\r\n' }],
      ['server', { flags: 'PA', payload: 'HTTP/1.0 204 No Content\r\n\r\n' }],
      ['server', { flags: 'FA' }],
      ['client', { flags: 'FA' }],
      ['server', { flags: 'A' }],
    ],
  },
  {
    ...{ proto: 'udp', port: 53, target: 5353 },
    turns: [
      ['client', { payload: 'question' }],
      ['server', { payload: 'answer' }],
      ['client', { payload: 'odd' }],
    ],
  },
  {
    ...{ proto: 'sctp', port: 132, target: 1132 },
    turns: [
      ['client', chunks('INIT')],
      ['server', chunks('INIT_ACK')],
      ['client', chunks('COOKIE_ECHO', 'DATA')],
      ['server', chunks('COOKIE_ACK', 'SACK')],
    ],
  },
];

/** How a turn is called: by its flags, its chunks or its number. */
function nameOf(turn: Partial<PacketSpec>, at: number): string {
  const what = turn.chunks?.[0] ?? turn.flags ?? '';
  return what === '' ? String(at + 1) : `${String(at + 1)}-${what.toLowerCase().replace('_', '-')}`;
}

function converse(
  rig: FrameRig,
  family: 4 | 6,
  { proto, port, target, turns }: Conversation,
): void {
  const { client, web, pod } = WAYS[family];
  const sport = 40000;
  for (const [i, [who, turn]] of turns.entries()) {
    const isClient = who === 'client';
    const about = isClient
      ? `${client}:${String(sport)} to ${web}:${String(port)} is sent to ${pod}:${String(target)}`
      : `${pod}:${String(target)} to ${client}:${String(sport)} comes from ${web}:${String(port)}`;
    rig.add(`${proto}${String(family)}-${nameOf(turn, i)}`, about, () => {
      const spec = isClient
        ? { src: client, dst: web, sport, dport: port }
        : { src: pod, dst: client, sport: target, dport: sport };
      const seen = isClient
        ? { src: client, dst: pod, sport, dport: target }
        : { src: web, dst: client, sport: port, dport: sport };
      const out = isClient ? IF.POD_B : IF.POD_A;
      const left = rig.send(isClient ? IF.POD_A : IF.POD_B, packet({ proto, ...turn, ...spec }), {
        ...{ action: 'POD', out },
        seen: { ...seen, ttl: 63, isSound: true },
      });
      if (i < 2) rig.readRow(left.row);
    });
  }
}

function others(rig: FrameRig, family: 4 | 6): void {
  const { client, web, far, remote, pod } = WAYS[family];
  const name = (what: string): string => `${what}${String(family)}`;
  const tcp = { proto: 'tcp', src: client, sport: 41000, flags: 'S' } as const;
  rig.add(name('remote-backend-'), `${far}:80 is at ${remote}:8080, out of the uplink`, () => {
    rig.send(IF.POD_A, packet({ ...tcp, dst: far, dport: 80 }), {
      ...{ action: 'UPLINK', out: IF.UPLINK },
      seen: { dst: remote, dport: 8080, ttl: 63, isSound: true },
    });
    const back = { src: remote, dst: client, sport: 8080, dport: 41000, flags: 'SA' } as const;
    rig.send(IF.UPLINK, packet({ ...tcp, ...back }), {
      ...{ action: 'POD', out: IF.POD_A },
      seen: { src: far, sport: 80, dport: 41000, isSound: true },
    });
  });
  rig.add(name('hairpin-'), `${pod} reaches itself through ${web}, as the node`, () => {
    const own = { ...tcp, src: pod, dst: web, dport: 80, sport: 42000 };
    const { seen } = rig.send(IF.POD_B, packet(own), { action: 'POD', out: IF.POD_B });
    if (seen.src === pod || seen.dst !== pod) throw new Error('the pod would answer itself');
    const reply = { src: pod, dst: seen.src ?? '', sport: 8080, dport: seen.sport ?? 0 } as const;
    rig.send(IF.POD_B, packet({ ...tcp, ...reply, flags: 'SA' }), {
      ...{ action: 'POD', out: IF.POD_B },
      seen: { src: web, dst: pod, sport: 80, dport: 42000, isSound: true },
    });
  });
  rig.add(name('wrong-port-'), 'the address is a service, its port is not: refused', () => {
    rig.send(IF.POD_A, packet({ ...tcp, dst: web, dport: 81 }), {
      ...{ out: IF.POD_A },
      seen: { src: web, dst: client, type: family === 4 ? 3 : 1, isSound: true },
    });
  });
  rig.add(name('empty-tcp-'), 'a SYN to a service without backends is refused', () => {
    rig.send(IF.POD_A, packet({ ...tcp, dst: EMPTY[family], dport: 80 }), {
      ...{ out: IF.POD_A },
      seen: { src: EMPTY[family], dst: client, type: family === 4 ? 3 : 1, isSound: true },
    });
  });
  rig.add(name('empty-udp-'), 'and so is a datagram: port unreachable', () => {
    const udp = { proto: 'udp', payload: 'who?' } as const;
    rig.send(IF.POD_A, packet({ ...tcp, ...udp, dst: EMPTY[family], dport: 53 }), {
      ...{ out: IF.POD_A },
      seen: { src: EMPTY[family], dst: client, type: family === 4 ? 3 : 1, isSound: true },
    });
  });
  rig.add(name('empty-reset-'), 'a reset is not answered by anything', () => {
    const rst = packet({ ...tcp, dst: EMPTY[family], dport: 80, flags: 'R' });
    rig.send(IF.POD_A, rst, { drop: 'NO_BACKEND' });
  });
}

export const service: Topic = {
  name: 'service',
  record: () => {
    const rig = frameRig(MANIFESTS);
    for (const family of [4, 6] as const) {
      for (const conversation of CONVERSATIONS) converse(rig, family, conversation);
      others(rig, family);
    }
    rig.add('no-checksum', 'a UDP checksum of 0 over IPv4 stays 0 (RFC 768)', () => {
      const bare = { proto: 'udp', src: A4, dst: '10.96.0.10', sport: 43000, dport: 53 } as const;
      rig.send(IF.POD_A, packet({ ...bare, noChecksum: true, payload: 'x' }), {
        seen: { dst: B4, dport: 5353, checksum: 0 },
      });
    });
    rig.add('host-to-service', "the node's own connection goes to the pod, too", () => {
      const own = { proto: 'tcp', src: NODE4, dst: '10.96.0.10', sport: 44000, dport: 80 } as const;
      rig.send(IF.TRUNK, packet({ ...own, flags: 'S' }), {
        ...{ action: 'POD', out: IF.POD_B },
        seen: { dst: B4, dport: 8080, isSound: true },
      });
    });
    return rig.rec.file(
      'service',
      'processFrame: connections of pods through ClusterIPs of both families by TCP, UDP and SCTP, with the flow rows they make',
    );
  },
};
