import fc from 'fast-check';
import { Action } from '../../assembly/abi.js';
import { rootTest } from '../native/root.js';
import { TC_ACT_OK, TC_ACT_REDIRECT, useRig, XDP_PASS, XDP_REDIRECT } from './use-rig.js';
import {
  addr4,
  addr6,
  ETH_HLEN,
  frameOf,
  type FrameOptions,
  MAC_CLIENT,
  type Proto,
  TCP_ACK,
  type Tuple,
} from './frames.js';

const DST_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xbb);
const SRC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xaa);
const MACS = Buffer.concat([DST_MAC, SRC_MAC]);
const UPLINK = 9;
const UDP_CHECKSUM_AT = ETH_HLEN + 20 + 6;

/** Every program that executes rows, with what it answers when it forwards or passes. */
const HOOKS = [
  { program: 'uplink_xdp', forward: XDP_REDIRECT, pass: XDP_PASS },
  { program: 'uplink_ingress', forward: TC_ACT_REDIRECT, pass: TC_ACT_OK },
  { program: 'pod_ingress', forward: TC_ACT_REDIRECT, pass: TC_ACT_OK },
  { program: 'trunk_egress', forward: TC_ACT_REDIRECT, pass: undefined },
] as const;

const rig = useRig();

const CLIENT4 = addr4('192.0.2.1');
const VIP4 = addr4('10.96.0.1');
const POD4 = addr4('10.244.1.7');
const CLIENT6 = addr6('2001:db8:0:0:0:0:0:1');
const VIP6 = addr6('fd00:96:0:0:0:0:0:1');
const POD6 = addr6('fd00:244:0:1:0:0:0:7');

function service(v6: boolean, proto: Proto): { from: Tuple; to: Tuple } {
  const [src, dst, pod] = v6 ? [CLIENT6, VIP6, POD6] : [CLIENT4, VIP4, POD4];
  const from: Tuple = { v6, proto, src, dst, sport: 40001, dport: 80 };
  // An echo keeps one identifier, here another one.
  const to = proto === 'icmp' ? { sport: 777, dport: 777 } : { sport: 40001, dport: 8080 };
  return { from, to: { ...from, ...to, dst: pod } };
}

const FORWARDED: FrameOptions = { ttl: 63, dstMac: DST_MAC, srcMac: SRC_MAC };

for (const v6 of [false, true]) {
  for (const proto of ['udp', 'tcp', 'icmp'] as const) {
    const name = `${proto} over IPv${v6 ? 6 : 4}`;
    rootTest(`rewrite: ${name} forwarded is the frame one would have built for it`, (t) => {
      const { from, to } = service(v6, proto);
      const row = { from, to, action: Action.UPLINK, outIfindex: UPLINK, macs: MACS };
      const idx = rig().putRow(row);
      const frame = frameOf(from);
      HOOKS.forEach(({ program, forward }, i) => {
        const { retval, out } = rig().run(program, frame);
        t.is(retval, forward, program);
        t.deepEqual(out, frameOf(to, FORWARDED), program);
        const tally = rig().tally(v6, idx);
        t.is(tally.packets, BigInt(i + 1), program);
        t.is(tally.bytes, BigInt(frame.length * (i + 1)), program);
      });
    });

    rootTest(`rewrite: ${name} for the host keeps TTL and MACs`, (t) => {
      const { from, to } = service(v6, proto);
      rig().putRow({ from, to, action: Action.HOST, macs: MACS });
      for (const { program, pass } of HOOKS) {
        if (pass === undefined) continue;
        const { retval, out } = rig().run(program, frameOf(from, { ttl: 1 }));
        t.is(retval, pass, program);
        t.deepEqual(out, frameOf(to, { ttl: 1 }), program);
      }
    });
  }
}

rootTest('rewrite: without NAT only TTL, IPv4 checksum and MACs change', (t) => {
  for (const v6 of [false, true]) {
    const { from } = service(v6, 'tcp');
    rig().putRow({ from, action: Action.POD, macs: MACS });
    for (const { program, forward } of HOOKS) {
      const { retval, out } = rig().run(program, frameOf(from));
      t.is(retval, forward, program);
      t.deepEqual(out, frameOf(from, FORWARDED), program);
    }
  }
});

rootTest('rewrite: a UDP checksum of 0 over IPv4 stays 0', (t) => {
  const { from, to } = service(false, 'udp');
  rig().putRow({ from, to, action: Action.UPLINK, macs: MACS });
  for (const { program } of HOOKS) {
    const { out } = rig().run(program, frameOf(from, { noChecksum: true }));
    t.deepEqual(out, frameOf(to, { ...FORWARDED, noChecksum: true }), program);
  }
});

rootTest('rewrite: a UDP checksum that comes out as 0 is sent as 0xffff', (t) => {
  const { from, to } = service(false, 'udp');
  // A payload word that makes the new sum complete: the complement of the sum without it.
  const probe = frameOf(to, { payload: new Uint8Array(2) });
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(probe.readUInt16BE(UDP_CHECKSUM_AT));
  const expected = frameOf(to, { ...FORWARDED, payload });
  t.is(expected.readUInt16BE(UDP_CHECKSUM_AT), 0xffff);
  rig().putRow({ from, to, action: Action.UPLINK, macs: MACS });
  for (const { program } of HOOKS) {
    t.deepEqual(rig().run(program, frameOf(from, { payload })).out, expected, program);
  }
});

rootTest(
  'rewrite: any tuple into any other, payload of any length, equals a full recompute',
  (t) => {
    const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
      fc.uint8Array({ minLength: length, maxLength: length });
    const port = fc.integer({ min: 1, max: 0xffff });
    const cases = fc.record({
      v6: fc.boolean(),
      proto: fc.constantFrom<Proto>('tcp', 'udp', 'icmp'),
      addrs: fc.array(bytes(16), { minLength: 4, maxLength: 4 }),
      ports: fc.array(port, { minLength: 4, maxLength: 4 }),
      payload: fc.uint8Array({ maxLength: 64 }),
      ttl: fc.integer({ min: 2, max: 255 }),
    });
    const property = fc.property(cases, ({ v6, proto, addrs, ports, payload, ttl }) => {
      rig().clear();
      const addr = (i: number): Uint8Array => (addrs[i] ?? CLIENT6).subarray(0, v6 ? 16 : 4);
      const side = (i: number): Tuple => {
        const [sport = 1, dport = 1] = ports.slice(i);
        const echo = proto === 'icmp' ? sport : dport;
        return { v6, proto, src: addr(i), dst: addr(i + 1), sport, dport: echo };
      };
      const [from, to] = [side(0), side(2)];
      rig().putRow({ from, to, action: Action.UPLINK, macs: MACS });
      const frame = frameOf(from, { ttl, payload, tcpFlags: TCP_ACK });
      const expected = frameOf(to, { ...FORWARDED, ttl: ttl - 1, payload, tcpFlags: TCP_ACK });
      for (const { program } of HOOKS) {
        t.deepEqual(rig().run(program, frame).out, expected, program);
      }
    });
    // fast-check prints the seed of a failure.
    fc.assert(property, { numRuns: 200 });
    t.pass();
  },
);

rootTest('rewrite: a row and its reverse restore the frame, TTL apart', (t) => {
  for (const v6 of [false, true]) {
    const { from, to } = service(v6, 'tcp');
    rig().putRow({ from, to, action: Action.UPLINK, macs: MACS });
    rig().putRow({ from: to, to: from, action: Action.UPLINK, macs: MACS });
    const there = rig().run('uplink_xdp', frameOf(from, { srcMac: MAC_CLIENT }));
    const back = rig().run('uplink_xdp', there.out);
    t.deepEqual(back.out, frameOf(from, { ...FORWARDED, ttl: 62 }));
  }
});
