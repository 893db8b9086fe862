import type { ExecutionContext } from 'ava';

import { XDP_RING_NEED_WAKEUP } from '../../assembly/abi.js';
import * as native from '../../src/native.js';
import {
  BPF_MAP_TYPE_XSKMAP,
  BPF_PROG_TYPE_XDP,
  BPF_XDP,
  redirectToXsk,
  u32,
  XDP_FLAGS_DRV_MODE,
} from './programs.js';
import { Memory, Port } from './rings.js';
import { ip, namespace, python, rootTest, until, veth } from './root.js';
import type { Interface, Namespace } from './root.js';

const RING_SIZE = 64;
const FRAME_SIZE = 2048;
const FRAMES = 256;
const UMEM_OFF = 0x80000;
const RING_OFF = 0x40000;

// Offsets of an untagged IPv4 UDP frame.
const IPV4_SRC = 26;
const IPV4_DST = 30;
const UDP_SRC_PORT = 34;
const UDP_DST_PORT = 36;
const UDP_CHECKSUM = 40;
const PAYLOAD = 42;

interface Attached {
  readonly port: Port;
  readonly fd: number;
  readonly zeroCopy: boolean;
}

/** A socket on queue 0 of the device, fed by a program that sends it everything. */
function attach(
  t: ExecutionContext,
  memory: Memory,
  netns: Namespace,
  device: Interface,
  idx: number,
  shareFd = -1,
): Attached {
  const port = new Port(memory, idx);
  const ringBytes = native.xskRingBytes(RING_SIZE);
  const ringOff = RING_OFF + idx * ringBytes;
  const socket = native.xskOpen({
    view: memory.view,
    umemOff: memory.umemOff,
    umemLen: memory.umemLen,
    frameSize: FRAME_SIZE,
    ringOff,
    ringSize: RING_SIZE,
    ifindex: device.ifindex,
    queue: 0,
    netnsFd: netns.fd,
    shareFd,
    zeroCopy: 'auto',
    portOff: port.off,
  });
  t.is(socket.ringBytes, ringBytes);
  const map = native.mapCreate({
    type: BPF_MAP_TYPE_XSKMAP,
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
    flags: 0,
    name: 'xsks',
  });
  native.mapUpdate(map, u32(0), u32(socket.fd));
  const program = native.progLoad({
    type: BPF_PROG_TYPE_XDP,
    expectedAttachType: BPF_XDP,
    name: 'to_xsk',
    insns: redirectToXsk(map),
  });
  const link = native.linkCreate(program, device.ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE, netns.fd);
  for (const fd of [map, program]) native.closeFd(fd);
  t.teardown(() => {
    native.closeFd(link);
    native.xskClose(socket.fd, memory.view, ringOff, ringBytes);
    const rings = memory.view.subarray(ringOff, ringOff + ringBytes);
    if (rings.some((byte) => byte !== 0)) throw new Error('rings are not covered');
  });
  return { port, fd: socket.fd, zeroCopy: socket.zeroCopy };
}

/** Static neighbours: a program that takes everything takes ARP too. */
function address(netns: Namespace, ifname: string, own: string, peer: string, mac: string): void {
  ip('-n', netns.name, 'address', 'add', `${own}/24`, 'dev', ifname);
  ip('-n', netns.name, 'neighbour', 'replace', peer, 'lladdr', mac, 'dev', ifname);
}

function memory(): Memory {
  return new Memory(UMEM_OFF, FRAME_SIZE, FRAMES);
}

/** Exchange two runs of bytes. */
function swap(frame: Uint8Array, a: number, b: number, len: number): void {
  const kept = frame.slice(a, a + len);
  frame.copyWithin(a, b, b + len);
  frame.set(kept, b);
}

rootTest(
  'xsk: a datagram arrives in the rx ring and its answer leaves by the tx ring',
  async (t) => {
    const [pod, node] = [namespace(t), namespace(t)];
    const [a, b] = veth(
      { netns: pod, ifname: 'a0', macByte: 0xa0 },
      { netns: node, ifname: 'b0', macByte: 0xb0 },
    );
    address(pod, 'a0', '10.77.1.1', '10.77.1.2', '02:00:00:00:00:b0');
    const mem = memory();
    const { port, fd, zeroCopy } = attach(t, mem, node, b, 0);
    t.false(zeroCopy, 'a veth copies');
    t.is(port.fill.size, RING_SIZE);
    t.true(native.xskSetTxBudget(fd, RING_SIZE));
    t.throws(() => native.xskSetTxBudget(fd, RING_SIZE + 1), { code: 'EACCES' });
    port.lend(0, RING_SIZE);
    const answer = python(
      pod,
      `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(8)
s.sendto(b"a question", ("10.77.1.2", 4242)); print(s.recvfrom(100))`,
    );
    let frame: Uint8Array | undefined;
    await until(() => {
      if (native.poll(Int32Array.of(fd), 20) === 0) return false;
      const descriptor = port.rx.pop();
      if (descriptor === undefined) return false;
      frame = mem.at(descriptor);
      swap(frame, 0, 6, 6);
      swap(frame, IPV4_SRC, IPV4_DST, 4);
      swap(frame, UDP_SRC_PORT, UDP_DST_PORT, 2);
      frame.set([0, 0], UDP_CHECKSUM);
      frame.set(Buffer.from('an answer!'), PAYLOAD);
      port.tx.push(descriptor);
      t.is(port.tx.flags & XDP_RING_NEED_WAKEUP, XDP_RING_NEED_WAKEUP);
      t.is(native.xskKick(fd), 0);
      return true;
    });
    t.is(await answer, "(b'an answer!', ('10.77.1.2', 4242))");
    t.deepEqual(frame?.slice(0, 6), a.mac);
    t.is(port.comp.filled, 1);
    t.is(native.xskWakeRx(fd), 0);
    t.like(native.xskStats(fd), { rxDropped: 0, txInvalidDescs: 0, rxRingFull: 0 });
  },
);

rootTest('xsk: two devices share one UMEM and a frame crosses without a copy', async (t) => {
  const [left, node, right] = [namespace(t), namespace(t), namespace(t)];
  const [, b0] = veth(
    { netns: left, ifname: 'a0', macByte: 0xa0 },
    { netns: node, ifname: 'b0', macByte: 0xb0 },
  );
  const [c0, b1] = veth(
    { netns: right, ifname: 'c0', macByte: 0xc0 },
    { netns: node, ifname: 'b1', macByte: 0xb1 },
  );
  address(left, 'a0', '10.77.1.1', '10.77.1.2', '02:00:00:00:00:b0');
  ip('-n', right.name, 'address', 'add', '10.77.1.2/24', 'dev', 'c0');
  const mem = memory();
  const first = attach(t, mem, node, b0, 0);
  const second = attach(t, mem, node, b1, 1, first.fd);
  first.port.lend(0, RING_SIZE);
  const received = python(
    right,
    `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(8)
s.bind(("10.77.1.2", 4242)); print(s.recvfrom(100))`,
  );
  const send = `import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"across", ("10.77.1.2", 4242))`;
  await until(() => ip('netns', 'exec', right.name, 'ss', '-Huln').includes(':4242'));
  await python(left, send);
  let crossed = 0;
  await until(() => {
    const descriptor = first.port.rx.pop();
    if (descriptor === undefined) return false;
    const frame = mem.at(descriptor);
    frame.set(c0.mac, 0);
    frame.set([0, 0], UDP_CHECKSUM);
    second.port.tx.push(descriptor);
    t.is(native.xskKick(second.fd), 0);
    crossed = descriptor.addr;
    return true;
  });
  t.regex(await received, /^\(b'across', \('10\.77\.1\.1', \d+\)\)$/);
  t.is(second.port.comp.pop()?.addr, crossed);
});

rootTest('xsk: two registrations of the same frames serve two devices as well', (t) => {
  const node = namespace(t);
  const [b0, b1] = veth(
    { netns: node, ifname: 'b0', macByte: 0xb0 },
    { netns: node, ifname: 'b1', macByte: 0xb1 },
  );
  const mem = memory();
  const sockets = [attach(t, mem, node, b0, 0), attach(t, mem, node, b1, 1)];
  t.is(sockets.length, 2);
});

rootTest('xsk: what the kernel refuses leaves ordinary memory behind', (t) => {
  const node = namespace(t);
  const [b0] = veth(
    { netns: node, ifname: 'b0', macByte: 0xb0 },
    { netns: node, ifname: 'b1', macByte: 0xb1 },
  );
  const mem = memory();
  const port = new Port(mem, 0);
  const spec = {
    view: mem.view,
    umemOff: mem.umemOff,
    umemLen: mem.umemLen,
    frameSize: FRAME_SIZE,
    ringOff: RING_OFF,
    ringSize: RING_SIZE,
    ifindex: b0.ifindex,
    queue: 0,
    netnsFd: node.fd,
    zeroCopy: 'require',
    portOff: port.off,
  } as const;
  const ringBytes = native.xskRingBytes(RING_SIZE);
  const rings = mem.view.subarray(RING_OFF, RING_OFF + ringBytes);
  t.throws(() => native.xskOpen(spec), { code: 'EOPNOTSUPP' });
  rings.fill(0x5a);
  t.true(rings.every((byte) => byte === 0x5a));
  t.like(
    t.throws(() => native.xskOpen({ ...spec, zeroCopy: 'auto', queue: 7 })),
    { syscall: 'bind' },
  );
  const socket = native.xskOpen({ ...spec, zeroCopy: 'never' });
  t.throws(() => native.xskOpen({ ...spec, zeroCopy: 'never', ringOff: RING_OFF + ringBytes }), {
    code: 'EBUSY',
  });
  port.lend(0, 3);
  t.is(port.fill.filled, 3);
  native.xskClose(socket.fd, mem.view, RING_OFF, ringBytes);
  t.true(rings.every((byte) => byte === 0));
});
