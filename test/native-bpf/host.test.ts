/** What of the host's own traffic goes by the trunk, and that nothing else does. */
import type { ExecutionContext } from 'ava';
import { Action, FailMode, KernelCounter } from '../../assembly/abi.js';
import { rootTest } from '../native/root.js';
import { addr4, addr6, ETH_HLEN, frameOf, rawFrame, type Tuple } from './frames.js';
import { TRUNK } from './rig.js';
import { TC_ACT_OK, TC_ACT_REDIRECT, TC_ACT_UNSPEC, useRig } from './use-rig.js';

const rig = useRig();

const NODE4 = addr4('192.0.2.10');
const NODE6 = addr6('2001:db8:0:0:0:0:0:10');
const CLIENT4 = addr4('203.0.113.5');
const CLIENT6 = addr6('2001:db8:1:0:0:0:0:5');
const GATEWAY_MAC = Uint8Array.of(0x02, 0x53, 0, 0, 0, 1);
const ETH_SRC_OFF = 6;
const TCP = 6;
const UDP = 17;
const NODE_PORT = 30080;
const LINK = 9;

/** A process of the host asks a node port of its own address. */
const TO_SELF4: Tuple = {
  v6: false,
  proto: 'tcp',
  src: NODE4,
  dst: NODE4,
  sport: 50000,
  dport: NODE_PORT,
};
const TO_SELF6: Tuple = { ...TO_SELF4, v6: true, src: NODE6, dst: NODE6 };
/** A process of the host, a backend, answers a client. */
const ANSWER4: Tuple = {
  v6: false,
  proto: 'udp',
  src: NODE4,
  dst: CLIENT4,
  sport: 5353,
  dport: 40000,
};
const ANSWER6: Tuple = { ...ANSWER4, v6: true, src: NODE6, dst: CLIENT6 };

/** Sent by the trunk with all but the first bytes of its source MAC, or left to whom it was sent. */
function isCaught(t: ExecutionContext, frame: Buffer, ingressIfindex = 0): boolean {
  const { retval, out } = rig().run('host_egress', frame, { ingressIfindex });
  if (retval === TC_ACT_UNSPEC) {
    t.deepEqual(out, frame, 'untouched');
    return false;
  }
  t.is(retval, TC_ACT_REDIRECT);
  const expected = Buffer.from(frame);
  expected.fill(0, ETH_SRC_OFF, ETH_SRC_OFF + 2);
  t.deepEqual(out, expected);
  return true;
}

rootTest('host: what nobody claimed goes its way, bit for bit', (t) => {
  const vlan = rawFrame(0x8100, new Uint8Array(46));
  const frames = [
    ...[TO_SELF4, TO_SELF6, ANSWER4, ANSWER6].map((tuple) => frameOf(tuple)),
    frameOf({ ...TO_SELF4, proto: 'icmp' }),
    frameOf({ ...TO_SELF6, proto: 'icmp' }),
    rawFrame(0x0806, Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1)),
    vlan,
    rawFrame(0x88cc, new Uint8Array(46)),
    rawFrame(0x0800, new Uint8Array(46)),
    frameOf(TO_SELF4).subarray(0, ETH_HLEN + 20),
  ];
  for (const frame of frames) t.false(isCaught(t, frame));
});

rootTest('host: what is to a frontend goes by the trunk, its neighbours do not', (t) => {
  rig().putOurs(NODE4, NODE_PORT, TCP);
  rig().putOurs(NODE6, NODE_PORT, TCP);
  const loopback = addr4('127.0.0.1');
  rig().putOurs(loopback, NODE_PORT, TCP);
  t.true(isCaught(t, frameOf(TO_SELF4)));
  t.true(isCaught(t, frameOf(TO_SELF6)));
  t.true(isCaught(t, frameOf({ ...TO_SELF4, src: loopback, dst: loopback })));
  t.true(isCaught(t, frameOf(TO_SELF4, { srcMac: GATEWAY_MAC })), 'which is no stamp');
  t.false(isCaught(t, frameOf({ ...TO_SELF4, dport: 22 })));
  t.false(isCaught(t, frameOf({ ...TO_SELF4, proto: 'udp' })));
  t.false(isCaught(t, frameOf({ ...TO_SELF4, dst: CLIENT4 })));
});

rootTest('host: a pod is reached by the way the host has to it', (t) => {
  rig().putOurs(CLIENT4, 0, 0);
  rig().putOurs(CLIENT6, 0, 0);
  t.false(isCaught(t, frameOf(ANSWER4)));
  t.false(isCaught(t, frameOf(ANSWER6)));
  const extension = frameOf(ANSWER6);
  extension[ETH_HLEN + 6] = 0;
  t.false(isCaught(t, extension), 'nor does a protocol 0 ask for the whole address');
});

rootTest('host: fragments go by the trunk where a frontend has their protocol', (t) => {
  rig().putOurs(NODE4, 0, UDP);
  rig().putOurs(NODE6, 0, UDP);
  const fragment4 = (bits: number): Buffer => {
    const frame = frameOf({ ...TO_SELF4, proto: 'udp' });
    frame.writeUInt16BE(bits, ETH_HLEN + 6);
    return frame;
  };
  t.true(isCaught(t, fragment4(0x2000)), 'the first');
  t.true(isCaught(t, fragment4(0x2010)), 'one in between');
  t.true(isCaught(t, fragment4(0x0010)), 'the last');
  t.false(isCaught(t, fragment4(0x4000)), 'not to be fragmented is no fragment');
  const fragment6 = (proto: number): Buffer => {
    const frame = frameOf({ ...TO_SELF6, proto: 'udp' });
    frame[ETH_HLEN + 6] = 44;
    frame[ETH_HLEN + 40] = proto;
    return frame;
  };
  t.true(isCaught(t, fragment6(UDP)));
  t.false(isCaught(t, fragment6(TCP)));
});

rootTest('host: what a row knows goes by the trunk, if it is the trunk that it is for', (t) => {
  for (const from of [ANSWER4, ANSWER6]) {
    rig().putRow({ from, action: Action.UPLINK, inIfindex: TRUNK });
    t.true(isCaught(t, frameOf(from)));
    t.false(isCaught(t, frameOf({ ...from, dport: 40001 })));
    for (const inIfindex of [0, LINK]) {
      rig().putRow({ from, action: Action.UPLINK, inIfindex });
      t.false(isCaught(t, frameOf(from)), 'a row of what comes from elsewhere');
    }
  }
});

rootTest('host: an ICMP error of the host about a translated flow goes by the trunk', (t) => {
  for (const reply of [ANSWER4, ANSWER6]) {
    const asked = frameOf({
      ...reply,
      src: reply.dst,
      dst: reply.src,
      sport: reply.dport,
      dport: reply.sport,
    });
    const quote = asked.subarray(ETH_HLEN, ETH_HLEN + (reply.v6 ? 48 : 28));
    const error = frameOf({ ...reply, proto: 'icmp' }, { payload: quote });
    error[ETH_HLEN + (reply.v6 ? 40 : 20)] = reply.v6 ? 1 : 3;
    t.false(isCaught(t, error));
    rig().putRow({ from: reply, action: Action.UPLINK, inIfindex: TRUNK });
    t.true(isCaught(t, error));
  }
});

rootTest('host: what Sluice has sent on its way is not caught again', (t) => {
  rig().putOurs(NODE4, NODE_PORT, TCP);
  rig().putLink(LINK, CLIENT4, CLIENT6);
  t.false(isCaught(t, frameOf(TO_SELF4), TRUNK), 'from the lane');
  t.false(isCaught(t, frameOf(TO_SELF4), LINK), 'from a pod');
  t.true(isCaught(t, frameOf(TO_SELF4), LINK + 1), 'what else the host forwards is');
  rig().removeLink(LINK);
});

rootTest('host: what the host forwards to a pod goes by the trunk until a row knows it', (t) => {
  // A test run is on the loopback: for once a pod is behind it.
  const loopback = 1;
  rig().putLink(loopback, CLIENT4, CLIENT6);
  for (const tuple of [ANSWER4, ANSWER6]) {
    const frame = frameOf(tuple);
    t.true(isCaught(t, frame, LINK), 'from another link');
    t.false(isCaught(t, frame), 'what the host itself sends has its own way');
    t.false(isCaught(t, frame, TRUNK), 'from the lane');
    rig().control({ alive: false, failMode: FailMode.OPEN });
    t.false(isCaught(t, frame, LINK), 'with a silent lane');
    rig().control({ alive: true, failMode: FailMode.OPEN });
    rig().putRow({ from: tuple, action: Action.POD, inIfindex: 0 });
    t.false(isCaught(t, frame, LINK), 'an answer to what a pod has sent by way of the host');
    rig().putRow({ from: tuple, action: Action.POD, inIfindex: TRUNK });
    t.true(isCaught(t, frame, LINK), 'as its row says');
  }
  rig().removeLink(loopback);
  t.false(isCaught(t, frameOf({ ...ANSWER4, dport: 40009 }), LINK), 'to whom is no pod');
});

rootTest('host: a silent lane is asked nothing, but what has a row goes where it says', (t) => {
  rig().putOurs(NODE4, NODE_PORT, TCP);
  rig().putRow({ from: ANSWER4, action: Action.UPLINK, inIfindex: TRUNK });
  for (const failMode of [FailMode.OPEN, FailMode.CLOSED]) {
    rig().control({ alive: false, failMode });
    t.false(isCaught(t, frameOf(TO_SELF4)));
    t.true(isCaught(t, frameOf(ANSWER4)));
  }
  t.is(rig().counted(KernelCounter.LANE_SILENT_DROP), 0);
});

rootTest(
  'host: a row for the host by the trunk makes of a packet what the lane would send',
  (t) => {
    const back4: Tuple = { ...ANSWER4, src: CLIENT4, dst: NODE4 };
    const back6: Tuple = { ...ANSWER6, src: CLIENT6, dst: NODE6 };
    for (const [from, to] of [
      [back4, { ...back4, src: NODE4, sport: NODE_PORT }],
      [back6, { ...back6, src: NODE6, sport: NODE_PORT }],
    ] as const) {
      rig().putRow({ from, to, action: Action.HOST, byTrunk: true });
      const expected = frameOf(to, {
        dstMac: Uint8Array.of(0x02, 0x53, TRUNK, 0, 0, 0),
        srcMac: Uint8Array.of(0x02, 0x53, Action.HOST, 0, 0, 0),
      });
      for (const program of ['pod_ingress', 'uplink_ingress'] as const) {
        const { retval, out } = rig().run(program, frameOf(from));
        t.is(retval, TC_ACT_REDIRECT);
        t.deepEqual(out, expected);
        t.is(rig().run('trunk_ingress', out).retval, TC_ACT_OK);
      }
      const xdp = rig().run('uplink_xdp', frameOf(from));
      t.deepEqual(xdp.out, frameOf(from), 'XDP has no way there: the lane has');
      t.is(rig().counted(KernelCounter.UPLINK_CLIMB), 1);
    }
  },
);
