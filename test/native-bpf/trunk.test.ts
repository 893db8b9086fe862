import { Action, KernelCounter } from '../../assembly/abi.js';
import { rootTest } from '../native/root.js';
import { TC_ACT_OK, TC_ACT_REDIRECT, TC_ACT_SHOT, useRig, XDP_DROP } from './use-rig.js';
import { addr4, addr6, frameOf, type FrameOptions, rawFrame, type Tuple } from './frames.js';
import { LOOPBACK, TRUNK } from './rig.js';

const rig = useRig();

const HOST4: Tuple = {
  v6: false,
  proto: 'udp',
  src: addr4('192.0.2.10'),
  dst: addr4('10.96.0.1'),
  sport: 5000,
  dport: 53,
};
const HOST6: Tuple = {
  ...HOST4,
  v6: true,
  src: addr6('2001:db8:0:0:0:0:0:10'),
  dst: addr6('fd00:96:0:0:0:0:0:1'),
};
const MACS = Uint8Array.of(2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa);
const ETH_ARP = 0x0806;

/** The addresses of a frame from the lane. */
function fromLane(action: number, ifindex = 5): FrameOptions {
  return {
    dstMac: Uint8Array.of(0x02, 0x53, ifindex, 0, 0, 0),
    srcMac: Uint8Array.of(0x02, 0x53, action, 0, 0, 0),
  };
}

rootTest('trunk: a frame from the lane goes where its stamp says, unchanged', (t) => {
  const expected = [
    [Action.POD, TC_ACT_REDIRECT],
    [Action.UPLINK, TC_ACT_REDIRECT],
    [Action.HOST, TC_ACT_OK],
  ] as const;
  for (const tuple of [HOST4, HOST6]) {
    for (const [action, verdict] of expected) {
      const frame = frameOf(tuple, fromLane(action));
      const { retval, out } = rig().run('trunk_ingress', frame);
      t.is(retval, verdict);
      t.deepEqual(out, frame);
    }
  }
  t.is(rig().counted(KernelCounter.BAD_STAMP), 0);
});

rootTest('trunk: an ARP answer of the lane reaches its pod, and no uplink', (t) => {
  const arp = (action: Action): Buffer => {
    const frame = rawFrame(ETH_ARP, Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 2));
    frame.set([0x02, 0x53, 5, 0, 0, 0, 0x02, 0x53, action, 0, 0, 0]);
    return frame;
  };
  t.is(rig().run('trunk_ingress', arp(Action.POD)).retval, TC_ACT_REDIRECT);
  t.is(rig().run('trunk_ingress', arp(Action.UPLINK)).retval, TC_ACT_SHOT);
  t.is(rig().counted(KernelCounter.BAD_STAMP), 1);
});

rootTest('trunk: a frame whose stamp names no action is dropped and counted', (t) => {
  const bad = [
    fromLane(Action.NONE),
    fromLane(Action.LANE),
    fromLane(9),
    { ...fromLane(Action.POD), srcMac: Uint8Array.of(2, 0, Action.POD, 0, 0, 0) },
    { ...fromLane(Action.POD), dstMac: Uint8Array.of(2, 0, 5, 0, 0, 0) },
  ];
  for (const options of bad) {
    t.is(rig().run('trunk_ingress', frameOf(HOST4, options)).retval, TC_ACT_SHOT);
    t.is(rig().counted(KernelCounter.BAD_STAMP), 1);
  }
});

rootTest('trunk: a climbing frame passes the way to the lane untouched, row or no row', (t) => {
  rig().putRow({ from: HOST4, action: Action.POD, macs: MACS });
  const frame = frameOf(HOST4, { srcMac: Uint8Array.of(0x02, 0x53, 7, 0, 0, 0) });
  const { retval, out } = rig().run('trunk_egress', frame);
  t.is(retval, TC_ACT_OK);
  t.deepEqual(out, frame);
});

rootTest('trunk: what the host sends and no row knows climbs with the trunk as its link', (t) => {
  for (const tuple of [HOST4, HOST6]) {
    const frame = frameOf(tuple);
    const { retval, out } = rig().run('trunk_egress', frame);
    frame.set([0x02, 0x53, LOOPBACK, 0, 0, 0], 6);
    t.is(retval, TC_ACT_OK);
    t.deepEqual(out, frame);
    t.is(rig().counted(KernelCounter.TRUNK_CLIMB), 1);
  }
  rig().control({ alive: false });
  t.is(rig().run('trunk_egress', frameOf(HOST4)).retval, TC_ACT_SHOT);
  t.is(rig().counted(KernelCounter.LANE_SILENT_DROP), 1);
});

rootTest('trunk: what the host sends to itself comes back to it as if from the lane', (t) => {
  for (const [from, to] of [
    [HOST4, { ...HOST4, src: addr4('169.254.83.1'), dst: addr4('192.0.2.10'), dport: 5353 }],
    [HOST6, { ...HOST6, src: addr6('fd53:6c75:6963:6500:0:0:0:1'), dst: HOST6.src, dport: 5353 }],
  ] as const) {
    rig().putRow({ from, to, action: Action.HOST });
    const { retval, out } = rig().run('trunk_egress', frameOf(from));
    t.is(retval, TC_ACT_REDIRECT);
    const stamped = frameOf(to, fromLane(Action.HOST, TRUNK));
    t.deepEqual(out, stamped, 'translated, stamped, its TTL not counted');
    t.is(rig().run('trunk_ingress', out).retval, TC_ACT_OK);
    t.is(rig().counted(KernelCounter.TRUNK_CLIMB), 0);
  }
});

rootTest('trunk: a pod is reached from the host only with its MAC in the row', (t) => {
  rig().putRow({ from: HOST4, action: Action.POD });
  rig().run('trunk_egress', frameOf(HOST4));
  t.is(rig().counted(KernelCounter.TRUNK_CLIMB), 1);
  rig().putRow({ from: HOST4, action: Action.POD, macs: MACS });
  const { retval, out } = rig().run('trunk_egress', frameOf(HOST4));
  t.is(retval, TC_ACT_REDIRECT);
  t.deepEqual(out.subarray(0, 12), Buffer.from(MACS));
});

rootTest('trunk: nothing but IP leaves the host by the trunk', (t) => {
  const arp = rawFrame(ETH_ARP, Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1));
  t.is(rig().run('trunk_egress', arp).retval, TC_ACT_SHOT);
});

rootTest('lane: without a socket on the queue a frame has nowhere to go', (t) => {
  t.is(rig().run('lane_xdp', frameOf(HOST4)).retval, XDP_DROP);
});
