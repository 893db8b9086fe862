/** Which row is found, and when a found one is not executed: the same in every program. */
import { Action, FLOW_PROBE_MAX, KernelCounter } from '../../assembly/abi.js';
import { monotonicMs } from '../../src/native.js';
import { rootTest } from '../native/root.js';
import { TC_ACT_REDIRECT, TC_ACT_UNSPEC, useRig, XDP_PASS, XDP_REDIRECT } from './use-rig.js';
import {
  addr4,
  addr6,
  ETH_HLEN,
  frameOf,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  type Tuple,
} from './frames.js';
import { LOOPBACK, type Row } from './rig.js';

const rig = useRig();
const MACS = Uint8Array.of(2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa);
const NS_PER_MS = 1_000_000n;

const UDP4: Tuple = {
  v6: false,
  proto: 'udp',
  src: addr4('192.0.2.1'),
  dst: addr4('10.96.0.1'),
  sport: 1234,
  dport: 53,
};
const TCP4: Tuple = { ...UDP4, proto: 'tcp' };
const UDP6: Tuple = {
  ...UDP4,
  v6: true,
  src: addr6('2001:db8:0:0:0:0:0:1'),
  dst: addr6('fd00:0:0:0:0:0:0:1'),
};

const row = (from: Tuple, more: Partial<Row> = {}): Row => ({
  from,
  action: Action.UPLINK,
  macs: MACS,
  ...more,
});
/** On an uplink only a row turns a packet of nobody's address away from the host. */
const executed = (frame: Uint8Array): boolean => {
  const { retval, out } = rig().run('uplink_xdp', frame);
  if (retval === XDP_PASS && Buffer.from(frame).equals(out)) return false;
  if (retval === XDP_REDIRECT) return true;
  throw new Error(`verdict ${retval} is neither`);
};

rootTest('lookup: a row is found in any of the probed slots and not behind them', (t) => {
  for (const from of [UDP4, UDP6]) {
    for (let displaced = 0; displaced <= FLOW_PROBE_MAX; displaced++) {
      rig().clear();
      // Deleted rows lead the way.
      for (let i = 0; i < displaced; i++) rig().putRow(row(from, { displaced: i, seq: 3 }));
      rig().putRow(row(from, { displaced }));
      t.is(executed(frameOf(from)), displaced < FLOW_PROBE_MAX, `displaced by ${displaced}`);
    }
  }
});

rootTest('lookup: a slot never used ends the search', (t) => {
  rig().putRow(row(UDP4, { displaced: 1 }));
  t.false(executed(frameOf(UDP4)));
});

rootTest('lookup: a row being written or deleted is skipped', (t) => {
  rig().putRow(row(UDP4, { seq: 5 }));
  t.false(executed(frameOf(UDP4)));
  rig().putRow(row(UDP4, { seq: 6 }));
  t.true(executed(frameOf(UDP4)));
});

rootTest('lookup: every part of the key counts', (t) => {
  const other6 = addr6('fd00:0:0:0:0:0:0:2');
  const variants: readonly [Tuple, Partial<Tuple>][] = [
    [UDP4, { src: addr4('192.0.2.2') }],
    [UDP4, { dst: addr4('10.96.0.2') }],
    [UDP4, { sport: 1235 }],
    [UDP4, { dport: 54 }],
    [UDP4, { proto: 'tcp' }],
    [UDP6, { src: other6 }],
    [UDP6, { dst: other6 }],
    [UDP6, { src: Uint8Array.from(UDP6.src, (byte, i) => (i === 8 ? 1 : byte)) }],
    [UDP6, { dst: Uint8Array.from(UDP6.dst, (byte, i) => (i === 8 ? 1 : byte)) }],
  ];
  for (const [from, change] of variants) {
    rig().clear();
    // In the slot where the other packet looks, so that only the comparison keeps them apart.
    const packet = { ...from, ...change };
    for (let displaced = 0; displaced < 64; displaced++) rig().putRow(row(from, { displaced }));
    t.true(executed(frameOf(from)));
    t.false(executed(frameOf(packet)), JSON.stringify(change));
  }
});

rootTest('lookup: a row bound to another link is a miss, to this one or to none a hit', (t) => {
  rig().putRow(row(UDP4, { inIfindex: LOOPBACK + 1 }));
  t.false(executed(frameOf(UDP4)));
  for (const inIfindex of [0, LOOPBACK]) {
    rig().putRow(row(UDP4, { inIfindex }));
    t.true(executed(frameOf(UDP4)));
  }
});

rootTest('lookup: fragments and IPv4 options have no row', (t) => {
  rig().putRow(row(UDP4));
  const change = (at: number, value: number): Buffer => {
    const frame = frameOf(UDP4);
    frame.writeUInt16BE(value, ETH_HLEN + at);
    return frame;
  };
  t.false(executed(change(6, 0x2000)), 'more fragments');
  t.false(executed(change(6, 0x0001)), 'second fragment');
  t.true(executed(change(6, 0x4000)), 'may not be fragmented');
  t.false(executed(change(0, 0x4600)), 'options');
  t.false(executed(change(0, 0x5500)), 'version 5');
});

rootTest('lookup: IPv6 extension headers have no row', (t) => {
  rig().putRow(row(UDP6));
  for (const nextHeader of [0, 43, 44, 60]) {
    const frame = frameOf(UDP6);
    frame[ETH_HLEN + 6] = nextHeader;
    t.false(executed(frame), `next header ${nextHeader}`);
  }
});

rootTest('lookup: the tally keeps the time of the packet, to a fifteenth of a millisecond', (t) => {
  const before = BigInt(Math.floor(monotonicMs())) * NS_PER_MS;
  const idx = rig().putRow(row(UDP4));
  t.true(executed(frameOf(UDP4)));
  const { seenNs } = rig().tally(false, idx);
  const after = BigInt(Math.ceil(monotonicMs())) * NS_PER_MS;
  // The coarse clock is behind by up to a tick, 10 ms at HZ=100.
  t.true(seenNs > before - 11n * NS_PER_MS, `${seenNs} after ${before}`);
  t.true(seenNs <= after + (1n << 16n), `${seenNs} before ${after}`);
});

/** What sends a known flow up although nothing names its destination as ours. */
const climbs = (frame: Uint8Array): boolean => {
  const { retval, out } = rig().run('uplink_ingress', frame);
  const stamped = out.subarray(6, 8).equals(Uint8Array.of(0x02, 0x53));
  return retval === TC_ACT_REDIRECT && stamped && rig().counted(KernelCounter.UPLINK_CLIMB) === 1;
};

rootTest(
  'lookup: what opens a connection climbs to a live lane, and flags that no TCP sends',
  (t) => {
    const idx = rig().putRow(row(TCP4));
    const frames = [TCP_SYN, TCP_FIN, TCP_SYN | TCP_FIN | TCP_ACK, TCP_SYN | TCP_RST].map(
      (tcpFlags) => frameOf(TCP4, { tcpFlags }),
    );
    for (const frame of frames) t.true(climbs(frame));
    t.is(rig().tally(false, idx).packets, 0n);
    rig().control({ alive: false });
    for (const frame of frames) t.true(executed(frame));
    t.is(rig().tally(false, idx).packets, BigInt(frames.length));
  },
);

rootTest('lookup: SYN+ACK, FIN and RST are executed, and written down in the tally', (t) => {
  const idx = rig().putRow(row(TCP4));
  const tcp = (): number => rig().tally(false, idx).tcp;
  t.true(executed(frameOf(TCP4, { tcpFlags: TCP_ACK })));
  t.is(tcp(), 0);
  let seen = 0;
  for (const turn of [TCP_SYN, TCP_FIN, TCP_RST]) {
    t.true(executed(frameOf(TCP4, { tcpFlags: turn | TCP_ACK })));
    seen |= turn;
    t.is(tcp(), seen, 'or-ed to what was seen before');
  }
  t.true(executed(frameOf(TCP4, { tcpFlags: TCP_RST })));
  t.is(rig().tally(false, idx).packets, 5n);
});

rootTest(
  'lookup: a packet at the end of its TTL climbs, and so does what XDP lacks MACs for',
  (t) => {
    rig().putRow(row(UDP4));
    for (const ttl of [0, 1]) t.true(climbs(frameOf(UDP4, { ttl })));
    t.true(executed(frameOf(UDP4, { ttl: 2 })));
    rig().putRow({ from: UDP4, action: Action.UPLINK });
    rig().run('uplink_xdp', frameOf(UDP4));
    t.is(rig().counted(KernelCounter.UPLINK_CLIMB), 1);
    rig().putRow(row(UDP4, { action: Action.LANE }));
    t.true(climbs(frameOf(UDP4)));
  },
);

rootTest('lookup: with offload off a row executes nothing, but its packets climb', (t) => {
  rig().putRow(row(UDP4));
  rig().control({ offload: false });
  t.true(climbs(frameOf(UDP4)));
  rig().control({ offload: false, alive: false });
  t.true(executed(frameOf(UDP4)), 'but those of a silent lane are executed');
});

rootTest('lookup: a row of SCTP is executed by no program, and its packets climb', (t) => {
  for (const from of [UDP4, UDP6]) {
    const sctp: Tuple = { ...from, proto: 'sctp' };
    const idx = rig().putRow(row(sctp, { to: { ...sctp, sport: 999 } }));
    const frame = frameOf(sctp);
    t.true(climbs(frame));
    t.deepEqual(rig().run('uplink_ingress', frame).out.subarray(ETH_HLEN), frame.subarray(14));
    t.is(rig().run('uplink_xdp', frame).retval, XDP_PASS);
    t.is(rig().tally(from.v6, idx).packets, 0n);
    // Without a row it is nobody's.
    t.false(climbs(frameOf({ ...sctp, sport: 77 })));
    rig().counted(KernelCounter.UPLINK_CLIMB);
    rig().control({ alive: false });
    t.is(rig().run('uplink_ingress', frame).retval, TC_ACT_UNSPEC, 'the host, by the fail mode');
    t.deepEqual(rig().run('uplink_ingress', frame).out, frame);
    t.is(rig().tally(from.v6, idx).packets, 0n);
    rig().control({ alive: true });
  }
});
