import type { ExecutionContext } from 'ava';

import { FRAME_HEADROOM, VNET_HLEN } from '../../assembly/abi.js';
import * as native from '../../src/native.js';
import { Memory, Port } from './rings.js';
import type { Descriptor } from './rings.js';
import { ip, namespace, python, rootTest, until, veth } from './root.js';
import type { Interface, Namespace } from './root.js';

const RING_SIZE = 128;
const RING_OFF = 0x40000;
const RING_STRIDE = 0x8000;
const UMEM_OFF = 0x80000;
const BUDGET = 64;

// struct virtio_net_hdr (linux/virtio_net.h)
const GSO_TYPE = 1;
const GSO_SIZE = 4;
const GSO_TCPV4 = 1;

interface Attached {
  readonly port: Port;
  readonly fd: number;
}

function attach(
  t: ExecutionContext,
  memory: Memory,
  netns: Namespace,
  device: Interface,
  idx: number,
): Attached {
  const port = new Port(memory, idx);
  port.layPlainRings(RING_OFF + idx * RING_STRIDE, RING_SIZE);
  const fd = native.packetOpen(device.ifindex, netns.fd);
  t.teardown(() => {
    native.closeFd(fd);
  });
  return { port, fd };
}

/** The virtio header of a frame. */
function virtioHeader(memory: Memory, { addr }: Descriptor): DataView {
  return new DataView(memory.view.buffer, memory.umemOff + addr - VNET_HLEN, VNET_HLEN);
}

/** Two hosts, each behind its own veth, and a node between them that only we relay. */
function twoHosts(t: ExecutionContext): { hosts: Namespace[]; node: Namespace; near: Interface[] } {
  const [left, node, right] = [namespace(t), namespace(t), namespace(t)];
  const [, b0] = veth(
    { netns: left, ifname: 'h0', macByte: 0xa0 },
    { netns: node, ifname: 'b0', macByte: 0xb0 },
  );
  const [, b1] = veth(
    { netns: right, ifname: 'h0', macByte: 0xc0 },
    { netns: node, ifname: 'b1', macByte: 0xb1 },
  );
  ip('-n', left.name, 'address', 'add', '10.77.1.1/24', 'dev', 'h0');
  ip('-n', right.name, 'address', 'add', '10.77.1.2/24', 'dev', 'h0');
  const neighbour = ['neighbour', 'replace', 'dev', 'h0'];
  ip('-n', left.name, ...neighbour, '10.77.1.2', 'lladdr', '02:00:00:00:00:c0');
  ip('-n', right.name, ...neighbour, '10.77.1.1', 'lladdr', '02:00:00:00:00:a0');
  return { hosts: [left, right], node, near: [b0, b1] };
}

rootTest('packet: TCP super-frames above 20 KB cross with their virtio header', async (t) => {
  const { hosts, node, near } = twoHosts(t);
  const [left, right] = hosts;
  const [b0, b1] = near;
  if (!left || !right || !b0 || !b1) throw new Error('unreachable');
  const mem = new Memory(UMEM_OFF, 131072, 256);
  const ports = [attach(t, mem, node, b0, 0), attach(t, mem, node, b1, 1)] as const;
  ports[0].port.lend(0, 100);
  ports[1].port.lend(100, 200);

  let [longest, segments] = [0, 0];
  const relay = (from: Port, to: Port): void => {
    for (let frame = from.rx.pop(); frame; frame = from.rx.pop()) {
      const header = virtioHeader(mem, frame);
      if (frame.len > longest && header.getUint8(GSO_TYPE) === GSO_TCPV4) {
        longest = frame.len;
        segments = header.getUint16(GSO_SIZE, true);
      }
      to.tx.push(frame);
    }
    for (let done = to.comp.pop(); done; done = to.comp.pop()) {
      t.is(done.addr % mem.frameSize, FRAME_HEADROOM);
      from.fill.push(done);
    }
  };
  const bytes = 8_000_000;
  const received = python(
    right,
    `import hashlib, socket
s = socket.create_server(("10.77.1.2", 4242)); s.settimeout(8)
c, _ = s.accept(); h = hashlib.sha256(); n = 0
while b := c.recv(1 << 20): h.update(b); n += len(b)
print(n, h.hexdigest())`,
  );
  const listening = (): boolean => ip('netns', 'exec', right.name, 'ss', '-Htln').includes(':4242');
  await until(listening);
  const sent = python(
    left,
    `import hashlib, random, socket
data = random.Random(1).randbytes(${String(bytes)})
c = socket.create_connection(("10.77.1.2", 4242), 8); c.sendall(data); c.close()
print(len(data), hashlib.sha256(data).hexdigest())`,
  );
  let done = false;
  const finished = Promise.all([sent, received]).finally(() => {
    done = true;
  });
  let moved = 0;
  await until(() => {
    for (const { port, fd } of ports) {
      const count = native.packetPump(fd, mem.view, port.off, BUDGET);
      moved += (count & 0xffff) + (count >>> 16);
    }
    relay(ports[0].port, ports[1].port);
    relay(ports[1].port, ports[0].port);
    return done;
  });
  const [sender, receiver] = await finished;
  t.is(receiver, sender);
  t.regex(receiver, new RegExp(`^${String(bytes)} `));
  t.true(longest > 20_000, `longest was ${String(longest)}`);
  t.true(segments > 0 && segments < 1500, `gso_size was ${String(segments)}`);
  t.true(moved > 0);
  for (const { fd } of ports) t.is(native.packetStats(fd).drops, 0);
});

rootTest('packet: a frame that does not fit keeps its length and stays in its frame', async (t) => {
  const { hosts, node, near } = twoHosts(t);
  const [left] = hosts;
  const [b0] = near;
  if (!left || !b0) throw new Error('unreachable');
  const mem = new Memory(UMEM_OFF, 1024, 8);
  mem.view.fill(0xee, UMEM_OFF);
  const { port, fd } = attach(t, mem, node, b0, 0);
  port.lend(2, 3);
  await python(
    left,
    `import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x" * 1400, ("10.77.1.2", 4242))`,
  );
  t.is(native.packetPump(fd, mem.view, port.off, BUDGET), 1);
  t.deepEqual(port.rx.pop(), { addr: 2 * 1024 + FRAME_HEADROOM, len: 14 + 20 + 8 + 1400 });
  const untouched = (from: number, to: number): boolean =>
    mem.view.subarray(UMEM_OFF + from, UMEM_OFF + to).every((byte) => byte === 0xee);
  t.true(untouched(0, 2 * 1024 + FRAME_HEADROOM - VNET_HLEN));
  t.true(untouched(3 * 1024, 8 * 1024));
  t.false(untouched(3 * 1024 - 1, 3 * 1024));
  t.is(port.fill.filled, 0);
});

rootTest('packet: a descriptor outside its frame is refused and nothing moves', (t) => {
  const { node, near } = twoHosts(t);
  const [b0] = near;
  if (!b0) throw new Error('unreachable');
  const mem = new Memory(UMEM_OFF, 2048, 8);
  for (const [idx, descriptor] of [
    { addr: 8 * 2048 + 256, len: 60 },
    { addr: 256, len: 2048 },
    { addr: 2048 + VNET_HLEN - 1, len: 60 },
  ].entries()) {
    const { port, fd } = attach(t, mem, node, b0, idx);
    port.tx.push(descriptor);
    t.throws(() => native.packetPump(fd, mem.view, port.off, BUDGET), {
      instanceOf: RangeError,
      message: /tx ring/,
    });
    t.is(port.tx.filled, 1);
    t.is(port.comp.filled, 0);
  }
  const { port, fd } = attach(t, mem, node, b0, 4);
  port.fill.push({ addr: 8 * 2048, len: 0 });
  t.throws(() => native.packetPump(fd, mem.view, port.off, BUDGET), { message: /fill ring/ });
});

rootTest('packet: what a device refuses is completed, a vanished device is an error', (t) => {
  const { node, near } = twoHosts(t);
  const [b0] = near;
  if (!b0) throw new Error('unreachable');
  const mem = new Memory(UMEM_OFF, 2048, 8);
  const { port, fd } = attach(t, mem, node, b0, 0);
  const push = (): void => {
    port.tx.push({ addr: FRAME_HEADROOM, len: 4 });
  };
  push();
  t.is(native.packetPump(fd, mem.view, port.off, BUDGET), 1 << 16, 'too short for a header');
  t.is(port.comp.pop()?.addr, FRAME_HEADROOM);
  ip('-n', node.name, 'link', 'set', 'b0', 'down');
  push();
  t.is(native.packetPump(fd, mem.view, port.off, BUDGET), 1 << 16);
  ip('-n', node.name, 'link', 'del', 'b0');
  push();
  t.like(
    t.throws(() => native.packetPump(fd, mem.view, port.off, BUDGET)),
    { code: 'ENXIO', syscall: 'sendmmsg' },
  );
});
