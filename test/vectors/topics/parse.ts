/** What is in a frame: packets that scapy made, with what scapy reads from them, and broken ones. */
import * as abi from '../../../assembly/abi.js';
import { bytesOf, packets } from '../../wire/vectors.js';
import type { Vector } from '../../wire/vectors.js';
import { packet } from '../../support/frames.js';
import { A4, A6, B4, B6 } from '../../support/engine.js';
import { FRAME_AT, PKT_PARSED, expectSame } from '../frames.js';
import type { Topic } from '../frames.js';
import { createRecorder } from '../recorder.js';
import type { Recorder } from '../recorder.js';

/** Of a vector's `walk.flags`: a routing header with stops left. */
const WALK_F_ROUTED = 16;

type Reason = keyof typeof abi.Drop;

const TCP4 = packet({ proto: 'tcp', src: A4, dst: B4, flags: 'S' });
const UDP4 = packet({ proto: 'udp', src: A4, dst: B4, payload: 'datagram' });
const UDP6 = packet({ proto: 'udp', src: A6, dst: B6, payload: 'datagram' });
const ICMP4 = packet({ proto: 'icmp', src: A4, dst: B4 });
const ICMP6 = packet({ proto: 'icmp', src: A6, dst: B6 });
const ETH = 14;

function patched(frame: Uint8Array, ...changes: readonly (readonly [number, number])[]) {
  const made = frame.slice();
  for (const [at, value] of changes) made[at] = value;
  return made;
}

/** An IPv4 header whose checksum fits again (RFC 1071). */
function summed(frame: Uint8Array): Uint8Array {
  const made = patched(frame, [ETH + 10, 0], [ETH + 11, 0]);
  let sum = 0;
  for (let i = ETH; i < ETH + 20; i += 2) sum += ((made[i] ?? 0) << 8) | (made[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  made.set([(~sum >>> 8) & 0xff, ~sum & 0xff], ETH + 10);
  return made;
}

/** The frame, and in its IPv4 header a length of so many bytes behind the header. */
function shortened(frame: Uint8Array, upper: number): Uint8Array {
  return summed(patched(frame, [ETH + 2, 0], [ETH + 3, 20 + upper])).slice(0, ETH + 20 + upper);
}

function shortened6(frame: Uint8Array, upper: number): Uint8Array {
  return patched(frame, [ETH + 4, 0], [ETH + 5, upper]).slice(0, ETH + 40 + upper);
}

const BROKEN: readonly (readonly [string, Reason, Uint8Array])[] = [
  ['nothing', 'SHORT_ETHERNET', new Uint8Array()],
  ['thirteen-bytes', 'SHORT_ETHERNET', TCP4.slice(0, 13)],
  ['vlan-without-a-tag', 'SHORT_VLAN', patched(TCP4.slice(0, 16), [12, 0x81], [13, 0])],
  ['ethertype-of-nobody', 'UNKNOWN_ETHERTYPE', patched(TCP4, [12, 0x12], [13, 0x34])],
  ['arp-cut-short', 'SHORT_ARP', patched(TCP4.slice(0, 30), [12, 0x08], [13, 0x06])],
  ['ipv4-cut-short', 'SHORT_IPV4', TCP4.slice(0, ETH + 19)],
  ['ipv4-version-5', 'BAD_IPV4_VERSION', patched(TCP4, [ETH, 0x55])],
  ['ipv4-ihl-4', 'BAD_IPV4_IHL', patched(TCP4, [ETH, 0x44])],
  [
    'ipv4-length-below-header',
    'BAD_IPV4_LENGTH',
    summed(patched(TCP4, [ETH + 2, 0], [ETH + 3, 19])),
  ],
  ['ipv4-length-beyond-frame', 'BAD_IPV4_LENGTH', summed(patched(TCP4, [ETH + 2, 1]))],
  ['ipv4-checksum', 'BAD_IPV4_CHECKSUM', patched(TCP4, [ETH + 8, 63])],
  ['ipv6-cut-short', 'SHORT_IPV6', UDP6.slice(0, ETH + 39)],
  ['ipv6-version-4', 'BAD_IPV6_VERSION', patched(UDP6, [ETH, 0x40])],
  ['ipv6-length-beyond-frame', 'BAD_IPV6_LENGTH', patched(UDP6, [ETH + 4, 2])],
  ['ipv6-extension-cut-short', 'IPV6_EXT_SHORT', shortened6(patched(UDP6, [ETH + 6, 60]), 4)],
  ['tcp-cut-short', 'SHORT_TCP', shortened(TCP4, 19)],
  ['tcp-offset-4', 'BAD_TCP_OFFSET', patched(TCP4, [ETH + 20 + 12, 0x40])],
  ['tcp-offset-beyond-segment', 'BAD_TCP_OFFSET', patched(TCP4, [ETH + 20 + 12, 0xf0])],
  ['tcp-syn-fin', 'BAD_TCP_FLAGS', patched(TCP4, [ETH + 20 + 13, 0x03])],
  ['tcp-no-flags', 'BAD_TCP_FLAGS', patched(TCP4, [ETH + 20 + 13, 0])],
  ['udp-cut-short', 'SHORT_UDP', shortened(UDP4, 7)],
  ['udp-length-7', 'BAD_UDP_LENGTH', patched(UDP4, [ETH + 20 + 4, 0], [ETH + 20 + 5, 7])],
  ['udp-length-beyond-packet', 'BAD_UDP_LENGTH', patched(UDP6, [ETH + 40 + 4, 1])],
  ['icmp-cut-short', 'SHORT_ICMP', shortened(ICMP4, 7)],
  ['icmpv6-cut-short', 'SHORT_ICMPV6', shortened6(ICMP6, 3)],
];

/** What scapy says that the Pkt record says, too. */
function expectFields({ core: { words, view } }: Recorder, vector: Vector): void {
  const at = abi.PKTS_BASE;
  expectSame('EtherType', words.getUint16(at + abi.PKT_ETHER_TYPE_OFF, true), vector.eth.type);
  expectSame('L3', words.getUint16(at + abi.PKT_L3_OFF, true), vector.eth.hlen);
  const address = (off: number, width: number): string =>
    Buffer.from(view.subarray(at + off + 16 - width, at + off + 16)).toString('hex');
  const ip = vector.ipv4 ?? vector.ipv6;
  if (ip === undefined || vector.drop !== 'NONE') return;
  const width = vector.ipv4 ? 4 : 16;
  expectSame('source', address(abi.PKT_SRC_OFF, width), ip.src);
  expectSame('destination', address(abi.PKT_DST_OFF, width), ip.dst);
  const upper = vector.tcp ?? vector.udp ?? vector.sctp;
  // On its way by a routing header, a packet has no ports: the address is a stop.
  const isRouted = ((vector.walk?.flags ?? 0) & WALK_F_ROUTED) !== 0;
  if (upper === undefined || isRouted) return;
  expectSame('source port', words.getUint16(at + abi.PKT_PORTS_OFF), upper.srcPort);
  expectSame('destination port', words.getUint16(at + abi.PKT_PORTS_OFF + 2), upper.dstPort);
}

function play(rec: Recorder, frame: Uint8Array, reason: Reason): void {
  const { exports, words } = rec.core;
  rec.write(FRAME_AT, frame);
  const verdict = exports.parseFrame(FRAME_AT, frame.length);
  const drop = abi.Drop[words.getUint8(abi.PKTS_BASE + abi.PKT_DROP_OFF)];
  expectSame('drop', drop, reason);
  expectSame('verdict', abi.Verdict[verdict], reason === 'NONE' ? 'NONE' : 'DROP');
  rec.read(abi.PKTS_BASE, PKT_PARSED);
}

export const parse: Topic = {
  name: 'parse',
  record: () => {
    const rec = createRecorder();
    for (const vector of packets) {
      rec.add(vector.name.replaceAll(/[ ,]+/g, '-'), `${vector.name}: as scapy reads it`, () => {
        play(rec, bytesOf(vector.hex), vector.drop);
        expectFields(rec, vector);
      });
    }
    for (const [name, reason, frame] of BROKEN) {
      rec.add(name, `dropped as ${reason}`, () => {
        play(rec, frame, reason);
      });
    }
    return rec.file(
      'parse',
      'parseFrame(frame, len): the first 64 bytes of the Pkt record, or why the frame is dropped',
    );
  },
};
