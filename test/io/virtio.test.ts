import test from 'ava';
import {
  Action,
  Drop,
  FRAME_HEADROOM,
  LaneCounter,
  PortKind,
  RegionId,
  VNET_HLEN,
} from '../../assembly/abi.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import type { MemoryPort } from '../../src/port/memory.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  IF,
  LINKS,
  MAC,
  OUTSIDE4,
  openEngine,
  openPorts,
  readStamp,
  stamped,
} from '../support/engine.js';
import {
  ETH_HLEN,
  type PacketSpec,
  arp,
  hexOf,
  packet,
  see,
  solicit,
  wireAddress,
} from '../support/frames.js';
import { pseudoHeader, rfc1071 } from '../wire/oracle.js';

const VIP = '10.96.0.10';
const VIP6 = 'fd00:10:96::a';
const PORTS = [
  { name: 'a', port: 80, protocol: 'TCP' },
  { name: 'b', port: 80, protocol: 'UDP' },
  { name: 'c', port: 80, protocol: 'SCTP' },
];
const TARGETS = [
  { name: 'a', port: 8080, protocol: 'TCP' },
  { name: 'b', port: 8080, protocol: 'UDP' },
  { name: 'c', port: 8080, protocol: 'SCTP' },
];

function node(kind: PortKind.FRAMES | PortKind.VNET, uplink?: PortKind.FRAMES | PortKind.VNET) {
  const links = LINKS.map((link) =>
    link.kind === 'uplink' && uplink !== undefined ? { ...link, ioPort: 1 } : link,
  );
  const engine = openEngine({ links });
  for (const [name, clusterIP, backend] of [
    ['four', VIP, B4],
    ['six', VIP6, B6],
  ] as const) {
    engine.apply(
      put('Service', service(name, { clusterIP, ports: PORTS })),
      put('EndpointSlice', slice(`${name}-1`, name, [ready(backend)], TARGETS)),
    );
  }
  const specs = uplink === undefined ? [] : [{ ifindex: IF.UPLINK, kind: uplink }];
  const [trunk, direct] = openPorts(engine, [{ ifindex: 0, kind }, ...specs]);
  if (!trunk) throw new Error('no trunk');
  return { engine, trunk, direct };
}

/** Where the checksum is in the transport header. */
const CHECKSUM_OFF = { tcp: 16, udp: 6, sctp: 8, icmp: 2 } as const;

/** virtio_net_hdr: flags NEEDS_CSUM, gso_type, hdr_len, gso_size, csum_start, csum_offset. */
function vnetHeader(spec: PacketSpec, l3len: number, gsoType = 0): Uint8Array {
  const header = new Uint8Array(VNET_HLEN);
  const view = new DataView(header.buffer);
  view.setUint8(0, spec.partial === true ? 1 : 0);
  view.setUint8(1, gsoType);
  view.setUint16(4, gsoType === 0 ? 0 : 1400, true);
  view.setUint16(6, ETH_HLEN + l3len, true);
  view.setUint16(8, CHECKSUM_OFF[spec.proto], true);
  return header;
}

function withHeader(header: Uint8Array, frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...header, ...frame]);
}

function exchange(engine: Engine, port: MemoryPort, frame: Uint8Array, out = port): Uint8Array {
  port.push(frame);
  engine.core.exports.runBurst(64, engine.nowMs);
  return out.take() ?? new Uint8Array();
}

/** The field as CHECKSUM_PARTIAL has it: the folded sum of the pseudo-header alone. */
function pseudoSum(src: string, dst: string, proto: number, length: number): number {
  const addresses = Uint8Array.from([...wireAddress(src), ...wireAddress(dst)]);
  return ~rfc1071(pseudoHeader(addresses, proto, length)) & 0xffff;
}

/** Leave rubbish where a header is going to be. */
function soilHeadroom({ core }: Engine): void {
  const { base, rowSize, capacity } = core.region(RegionId.UMEM);
  for (let i = 0; i < capacity; i++) {
    core.view.fill(0xaa, base + i * rowSize, base + i * rowSize + FRAME_HEADROOM);
  }
}

const CASES = [
  { src: A4, dst: VIP, to: B4, proto: 'tcp', number: 6, head: 20, l3: 20 },
  { src: A4, dst: VIP, to: B4, proto: 'udp', number: 17, head: 8, l3: 20 },
  { src: A6, dst: VIP6, to: B6, proto: 'tcp', number: 6, head: 20, l3: 40 },
  { src: A6, dst: VIP6, to: B6, proto: 'udp', number: 17, head: 8, l3: 40 },
] as const;

for (const { src, dst, to, proto, number, head, l3 } of CASES) {
  const spec = {
    proto,
    src,
    dst,
    dport: 80,
    flags: 'S',
    payload: 'seven..',
    partial: true,
  } as const;

  test(`virtio: a partial ${proto} checksum to ${dst} takes the addresses' delta alone`, (t) => {
    const { engine, trunk } = node(PortKind.VNET);
    const header = vnetHeader(spec, l3);
    const sent = exchange(engine, trunk, withHeader(header, stamped(IF.POD_A, packet(spec))));
    t.is(hexOf(sent.subarray(0, VNET_HLEN)), hexOf(header));
    const seen = see(sent.subarray(VNET_HLEN));
    t.like(seen, { dst: to, dport: 8080, payload: 'seven..' });
    t.is(seen.checksum, pseudoSum(src, to, number, head + 7));
  });

  test(`virtio: a partial ${proto} checksum to ${dst} is completed for a port of bare frames`, (t) => {
    const { engine, trunk, direct } = node(PortKind.FRAMES, PortKind.VNET);
    if (!direct) return t.fail();
    const outside = { ...spec, src: src === A4 ? OUTSIDE4 : '2001:db8::1' };
    const frame = Uint8Array.from([...packet(outside), 9, 9, 9]);
    const sent = exchange(engine, direct, withHeader(vnetHeader(spec, l3), frame), trunk);
    t.deepEqual(readStamp(sent), { action: Action.POD, ifindex: IF.POD_B });
    t.like(see(sent), { dst: to, dport: 8080, payload: 'seven..', isSound: true });
    return undefined;
  });
}

for (const [src, dst, to, l3] of [
  [A4, VIP, B4, 20],
  [A6, VIP6, B6, 40],
] as const) {
  const spec = {
    proto: 'sctp',
    src,
    dst,
    dport: 80,
    chunks: ['INIT'],
    payload: 'seven..',
    partial: true,
  } as const;

  // Linux would take it for an Internet checksum: the header cannot say that it is a CRC.
  test(`virtio: an SCTP checksum to ${dst} that was left to the device is written by us`, (t) => {
    const { engine, trunk } = node(PortKind.VNET);
    const frame = withHeader(vnetHeader(spec, l3), stamped(IF.POD_A, packet(spec)));
    t.false(see(packet(spec)).isSound);
    const sent = exchange(engine, trunk, frame);
    t.is(hexOf(sent.subarray(0, VNET_HLEN)), '00'.repeat(VNET_HLEN));
    t.like(see(sent.subarray(VNET_HLEN)), { dst: to, dport: 8080, isSound: true });
  });

  test(`virtio: an SCTP checksum to ${dst} is completed for a port of bare frames`, (t) => {
    const { engine, trunk, direct } = node(PortKind.FRAMES, PortKind.VNET);
    if (!direct) return t.fail();
    const outside = { ...spec, src: src === A4 ? OUTSIDE4 : '2001:db8::1' };
    const frame = Uint8Array.from([...packet(outside), 9, 9, 9]);
    const sent = exchange(engine, direct, withHeader(vnetHeader(spec, l3), frame), trunk);
    t.like(see(sent), { dst: to, dport: 8080, payload: 'seven..', isSound: true });
    return undefined;
  });

  test(`virtio: a whole SCTP checksum to ${dst} goes on with the header it came with`, (t) => {
    const { engine, trunk } = node(PortKind.VNET);
    const whole = { ...spec, partial: false };
    const header = vnetHeader(whole, l3);
    const frame = withHeader(header, stamped(IF.POD_A, packet(whole)));
    const sent = exchange(engine, trunk, frame);
    t.is(hexOf(sent.subarray(0, VNET_HLEN)), hexOf(header));
    t.like(see(sent.subarray(VNET_HLEN)), { dst: to, dport: 8080, isSound: true });
  });
}

test('virtio: a completed UDP checksum that comes to 0 is sent as all ones (RFC 768)', (t) => {
  const { engine, trunk, direct } = node(PortKind.FRAMES, PortKind.VNET);
  if (!direct) return t.fail();
  const spec = { proto: 'udp', src: OUTSIDE4, dst: A4, sport: 1, dport: 2 } as const;
  const { checksum = 0 } = see(packet({ ...spec, payload: Uint8Array.of(0, 0) }));
  const payload = Uint8Array.of(checksum >>> 8, checksum & 0xff);
  const frame = packet({ ...spec, payload, partial: true });
  const header = vnetHeader({ ...spec, partial: true }, 20);
  const sent = exchange(engine, direct, withHeader(header, frame), trunk);
  t.like(see(sent), { checksum: 0xffff, isSound: true });
  return undefined;
});

test('virtio: a super-frame keeps its header and loses nothing', (t) => {
  const { engine, trunk } = node(PortKind.VNET);
  const spec = {
    proto: 'tcp',
    src: A4,
    dst: VIP,
    flags: 'A',
    payload: 'x'.repeat(3000),
    partial: true,
  } as const;
  const header = vnetHeader(spec, 20, 1);
  const sent = exchange(engine, trunk, withHeader(header, stamped(IF.POD_A, packet(spec))));
  t.is(hexOf(sent.subarray(0, VNET_HLEN)), hexOf(header));
  const seen = see(sent.subarray(VNET_HLEN));
  t.like(seen, { dst: B4, payload: spec.payload, checksum: pseudoSum(A4, B4, 6, 3020) });
});

test('virtio: a super-frame to a port of bare frames is dropped by name', (t) => {
  const { engine, trunk, direct } = node(PortKind.FRAMES, PortKind.VNET);
  if (!direct) return t.fail();
  const spec = { proto: 'tcp', src: OUTSIDE4, dst: VIP, flags: 'A', partial: true } as const;
  exchange(engine, direct, withHeader(vnetHeader(spec, 20, 1), packet(spec)), trunk);
  t.is(engine.drops(Drop.GSO_ON_XDP), 1);
  t.is(engine.counter(LaneCounter.DROPPED), 1);
  t.is(engine.core.exports.census(), SMALL_CAPACITIES.frames);
  return undefined;
});

test('virtio: a bare frame leaves a virtio port with a header that asks for nothing', (t) => {
  const { engine, trunk, direct } = node(PortKind.VNET, PortKind.FRAMES);
  if (!direct) return t.fail();
  soilHeadroom(engine);
  const frame = packet({ proto: 'udp', src: OUTSIDE4, dst: A4 });
  const sent = exchange(engine, direct, frame, trunk);
  t.is(hexOf(sent.subarray(0, VNET_HLEN)), '00'.repeat(VNET_HLEN));
  t.true(see(sent.subarray(VNET_HLEN)).isSound);
  return undefined;
});

test('virtio: so does one that leaves by a virtio port of its own link', (t) => {
  const { engine, trunk, direct } = node(PortKind.FRAMES, PortKind.VNET);
  if (!direct) return t.fail();
  const wire = { dstMac: MAC.UPLINK, srcMac: '02:00:00:00:99:01' } as const;
  const there = packet({ proto: 'udp', src: OUTSIDE4, dst: A4, sport: 1, dport: 2, ...wire });
  exchange(engine, direct, withHeader(new Uint8Array(VNET_HLEN), there), trunk);
  soilHeadroom(engine);
  const reply = packet({ proto: 'udp', src: A4, dst: OUTSIDE4, sport: 2, dport: 1 });
  const sent = exchange(engine, trunk, stamped(IF.POD_A, reply), direct);
  t.is(hexOf(sent.subarray(0, VNET_HLEN)), '00'.repeat(VNET_HLEN));
  t.like(see(sent.subarray(VNET_HLEN)), { dstMac: '02:00:00:00:99:01', isSound: true });
  return undefined;
});

test("virtio: an answer asks the device for nothing, whatever the question's header said", (t) => {
  const { engine, trunk } = node(PortKind.VNET);
  const header = vnetHeader({ proto: 'udp', src: A4, dst: A4, partial: true }, 40);
  for (const question of [
    arp({ sender: A4, target: '169.254.1.1' }),
    solicit({ src: A6, target: 'fe80::1' }),
  ]) {
    const sent = exchange(engine, trunk, withHeader(header, stamped(IF.POD_A, question)));
    t.is(hexOf(sent.subarray(0, VNET_HLEN)), '00'.repeat(VNET_HLEN));
    t.true(see(sent.subarray(VNET_HLEN)).isSound);
  }
});

test('virtio: a fragment that claims a partial checksum is not written to', (t) => {
  const { engine, trunk, direct } = node(PortKind.FRAMES, PortKind.VNET);
  if (!direct) return t.fail();
  // A later fragment of two bytes: a TCP checksum field would lie behind its end.
  const spec = {
    proto: 'tcp',
    src: OUTSIDE4,
    dst: A4,
    payload: 'ab',
    fragment: { offset: 4, more: false },
  } as const;
  const whole = packet(spec);
  const frame = whole.slice(0, ETH_HLEN + 22);
  frame[17] = 22;
  frame.set([0, 0], 24);
  const sum = rfc1071(frame.subarray(14, 34));
  frame.set([sum >>> 8, sum & 0xff], 24);
  const first = packet({ ...spec, flags: 'S', fragment: { offset: 0, more: true } });
  exchange(engine, direct, withHeader(new Uint8Array(VNET_HLEN), first), trunk);
  const umem = engine.core.region(RegionId.UMEM);
  engine.core.view.fill(0, umem.base, umem.base + umem.rowSize * umem.capacity);
  const sent = exchange(
    engine,
    direct,
    withHeader(vnetHeader({ ...spec, partial: true }, 20), frame),
    trunk,
  );
  t.is(hexOf(sent.subarray(34)), hexOf(frame.subarray(34)));
  const behind = engine.core.view
    .subarray(umem.base, umem.base + umem.rowSize * umem.capacity)
    .findIndex((byte, i) => byte !== 0 && i % umem.rowSize >= FRAME_HEADROOM + frame.length);
  t.is(behind, -1);
  return undefined;
});
