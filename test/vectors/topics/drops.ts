/** What goes no further, and what the sender is told. */
import { parseCidr } from '../../../src/addr.js';
import { NO_OUTSIDE } from '../../../src/compile/outside.js';
import {
  A4,
  A6,
  B4,
  B6,
  IF,
  MAC,
  NODE4,
  NODE6,
  OUTSIDE4,
  OUTSIDE6,
  REMOTE4,
} from '../../support/engine.js';
import { packet } from '../../support/frames.js';
import type { PacketSpec } from '../../support/frames.js';
import { fragmentsOf, icmpError, l3, reassemble } from '../../support/pieces.js';
import { see } from '../../support/frames.js';
import { expectSame, frameRig } from '../frames.js';
import type { FrameRig, Topic } from '../frames.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';

const MANIFESTS = ['10.96.0.10', 'fd00:10:96::a']
  .map(
    (ip, i) => `
apiVersion: v1
kind: Service
metadata: { namespace: default, name: web-${String(i)} }
spec: { clusterIP: "${ip}", ports: [{ name: u, port: 80, protocol: UDP }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: web-${String(i)}, labels: { kubernetes.io/service-name: web-${String(i)} } }
addressType: IPv${i === 0 ? '4' : '6'}
ports: [{ name: u, port: 8080, protocol: UDP }]
endpoints: [{ addresses: ["${i === 0 ? B4 : B6}"], conditions: { ready: true }, nodeName: node-a }]
`,
  )
  .join('---');

const UDP: PacketSpec = { proto: 'udp', src: A4, dst: B4, sport: 1000, dport: 2000, payload: 'x' };

const DROPS: readonly (readonly [
  string,
  number,
  Partial<PacketSpec>,
  (
    | 'SPOOFED_SOURCE'
    | 'MARTIAN_SOURCE'
    | 'MULTICAST'
    | 'UNKNOWN_LINK'
    | 'MARTIAN_DESTINATION'
    | 'NO_ROUTE'
  ),
])[] = [
  ['spoofed-pod', IF.POD_A, { src: B4 }, 'SPOOFED_SOURCE'],
  ['spoofed-node', IF.POD_A, { src: NODE4 }, 'SPOOFED_SOURCE'],
  ['spoofed-loopback', IF.POD_A, { src: '127.0.0.1' }, 'SPOOFED_SOURCE'],
  ['spoofed-pod-6', IF.POD_A, { src: B6, dst: B6 }, 'SPOOFED_SOURCE'],
  ['spoofed-from-outside', IF.UPLINK, { src: A4 }, 'SPOOFED_SOURCE'],
  ['martian-loopback', IF.UPLINK, { src: '127.0.0.1' }, 'MARTIAN_SOURCE'],
  ['martian-any', IF.UPLINK, { src: '0.0.0.0' }, 'MARTIAN_SOURCE'],
  ['martian-group', IF.UPLINK, { src: '224.0.0.1' }, 'MARTIAN_SOURCE'],
  ['martian-6', IF.UPLINK, { src: '::1', dst: A6 }, 'MARTIAN_SOURCE'],
  ['to-loopback', IF.POD_A, { dst: '127.0.0.1' }, 'MARTIAN_DESTINATION'],
  ['to-group', IF.POD_A, { dst: '239.1.2.3' }, 'MULTICAST'],
  ['to-group-6', IF.POD_A, { src: A6, dst: 'ff02::fb' }, 'MULTICAST'],
  ['link-of-nobody', 99, {}, 'UNKNOWN_LINK'],
  ['host-to-nowhere', IF.TRUNK, { src: NODE4, dst: OUTSIDE4 }, 'NO_ROUTE'],
];

function ttl(rig: FrameRig): void {
  for (const [name, src, dst, node] of [
    ['4', A4, B4, NODE4],
    ['6', A6, B6, NODE6],
  ] as const) {
    const type = name === '4' ? 11 : 3;
    rig.add(
      `ttl-${name}`,
      'TTL 1: the node tells the sender (RFC 1812 5.3.1, RFC 4443 3.3)',
      () => {
        rig.send(IF.POD_A, packet({ ...UDP, src, dst, ttl: 1 }), {
          ...{ action: 'POD', out: IF.POD_A },
          seen: { src: node, dst: src, type, dstMac: MAC.POD_A, isSound: true },
        });
      },
    );
    rig.add(`ttl-error-${name}`, 'an error is not answered by another (RFC 1122 3.2.2)', () => {
      const quote = l3(packet({ ...UDP, src: dst, dst: src }));
      const error = { src, dst, type: name === '4' ? 3 : 1, code: 3, quote, ttl: 1 };
      rig.send(IF.POD_A, icmpError(error), { drop: 'TTL_EXCEEDED' });
    });
  }
}

function translatedErrors(rig: FrameRig): void {
  for (const [name, client, vip, pod] of [
    ['4', A4, VIP, B4],
    ['6', A6, VIP6, B6],
  ] as const) {
    const about =
      "the backend's port unreachable comes from the Service, quoting what the client sent";
    rig.add(`icmp-error-${name}`, about, () => {
      const spec = { proto: 'udp', src: client, sport: 45000, payload: 'x' } as const;
      const asked = { ...spec, dst: vip, dport: 80 };
      const asSeen = { ...spec, dst: pod, dport: 8080 };
      rig.send(IF.POD_A, packet(asked), { seen: { dst: pod, dport: 8080 } });
      const port = name === '4' ? { type: 3, code: 3 } : { type: 1, code: 4 };
      const { frame } = rig.send(
        IF.POD_B,
        icmpError({ ...port, src: pod, dst: client, quote: l3(packet(asSeen)) }),
        { out: IF.POD_A },
      );
      const expected = icmpError({
        ...port,
        src: vip,
        dst: client,
        quote: l3(packet(asked)),
        ttl: 63,
      });
      expectSame('the error', [...l3(frame)], [...l3(expected)]);
    });
  }
}

function fragments(rig: FrameRig): void {
  for (const [name, client, vip, pod] of [
    ['4', A4, VIP, B4],
    ['6', A6, VIP6, B6],
  ] as const) {
    const about =
      'every piece of a datagram goes where its first one went, and it is whole again there';
    rig.add(`fragments-${name}`, about, () => {
      const payload =
        'a datagram that is cut into pieces of forty bytes, of which the last is shorter';
      const whole = packet({ ...UDP, src: client, dst: vip, sport: 46000, dport: 80, payload });
      const left = fragmentsOf(whole, 40, 77).map(
        (piece) => rig.send(IF.POD_A, piece, { action: 'POD', out: IF.POD_B }).frame,
      );
      const datagram = reassemble(left);
      const seen = see(datagram ?? new Uint8Array(64));
      expectSame(
        'the datagram',
        [seen.dst, seen.dport, seen.payload, seen.isSound],
        [pod, 8080, payload, true],
      );
    });
    rig.add(`fragment-first-missing-${name}`, 'a later piece of a datagram nobody knows', () => {
      const whole = packet({ ...UDP, src: client, dst: vip, payload: 'x'.repeat(100) });
      const [, second] = fragmentsOf(whole, 40, 78);
      rig.send(IF.POD_A, second ?? whole, { drop: 'FRAGMENT_BEFORE_FIRST' });
    });
  }
}

export const drops: Topic = {
  name: 'drops',
  record: () => {
    const rig = frameRig(MANIFESTS);
    for (const [name, ifindex, spec, drop] of DROPS) {
      rig.add(name, `dropped as ${drop}`, () => {
        rig.send(ifindex, packet({ ...UDP, ...spec }), { drop });
      });
    }
    ttl(rig);
    translatedErrors(rig);
    fragments(rig);
    return rig.rec.file(
      'drops',
      'processFrame: spoofed and martian packets, TTL, ICMP errors made and translated, fragments',
    );
  },
};

const DEFAULTS = ['0.0.0.0/0', '::/0'].map((text) => ({
  cidr: parseCidr(text),
  uplink: IF.UPLINK,
}));
const KERNELS = ['169.254.0.0/16', 'fe80::/10', 'ff00::/8'].map(parseCidr);

export const masquerade: Topic = {
  name: 'masquerade',
  record: () => {
    const rig = frameRig('');
    const exempt = [parseCidr('203.0.113.0/24')];
    rig.engine.tell((control) => {
      control.setOutside({ ...NO_OUTSIDE, routes: DEFAULTS, kernels: KERNELS, exempt });
    });
    for (const [name, proto, src, dst, node] of [
      ['tcp-4', 'tcp', A4, OUTSIDE4, NODE4],
      ['udp-4', 'udp', A4, OUTSIDE4, NODE4],
      ['tcp-6', 'tcp', A6, OUTSIDE6, NODE6],
      ['udp-6', 'udp', A6, OUTSIDE6, NODE6],
    ] as const) {
      rig.add(name, `${src} to ${dst} leaves as ${node} and comes back`, () => {
        const spec = { proto, src, dst, sport: 47000, dport: 443, flags: 'S' } as const;
        const { seen, row } = rig.send(IF.POD_A, packet(spec), {
          ...{ action: 'UPLINK', out: IF.UPLINK },
          seen: { src: node, dst, dport: 443, ttl: 63, isSound: true },
        });
        const port = seen.sport ?? 0;
        expectSame('a port of SNAT_PORT_FIRST to _END', port >= 1024 && port < 30000, true);
        rig.readRow(row);
        const back = { src: dst, dst: node, sport: 443, dport: port, flags: 'SA' } as const;
        rig.send(IF.UPLINK, packet({ proto, ...back }), {
          ...{ action: 'POD', out: IF.POD_A },
          seen: { src: dst, dst: src, sport: 443, dport: 47000, isSound: true },
        });
      });
    }
    rig.add('echo', 'an echo, too, by its identifier', () => {
      const echo = { proto: 'icmp', id: 99, payload: 'abcdefgh' } as const;
      const { seen } = rig.send(IF.POD_A, packet({ ...echo, src: A4, dst: OUTSIDE4 }), {
        seen: { src: NODE4, dst: OUTSIDE4, isSound: true },
      });
      const back = { src: OUTSIDE4, dst: NODE4, id: seen.id ?? 0, isReply: true };
      rig.send(IF.UPLINK, packet({ ...echo, ...back }), {
        out: IF.POD_A,
        seen: { src: OUTSIDE4, dst: A4, id: 99, isSound: true },
      });
    });
    for (const [name, dst] of [
      ['pod', B4],
      ['remote-pod', REMOTE4],
      ['exempt', '203.0.113.5'],
    ] as const) {
      rig.add(`not-to-${name}`, `to ${dst} the pod keeps its address`, () => {
        const spec = { proto: 'tcp', src: A4, dst, sport: 47001, dport: 443, flags: 'S' } as const;
        rig.send(IF.POD_A, packet(spec), { seen: { src: A4, dst, sport: 47001 } });
      });
    }
    rig.add('stranger', 'a segment of no connection does not go out as it is', () => {
      const spec = { proto: 'tcp', src: A4, dst: OUTSIDE4, sport: 47002, dport: 443 } as const;
      rig.send(IF.POD_A, packet({ ...spec, flags: 'A' }), { drop: 'TCP_INVALID_STATE' });
    });
    return rig.rec.file(
      'masquerade',
      "processFrame: pods speak to the outside with the node's address, and get their answers",
    );
  },
};
