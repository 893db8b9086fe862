/** A row says how long a packet its way out takes; what is longer is the lane's to answer. */
import { Action, KernelCounter } from '../../assembly/abi.js';
import type { ProgramName } from '../../src/kernel/programs.js';
import { rootTest } from '../native/root.js';
import { addr4, addr6, ETH_HLEN, frameOf, type Tuple } from './frames.js';
import { LOOPBACK, type SkbContext } from './rig.js';
import { TC_ACT_REDIRECT, useRig, XDP_REDIRECT } from './use-rig.js';

const rig = useRig();
const MTU = 600;
const MACS = Uint8Array.of(2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa);

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
const TCP6: Tuple = { ...UDP6, proto: 'tcp' };

interface Hook {
  readonly program: ProgramName;
  readonly counter: KernelCounter;
  readonly forward: number;
}

const POD: Hook = {
  program: 'pod_ingress',
  counter: KernelCounter.POD_CLIMB,
  forward: TC_ACT_REDIRECT,
};
const TC_HOOKS: readonly Hook[] = [
  POD,
  { program: 'trunk_egress', counter: KernelCounter.TRUNK_CLIMB, forward: TC_ACT_REDIRECT },
  { program: 'uplink_ingress', counter: KernelCounter.UPLINK_CLIMB, forward: TC_ACT_REDIRECT },
];
const HOOKS: readonly Hook[] = [
  ...TC_HOOKS,
  { program: 'uplink_xdp', counter: KernelCounter.UPLINK_CLIMB, forward: XDP_REDIRECT },
];

/** A frame whose IP packet is of this length. */
function frameOfLength(tuple: Tuple, length: number): Buffer {
  const empty = frameOf(tuple, { payload: new Uint8Array(0) });
  return frameOf(tuple, { payload: new Uint8Array(length - (empty.length - ETH_HLEN)) });
}

function climbs(hook: Hook, frame: Buffer, context?: SkbContext): boolean {
  rig().counted(hook.counter);
  const { retval } = rig().run(hook.program, frame, context);
  const hasClimbed = rig().counted(hook.counter) === 1;
  if (!hasClimbed && retval !== hook.forward) throw new Error(`verdict ${retval} is neither`);
  return hasClimbed;
}

rootTest('mtu: the longest packet is executed and one byte more climbs, at every hook', (t) => {
  for (const from of [UDP4, TCP4, UDP6, TCP6]) {
    rig().clear();
    rig().putLink(LOOPBACK, UDP4.src, UDP6.src);
    rig().putRow({ from, action: Action.UPLINK, macs: MACS, mtu: MTU });
    for (const hook of HOOKS) {
      t.false(climbs(hook, frameOfLength(from, MTU)), hook.program);
      t.true(climbs(hook, frameOfLength(from, MTU + 1)), hook.program);
    }
  }
});

rootTest('mtu: a row that names none takes any length', (t) => {
  rig().putRow({ from: UDP4, action: Action.POD, macs: MACS });
  for (const hook of HOOKS) t.false(climbs(hook, frameOfLength(UDP4, 1500)), hook.program);
});

rootTest('mtu: what stays in the host has no way out to be too long for', (t) => {
  rig().putRow({ from: UDP4, action: Action.HOST, mtu: MTU });
  const { retval } = rig().run('uplink_ingress', frameOfLength(UDP4, MTU + 1));
  t.is(retval, 0);
  t.is(rig().counted(KernelCounter.UPLINK_CLIMB), 0);
});

rootTest('mtu: of a super-frame the segments count, headers included', (t) => {
  for (const from of [UDP4, TCP4, UDP6, TCP6]) {
    rig().clear();
    rig().putLink(LOOPBACK, UDP4.src, UDP6.src);
    rig().putRow({ from, action: Action.UPLINK, macs: MACS, mtu: MTU });
    const headers = (from.v6 ? 40 : 20) + (from.proto === 'tcp' ? 20 : 8);
    const frame = frameOfLength(from, 3 * MTU);
    for (const hook of TC_HOOKS) {
      t.false(climbs(hook, frame, { gsoSize: MTU - headers }), hook.program);
      t.true(climbs(hook, frame, { gsoSize: MTU - headers + 1 }), hook.program);
    }
  }
});

rootTest('mtu: TCP options count among the headers of a segment', (t) => {
  rig().putLink(LOOPBACK, UDP4.src, UDP6.src);
  rig().putRow({ from: TCP4, action: Action.UPLINK, macs: MACS, mtu: MTU });
  const frame = frameOfLength(TCP4, 3 * MTU);
  frame[ETH_HLEN + 20 + 12] = 8 << 4;
  t.false(climbs(POD, frame, { gsoSize: MTU - 52 }));
  t.true(climbs(POD, frame, { gsoSize: MTU - 51 }));
});
