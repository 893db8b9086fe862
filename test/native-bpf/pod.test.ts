import { Action, FailMode, KernelCounter } from '../../assembly/abi.js';
import { rootTest } from '../native/root.js';
import { TC_ACT_OK, TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC, useRig } from './use-rig.js';
import {
  addr4,
  addr6,
  ETH_HLEN,
  frameOf,
  MAC_LOOPBACK,
  rawFrame,
  TCP_SYN,
  type Tuple,
} from './frames.js';
import { LOOPBACK } from './rig.js';

const rig = useRig();

const POD4 = addr4('10.244.1.7');
const POD6 = addr6('fd00:244:0:1:0:0:0:7');
const NONE4 = new Uint8Array(4);
const NONE6 = new Uint8Array(16);
const LINK_LOCAL = addr6('fe80:0:0:0:1:2:3:4');

const FROM4: Tuple = {
  v6: false,
  proto: 'tcp',
  src: POD4,
  dst: addr4('10.96.0.1'),
  sport: 40001,
  dport: 80,
};
const FROM6: Tuple = { ...FROM4, v6: true, src: POD6, dst: addr6('fd00:96:0:0:0:0:0:1') };

const ARP_REQUEST = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1);
const ARP_REPLY = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 2);
const ETH_ARP = 0x0806;
const ETH_LLDP = 0x88cc;

/** The frame as it climbs: the link's number in its source address, else untouched. */
function stamped(frame: Uint8Array): Buffer {
  const climbing = Buffer.from(frame);
  climbing.set([0x02, 0x53, LOOPBACK, 0, 0, 0], MAC_LOOPBACK.length);
  return climbing;
}

/** An ICMPv6 message of a type, with or without the hop-by-hop header of MLD. */
function icmpv6(type: number, hopByHop = false): Buffer {
  const frame = frameOf({ ...FROM6, proto: 'icmp', src: LINK_LOCAL });
  const l4 = ETH_HLEN + 40;
  frame[l4] = type;
  if (!hopByHop) return frame;
  frame[ETH_HLEN + 6] = 0;
  const option = Uint8Array.of(58, 0, 5, 2, 0, 0, 1, 0);
  return Buffer.concat([frame.subarray(0, l4), option, frame.subarray(l4)]);
}

rootTest('pod: a packet without a row climbs with its link in the source address', (t) => {
  rig().putLink(LOOPBACK, POD4, POD6);
  for (const from of [FROM4, FROM6]) {
    for (const tcpFlags of [TCP_SYN, 16]) {
      const frame = frameOf(from, { tcpFlags });
      const { retval, out } = rig().run('pod_ingress', frame);
      t.is(retval, TC_ACT_REDIRECT);
      t.deepEqual(out, stamped(frame));
      t.is(rig().counted(KernelCounter.POD_CLIMB), 1);
    }
  }
});

rootTest('pod: a source that is not its own is dropped and counted by family', (t) => {
  rig().putLink(LOOPBACK, POD4, POD6);
  const spoofed4 = frameOf({ ...FROM4, src: addr4('10.244.1.8') });
  t.is(rig().run('pod_ingress', spoofed4).retval, TC_ACT_SHOT);
  t.is(rig().counted(KernelCounter.SPOOF_IPV4), 1);
  const spoofed6 = frameOf({ ...FROM6, src: addr6('fd00:244:0:1:0:0:0:8') });
  t.is(rig().run('pod_ingress', spoofed6).retval, TC_ACT_SHOT);
  t.is(rig().counted(KernelCounter.SPOOF_IPV6), 1);
  t.is(rig().counted(KernelCounter.POD_CLIMB), 0);
});

rootTest('pod: a MAC address that is not its own is dropped, whatever the frame', (t) => {
  rig().putLink(LOOPBACK, POD4, POD6);
  const srcMac = Uint8Array.of(0x0a, 1, 2, 3, 4, 6);
  const arps = [rawFrame(ETH_ARP, ARP_REQUEST), rawFrame(ETH_ARP, ARP_REPLY)];
  const frames = [frameOf(FROM4), frameOf(FROM6), icmpv6(135), icmpv6(136), ...arps];
  for (const frame of frames) {
    frame.set(srcMac, 6);
    t.is(rig().run('pod_ingress', frame).retval, TC_ACT_SHOT);
    t.is(rig().counted(KernelCounter.SPOOF_MAC), 1);
    t.is(rig().counted(KernelCounter.POD_CLIMB), 0);
  }
});

rootTest('pod: a family the link has no address of is spoofed', (t) => {
  rig().putLink(LOOPBACK, NONE4, NONE6);
  t.is(rig().run('pod_ingress', frameOf(FROM4)).retval, TC_ACT_SHOT);
  t.is(rig().run('pod_ingress', frameOf(FROM6)).retval, TC_ACT_SHOT);
  // The address "none" is nobody's either.
  t.is(rig().run('pod_ingress', frameOf({ ...FROM4, src: NONE4 })).retval, TC_ACT_SHOT);
});

rootTest('pod: link-local and unspecified IPv6 sources and a DHCP client may speak', (t) => {
  rig().putLink(LOOPBACK, POD4, POD6);
  for (const src of [LINK_LOCAL, NONE6, addr6('febf:0:0:0:0:0:0:1')]) {
    t.is(rig().run('pod_ingress', frameOf({ ...FROM6, src })).retval, TC_ACT_REDIRECT);
  }
  const beyond = frameOf({ ...FROM6, src: addr6('fec0:0:0:0:0:0:0:1') });
  t.is(rig().run('pod_ingress', beyond).retval, TC_ACT_SHOT);
  const dhcp: Tuple = { ...FROM4, proto: 'udp', src: NONE4, sport: 68, dport: 67 };
  t.is(rig().run('pod_ingress', frameOf(dhcp)).retval, TC_ACT_REDIRECT);
  t.is(rig().run('pod_ingress', frameOf({ ...dhcp, sport: 67 })).retval, TC_ACT_SHOT);
  t.is(rig().run('pod_ingress', frameOf({ ...dhcp, proto: 'tcp' })).retval, TC_ACT_SHOT);
});

rootTest('pod: a fragment is checked for its source like any packet', (t) => {
  rig().putLink(LOOPBACK, POD4, POD6);
  const fragment = (src: Uint8Array): Buffer => {
    const frame = frameOf({ ...FROM4, src });
    frame.writeUInt16BE(0x2000, ETH_HLEN + 6);
    return frame;
  };
  t.is(rig().run('pod_ingress', fragment(POD4)).retval, TC_ACT_REDIRECT);
  t.is(rig().run('pod_ingress', fragment(addr4('10.244.1.8'))).retval, TC_ACT_SHOT);
});

rootTest('pod: on an unknown link packets pass, or are dropped when failing closed', (t) => {
  const { retval, out } = rig().run('pod_ingress', frameOf(FROM4));
  t.is(retval, TC_ACT_OK);
  t.deepEqual(out, frameOf(FROM4));
  rig().control({ failMode: FailMode.CLOSED });
  t.is(rig().run('pod_ingress', frameOf(FROM4)).retval, TC_ACT_SHOT);
  t.is(rig().counted(KernelCounter.UNKNOWN_LINK), 1);
});

rootTest(
  'pod: when the lane is silent the fail mode decides, and spoofing stays forbidden',
  (t) => {
    rig().putLink(LOOPBACK, POD4, POD6);
    rig().control({ alive: false });
    const { retval, out } = rig().run('pod_ingress', frameOf(FROM4));
    t.is(retval, TC_ACT_UNSPEC);
    t.deepEqual(out, frameOf(FROM4));
    t.is(rig().counted(KernelCounter.LANE_SILENT_PASS), 1);
    const spoofed = frameOf({ ...FROM4, src: addr4('10.244.1.8') });
    t.is(rig().run('pod_ingress', spoofed).retval, TC_ACT_SHOT);
    rig().control({ alive: false, failMode: FailMode.CLOSED });
    t.is(rig().run('pod_ingress', frameOf(FROM4)).retval, TC_ACT_SHOT);
    t.is(rig().counted(KernelCounter.LANE_SILENT_DROP), 1);
  },
);

rootTest(
  'pod: questions about neighbours climb to a live lane, answers are the kernel own',
  (t) => {
    const questions = [rawFrame(ETH_ARP, ARP_REQUEST), icmpv6(135)];
    const others = [
      rawFrame(ETH_ARP, ARP_REPLY),
      ...[130, 131, 132, 133, 134, 136, 137, 143].map((type) => icmpv6(type)),
      ...[130, 131, 132, 143].map((type) => icmpv6(type, true)),
      rawFrame(ETH_LLDP, new Uint8Array(46)),
    ];
    for (const frame of questions) {
      const { retval, out } = rig().run('pod_ingress', frame);
      t.is(retval, TC_ACT_REDIRECT);
      t.deepEqual(out, stamped(frame));
    }
    for (const frame of others) {
      const { retval, out } = rig().run('pod_ingress', frame);
      t.is(retval, TC_ACT_OK);
      t.deepEqual(out, Buffer.from(frame));
    }
    rig().control({ alive: false });
    for (const frame of questions) t.is(rig().run('pod_ingress', frame).retval, TC_ACT_OK);
  },
);

rootTest('pod: a row for any uplink is nothing a pod may use', (t) => {
  rig().putLink(LOOPBACK, POD4, POD6);
  const spoofed: Tuple = { ...FROM4, src: addr4('10.244.2.9') };
  rig().putRow({ from: spoofed, action: Action.HOST, inIfindex: 0 });
  t.is(rig().run('pod_ingress', frameOf(spoofed)).retval, TC_ACT_SHOT);
});
