import type { ExecutionContext } from 'ava';
import { Action, FailMode, KernelCounter } from '../../assembly/abi.js';
import { rootTest } from '../native/root.js';
import {
  TC_ACT_UNSPEC,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
  useRig,
  XDP_DROP,
  XDP_PASS,
} from './use-rig.js';
import { addr4, addr6, ETH_HLEN, frameOf, rawFrame, type Tuple } from './frames.js';

const rig = useRig();

const NODE4 = addr4('192.0.2.10');
const NODE6 = addr6('2001:db8:0:0:0:0:0:10');
const CLIENT4 = addr4('203.0.113.5');
const CLIENT6 = addr6('2001:db8:1:0:0:0:0:5');
const TCP = 6;
const UDP = 17;
const SCTP = 132;
const NODE_PORT = 30080;

const TO_NODE4: Tuple = {
  v6: false,
  proto: 'tcp',
  src: CLIENT4,
  dst: NODE4,
  sport: 50000,
  dport: NODE_PORT,
};
const TO_NODE6: Tuple = { ...TO_NODE4, v6: true, src: CLIENT6, dst: NODE6 };

type Fate = 'host' | 'lane' | 'dropped';

/** Both programs agree on a frame, and one that is the host's comes through bit for bit. */
function fate(t: ExecutionContext, frame: Buffer): Fate {
  const tc = rig().run('uplink_ingress', frame);
  const tcClimbed = rig().counted(KernelCounter.UPLINK_CLIMB);
  const xdp = rig().run('uplink_xdp', frame);
  const xdpClimbed = rig().counted(KernelCounter.UPLINK_CLIMB);
  t.is(tcClimbed, xdpClimbed, 'TC and XDP disagree');
  // XDP hands the lane the frame as it came.
  t.deepEqual(xdp.out, frame);
  if (tcClimbed === 1) {
    t.is(tc.retval, TC_ACT_REDIRECT);
    t.deepEqual(tc.out.subarray(12), frame.subarray(12));
    return 'lane';
  }
  t.deepEqual(tc.out, frame);
  if (tc.retval === TC_ACT_SHOT) {
    t.is(xdp.retval, XDP_DROP);
    return 'dropped';
  }
  t.deepEqual([tc.retval, xdp.retval], [TC_ACT_UNSPEC, XDP_PASS]);
  return 'host';
}

rootTest('uplink: what nobody claimed is the host own, bit for bit', (t) => {
  const frames = [
    frameOf(TO_NODE4),
    frameOf(TO_NODE6),
    frameOf({ ...TO_NODE4, proto: 'udp' }),
    frameOf({ ...TO_NODE4, proto: 'icmp' }),
    rawFrame(0x0806, Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1)),
    rawFrame(0x8100, new Uint8Array(46)),
    rawFrame(0x0800, new Uint8Array(46)),
    rawFrame(0x86dd, new Uint8Array(46)),
    // Too short to be looked at.
    frameOf({ ...TO_NODE4, proto: 'icmp' }).subarray(0, ETH_HLEN + 20),
    frameOf(TO_NODE6).subarray(0, ETH_HLEN + 40),
  ];
  for (const frame of frames) t.is(fate(t, frame), 'host');
});

rootTest('uplink: a claimed address, port and protocol climb; its neighbours do not', (t) => {
  rig().putOurs(NODE4, NODE_PORT, TCP);
  rig().putOurs(NODE6, NODE_PORT, UDP);
  t.is(fate(t, frameOf(TO_NODE4)), 'lane');
  t.is(fate(t, frameOf({ ...TO_NODE4, dport: NODE_PORT + 1 })), 'host');
  t.is(fate(t, frameOf({ ...TO_NODE4, proto: 'udp' })), 'host');
  t.is(fate(t, frameOf({ ...TO_NODE4, dst: CLIENT4 })), 'host');
  t.is(fate(t, frameOf({ ...TO_NODE6, proto: 'udp' })), 'lane');
  t.is(fate(t, frameOf(TO_NODE6)), 'host');
});

rootTest('uplink: SCTP to a claimed address and port climbs, for SCTP only', (t) => {
  for (const to of [TO_NODE4, TO_NODE6]) {
    rig().putOurs(to.dst, NODE_PORT, SCTP);
    t.is(fate(t, frameOf({ ...to, proto: 'sctp' })), 'lane');
    t.is(fate(t, frameOf({ ...to, proto: 'sctp', dport: NODE_PORT + 1 })), 'host');
    t.is(fate(t, frameOf({ ...to, proto: 'udp' })), 'host');
    t.is(fate(t, frameOf(to)), 'host');
  }
});

rootTest('uplink: an address claimed as a whole climbs whatever the packet', (t) => {
  rig().putOurs(NODE4, 0, 0);
  rig().putOurs(NODE6, 0, 0);
  const fragment = frameOf(TO_NODE4);
  fragment.writeUInt16BE(0x0001, ETH_HLEN + 6);
  const extension = frameOf(TO_NODE6);
  extension[ETH_HLEN + 6] = 44;
  for (const frame of [
    frameOf({ ...TO_NODE4, proto: 'icmp' }),
    frameOf({ ...TO_NODE6, proto: 'icmp' }),
    frameOf({ ...TO_NODE4, dport: 1 }),
    fragment,
    extension,
  ]) {
    t.is(fate(t, frame), 'lane');
  }
});

rootTest('uplink: the first fragment and a packet with options show their port', (t) => {
  rig().putOurs(NODE4, NODE_PORT, TCP);
  const first = frameOf(TO_NODE4);
  first.writeUInt16BE(0x2000, ETH_HLEN + 6);
  t.is(fate(t, first), 'lane');
  const plain = frameOf(TO_NODE4);
  const ipEnd = ETH_HLEN + 20;
  const options = Buffer.concat([
    plain.subarray(0, ipEnd),
    Buffer.alloc(4, 1),
    plain.subarray(ipEnd),
  ]);
  options[ETH_HLEN] = 0x46;
  t.is(fate(t, options), 'lane');
});

rootTest('uplink: all fragments of a claimed protocol climb, whatever their port', (t) => {
  rig().putOurs(NODE4, 0, UDP);
  rig().putOurs(NODE6, 0, UDP);
  for (const bits of [0x2000, 0x2010, 0x0010]) {
    const fragment = frameOf({ ...TO_NODE4, proto: 'udp' });
    fragment.writeUInt16BE(bits, ETH_HLEN + 6);
    t.is(fate(t, fragment), 'lane');
    const other = frameOf(TO_NODE4);
    other.writeUInt16BE(bits, ETH_HLEN + 6);
    t.is(fate(t, other), 'host');
  }
  for (const [proto, expected] of [
    [UDP, 'lane'],
    [TCP, 'host'],
  ] as const) {
    const fragment = frameOf({ ...TO_NODE6, proto: 'udp' });
    fragment[ETH_HLEN + 6] = 44;
    fragment[ETH_HLEN + 40] = proto;
    t.is(fate(t, fragment), expected);
  }
  t.is(fate(t, frameOf({ ...TO_NODE4, proto: 'udp' })), 'host', 'whole datagrams do not');
});

const VXLAN_PORT = 8472;
const VNI = 7;

function tunnelPacket(v6: boolean, vni = VNI): Buffer {
  const to: Tuple = { ...(v6 ? TO_NODE6 : TO_NODE4), proto: 'udp', dport: VXLAN_PORT };
  return frameOf(to, { payload: Uint8Array.of(8, 0, 0, 0, 0, 0, vni, 0, ...Buffer.alloc(20)) });
}

function expectTunnelPackets(): void {
  rig().control({ tunnelPort: VXLAN_PORT, vni: VNI });
  for (const address of [NODE4, NODE6]) rig().putTunnelHere(address, VXLAN_PORT);
}

function withOptions(plain: Buffer): Buffer {
  const ipEnd = ETH_HLEN + 20;
  const parts = [plain.subarray(0, ipEnd), Buffer.alloc(8, 1), plain.subarray(ipEnd)];
  const frame = Buffer.concat(parts);
  frame[ETH_HLEN] = 0x47;
  return frame;
}

rootTest('uplink: a tunnel packet to this host is dropped unless a node has sent it', (t) => {
  expectTunnelPackets();
  for (const v6 of [false, true]) {
    t.is(fate(t, tunnelPacket(v6)), 'dropped');
    t.is(fate(t, tunnelPacket(v6, VNI + 1)), 'host', 'of a network that is none of ours');
  }
  t.is(fate(t, withOptions(tunnelPacket(false))), 'dropped');
  t.is(fate(t, withOptions(tunnelPacket(false, VNI + 1))), 'host');
  rig().putTunnelPeer(CLIENT4, VXLAN_PORT);
  rig().putTunnelPeer(CLIENT6, VXLAN_PORT);
  for (const v6 of [false, true]) t.is(fate(t, tunnelPacket(v6)), 'host');
  t.is(fate(t, withOptions(tunnelPacket(false))), 'host');
});

rootTest('uplink: a tunnel packet that ends elsewhere is passed on, whoever has sent it', (t) => {
  rig().control({ tunnelPort: VXLAN_PORT, vni: VNI });
  for (const v6 of [false, true]) t.is(fate(t, tunnelPacket(v6)), 'host');
  rig().putOurs(NODE4, 0, 0);
  t.is(fate(t, tunnelPacket(false)), 'lane', 'to a pod with tunnels of its own');
});

rootTest('uplink: a tunnel packet in fragments goes no other way than a whole one', (t) => {
  expectTunnelPackets();
  const first = tunnelPacket(false);
  first.writeUInt16BE(0x2000, ETH_HLEN + 6);
  // Fragments to the node's addresses climb.
  rig().putOurs(NODE4, 0, UDP);
  t.is(fate(t, first), 'dropped');
});

rootTest('uplink: nobody outside speaks with the loopback, frontend or not', (t) => {
  const loopback = addr4('127.0.0.1');
  rig().putOurs(loopback, NODE_PORT, TCP);
  t.is(fate(t, frameOf({ ...TO_NODE4, dst: loopback })), 'host');
  t.is(fate(t, frameOf({ ...TO_NODE4, src: loopback, dst: loopback })), 'host');
});

rootTest('uplink: when the lane is silent what is ours follows the fail mode', (t) => {
  rig().putOurs(NODE4, NODE_PORT, TCP);
  rig().control({ alive: false });
  t.is(fate(t, frameOf(TO_NODE4)), 'host');
  t.is(rig().counted(KernelCounter.LANE_SILENT_PASS), 2);
  rig().control({ alive: false, failMode: FailMode.CLOSED });
  t.is(fate(t, frameOf(TO_NODE4)), 'dropped');
  t.is(rig().counted(KernelCounter.LANE_SILENT_DROP), 2);
  t.is(fate(t, frameOf({ ...TO_NODE4, dport: 22 })), 'host');
});

/** "Packet too big" about a packet that we sent: an ICMP error that quotes its first bytes. */
function icmpError(about: Tuple): Buffer {
  const sent = frameOf(about);
  const quote = sent.subarray(ETH_HLEN, ETH_HLEN + (about.v6 ? 48 : 28));
  const error = frameOf(
    { ...about, proto: 'icmp', src: about.dst, dst: about.src },
    { payload: quote },
  );
  error[ETH_HLEN + (about.v6 ? 40 : 20)] = about.v6 ? 2 : 3;
  return error;
}

rootTest('uplink: an ICMP error about a translated flow climbs, any other is the host own', (t) => {
  for (const reply of [TO_NODE4, TO_NODE6]) {
    const sent: Tuple = {
      ...reply,
      src: reply.dst,
      dst: reply.src,
      sport: reply.dport,
      dport: reply.sport,
    };
    t.is(fate(t, icmpError(sent)), 'host');
    rig().putRow({ from: reply, action: Action.POD });
    t.is(fate(t, icmpError(sent)), 'lane');
    t.is(fate(t, icmpError({ ...sent, sport: 22 })), 'host');
  }
});
