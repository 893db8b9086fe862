import test from 'ava';
import type { Core } from '../support/core.js';
import { swap16 } from './oracle.js';
import { bytesOf, hexOf, packet, rewrites } from './vectors.js';
import { wireCore } from './wire-core.js';

const FRAME = 0x80000;
const AFTER = 0x81000;
const ETH_HLEN = 14;
const IPPROTO = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132 };

const core = await wireCore('release');

for (const { name, before, after } of rewrites) {
  test(`nat: the incremental rewrite of "${name}" is byte for byte what scapy makes`, (t) => {
    core.bytes.set(bytesOf(after), AFTER);
    rewrite(core, bytesOf(before));
    t.is(hexOf(core.bytes.subarray(FRAME, FRAME + after.length / 2)), after);
  });
}

/** Give the frame at FRAME the addresses and ports of the one at AFTER, by deltas alone. */
function rewrite(core: Core, before: Uint8Array): void {
  core.bytes.set(before, FRAME);
  const { view } = core;
  const ip = FRAME + ETH_HLEN;
  const isIpv4 = view.getUint8(ip) >> 4 === 4;
  const proto = view.getUint8(ip + (isIpv4 ? 9 : 6));
  const transport = ip + (isIpv4 ? 20 : 40);
  const addresses = isIpv4 ? [ip + 12, ip + 16] : [ip + 8, ip + 24];
  const isEcho = proto === IPPROTO.ICMP || proto === IPPROTO.ICMPV6;

  const target = (ptr: number) => ptr - FRAME + AFTER;
  const u32 = (ptr: number) => view.getUint32(ptr, true);
  const u16 = (ptr: number) => view.getUint16(ptr, true);
  const deltas = addresses.map((ptr) =>
    isIpv4
      ? core.call('deltaU32', u32(ptr), u32(target(ptr)))
      : core.call('deltaAddr6', ptr, target(ptr)),
  );
  const addrDelta = core.call('addDelta', deltas[0] ?? 0, deltas[1] ?? 0);
  const portDelta = isEcho
    ? core.call('deltaU32', u16(transport + 4), u16(target(transport + 4)))
    : core.call('deltaU32', u32(transport), u32(target(transport)));

  if (isIpv4) {
    for (const ptr of addresses) view.setUint32(ptr, u32(target(ptr)), true);
    core.call('setIpv4Checksum', ip, core.call('applyDelta', u16(ip + 10), addrDelta));
  } else {
    for (const ptr of addresses) core.call('ipv6Copy', ptr, target(ptr));
  }
  const both = core.call('addDelta', addrDelta, portDelta);
  switch (proto) {
    case IPPROTO.TCP: {
      const checksum = core.call('applyDelta', u16(transport + 16), both);
      const ports = u32(target(transport));
      core.call('writeTcpPorts', transport, ports & 0xffff, ports >>> 16, checksum);
      break;
    }
    case IPPROTO.UDP: {
      const checksum = core.call('applyDeltaUdp', u16(transport + 6), both);
      const ports = u32(target(transport));
      const length = swap16(u16(transport + 4));
      core.call('writeUdp', transport, ports & 0xffff, ports >>> 16, length, checksum);
      break;
    }
    case IPPROTO.SCTP:
      core.call(
        'writeSctpPorts',
        transport,
        u32(target(transport)),
        FRAME + before.length - transport,
      );
      break;
    case IPPROTO.ICMP: {
      const checksum = core.call('applyDelta', u16(transport + 2), portDelta);
      core.call('writeIcmpId', transport, u16(target(transport + 4)), checksum);
      break;
    }
    default: {
      const checksum = core.call('applyDelta', u16(transport + 2), both);
      core.call('writeIcmpv6Id', transport, u16(target(transport + 4)), checksum);
    }
  }
}

test('ipv4: decrementing every TTL keeps the header checksum right', (t) => {
  const frame = bytesOf(packet('udp4').hex);
  for (let ttl = 0; ttl < 256; ttl++) {
    core.bytes.set(frame, FRAME);
    const ip = FRAME + ETH_HLEN;
    core.bytes[ip + 8] = ttl;
    core.call('setIpv4Checksum', ip, 0);
    core.call('setIpv4Checksum', ip, core.call('checksum', ip, 20));
    const done = core.call('decrementTtl', ip);
    t.is(done, ttl > 1 ? 1 : 0);
    t.is(core.bytes[ip + 8], ttl > 1 ? ttl - 1 : ttl);
    t.is(core.call('checksum', ip, 20), 0);
  }
});

test('writers: an Ethernet, IPv4 and UDP header from fields is the one scapy makes', (t) => {
  const vector = packet('udp4');
  const frame = bytesOf(vector.hex);
  frame.set([0, 0, 0x40, 0], ETH_HLEN + 4); // begin() writes identification 0 and DF
  core.bytes.set(frame, AFTER);
  core.bytes.fill(0xaa, FRAME, FRAME + 42);
  const ip = FRAME + ETH_HLEN;
  const at = (off: number) => core.view.getUint32(AFTER + ETH_HLEN + off, true);
  core.call('writeEth', FRAME, AFTER, swap16(0x0800));
  core.call('writeIpv4', ip, 0, 33, 63, IPPROTO.UDP, at(12), at(16));
  core.call('writeUdp', ip + 20, swap16(40001), swap16(53), 13, swap16(vector.udp?.checksum ?? 0));
  frame.set([0, 0], ETH_HLEN + 10);
  t.is(hexOf(core.bytes.subarray(FRAME, FRAME + 42)), hexOf(frame.subarray(0, 42)));
});

test('writers: both ports as one word are both ports', (t) => {
  for (const [name, writer] of [
    ['tcp4 data of odd length', 'writeTcpPortsWord'],
    ['udp4', 'writeUdpPortsWord'],
  ] as const) {
    core.bytes.set(bytesOf(packet(name).hex), FRAME);
    core.call(writer, FRAME + 34, 0x04030201);
    t.deepEqual([...core.bytes.subarray(FRAME + 34, FRAME + 38)], [1, 2, 3, 4]);
  }
});

test('writers: an ARP reply from fields is the one scapy makes', (t) => {
  const frame = bytesOf(packet('arp reply').hex);
  core.bytes.set([2, 0, 0, 0, 0, 0x0a, 2, 0, 0, 0, 0, 0x0b], AFTER);
  core.bytes.set([10, 244, 1, 7, 10, 244, 2, 9], AFTER + 16);
  core.bytes.fill(0xaa, FRAME, FRAME + 28);
  const [sender, target] = [16, 20].map((off) => core.view.getUint32(AFTER + off, true));
  core.call('writeArp', FRAME, 2, AFTER, sender ?? 0, target ?? 0);
  t.is(hexOf(core.bytes.subarray(FRAME, FRAME + 28)), hexOf(frame.subarray(14)));
});

test('writers: a neighbour advertisement from fields is the one scapy makes', (t) => {
  const frame = bytesOf(packet('icmp6 neighbour advertisement').hex);
  core.bytes.set(frame, AFTER);
  core.bytes.fill(0xaa, FRAME, FRAME + 86);
  const ip = FRAME + ETH_HLEN;
  core.call('writeEth', FRAME, AFTER, swap16(0x86dd));
  core.call('writeIpv6', ip, 32, IPPROTO.ICMPV6, 255, AFTER + ETH_HLEN + 8);
  core.call('writeNa', ip + 40, 0xe0, AFTER + 62, AFTER + 80);
  const total =
    core.call64('sum', ip + 40, 32) + core.call64('pseudoSum6', ip + 8, IPPROTO.ICMPV6, 32);
  core.call('writeIcmpv6Id', ip + 40, 0xe0, core.call('finish', total));
  t.is(hexOf(core.bytes.subarray(FRAME, FRAME + 86)), hexOf(frame));
});

test('writers: the heads of ICMP errors are the ones scapy makes', (t) => {
  const cases = [
    ['icmp4 fragmentation needed', 34, 'writeIcmpError', 3, 4, 1400],
    ['icmp4 time exceeded', 34, 'writeIcmpError', 11, 0, 0],
    ['icmp6 packet too big', 54, 'writeIcmpv6Error', 2, 0, 1280],
    ['icmp6 port unreachable', 54, 'writeIcmpv6Error', 1, 4, 0],
  ] as const;
  for (const [name, off, writer, type, code, mtu] of cases) {
    const head = bytesOf(packet(name).hex).subarray(off, off + 8);
    head.set([0, 0], 2);
    core.bytes.fill(0xaa, FRAME, FRAME + 8);
    core.call(writer, FRAME, type, code, mtu);
    t.is(hexOf(core.bytes.subarray(FRAME, FRAME + 8)), hexOf(head), name);
  }
});
