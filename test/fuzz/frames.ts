/**
 * Frames for fuzzing: a corpus of good ones, and a seeded mutator that keeps enough of them intact
 * to get past the first checks.
 */
import {
  A4,
  A6,
  B4,
  B6,
  IF,
  NODE4,
  NODE6,
  OUTSIDE4,
  OUTSIDE6,
  REMOTE4,
  REMOTE6,
} from '../support/engine.js';
import {
  type ChunkName,
  ETH_HLEN,
  type PacketSpec,
  arp,
  packet,
  solicit,
} from '../support/frames.js';
import { fragmentsOf, icmpError, l3 } from '../support/pieces.js';

/** Integers below a bound. */
export type Random = (bound: number) => number;

/** splitmix32: one number of state, the same everywhere. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return Math.floor((((z ^ (z >>> 15)) >>> 0) / 2 ** 32) * bound);
  };
}

/** The seed of this run: SEED of the environment, or the time. */
export function seedOfRun(): number {
  return Number(process.env['SEED'] ?? Date.now() % 0x7fffffff);
}

export const VIP = '10.96.0.10';
export const VIP6 = 'fd00:10:96::a';
/** A service without endpoints. */
export const EMPTY = '10.96.0.11';
export const EMPTY6 = 'fd00:10:96::b';

export interface Sample {
  readonly ifindex: number;
  readonly frame: Uint8Array;
}

/** Destination options, again and again. */
function nested(frame: Uint8Array, depth: number): Uint8Array {
  const next = frame[ETH_HLEN + 6] ?? 0;
  const headers = Array.from({ length: depth }, (_, i) => [
    ...[i === depth - 1 ? next : 60, 0, 1, 4, 0, 0, 0, 0],
  ]).flat();
  const made = Uint8Array.from([
    ...frame.subarray(0, ETH_HLEN + 40),
    ...headers,
    ...frame.subarray(ETH_HLEN + 40),
  ]);
  made[ETH_HLEN + 6] = 60;
  made[ETH_HLEN + 5] = (frame[ETH_HLEN + 5] ?? 0) + headers.length;
  return made;
}

function ends(isIpv6: boolean): readonly [number, string, string][] {
  const [a, b, node, remote, outside, vip, empty] = isIpv6
    ? [A6, B6, NODE6, REMOTE6, OUTSIDE6, VIP6, EMPTY6]
    : [A4, B4, NODE4, REMOTE4, OUTSIDE4, VIP, EMPTY];
  return [
    [IF.POD_A, a, vip],
    [IF.POD_B, b, a],
    [IF.POD_A, a, remote],
    [IF.UPLINK, outside, vip],
    [IF.UPLINK, remote, a],
    [IF.TRUNK, node, vip],
    [IF.POD_B, b, outside],
    [IF.POD_B, b, empty],
  ];
}

/** ICMP errors quote another packet; built from an echo by exchanging its type. */
function asError(frame: Uint8Array, type: number): Uint8Array {
  const made = frame.slice();
  const at = ETH_HLEN + (made[ETH_HLEN] === 0x45 ? 20 : 40);
  made[at] = type;
  return made;
}

/** Destination options and a routing header in front of what an IPv6 frame carries. */
function extended(frame: Uint8Array, left: number): Uint8Array {
  const next = frame[ETH_HLEN + 6] ?? 0;
  const made = Uint8Array.from([
    ...frame.subarray(0, ETH_HLEN + 40),
    ...[43, 0, 1, 4, 0, 0, 0, 0],
    ...[next, 2, 0, left, 0, 0, 0, 0, ...new Uint8Array(16)],
    ...frame.subarray(ETH_HLEN + 40),
  ]);
  made[ETH_HLEN + 6] = 60;
  const length = ((made[ETH_HLEN + 4] ?? 0) << 8) + (made[ETH_HLEN + 5] ?? 0) + 32;
  made.set([length >>> 8, length & 0xff], ETH_HLEN + 4);
  return made;
}

const SCTP_PACKETS: readonly (readonly ChunkName[])[] = [
  ['INIT'],
  ['INIT_ACK'],
  ['COOKIE_ECHO', 'DATA'],
  ['COOKIE_ACK', 'SACK', 'DATA'],
  ['HEARTBEAT'],
  ['SACK', 'SHUTDOWN'],
  ['SHUTDOWN_ACK'],
  ['SHUTDOWN_COMPLETE'],
  ['ERROR', 'ABORT'],
];
const FILLED = new Uint8Array(100).fill(0x5a);

/**
 * What a sender of errors has seen of the flows that other samples make: quoted packets that `dst`
 * sent to `src`, or to a service whose backend `src` is.
 */
function translations(isIpv6: boolean, src: string, dst: string): Uint8Array[] {
  const spec = { proto: 'tcp', flags: 'S' } as const;
  const vip = isIpv6 ? VIP6 : VIP;
  return [
    packet({ ...spec, src: dst, dst: src, sport: 40000, dport: 8080 }),
    packet({ ...spec, src: dst, dst: vip, sport: 40000, dport: 80 }),
    packet({ ...spec, src: dst, dst: src, sport: 80, dport: 40000 }),
  ];
}

export function corpus(): Sample[] {
  const samples: Sample[] = [];
  for (const isIpv6 of [false, true]) {
    for (const [ifindex, src, dst] of ends(isIpv6)) {
      const add = (spec: Omit<PacketSpec, 'src' | 'dst'>): Uint8Array => {
        const frame = packet({ src, dst, sport: 40000, dport: 80, ...spec });
        samples.push({ ifindex, frame });
        return frame;
      };
      for (const flags of ['S', 'SA', 'A', 'PA', 'FA', 'R', 'RA']) add({ proto: 'tcp', flags });
      add({ proto: 'udp', payload: 'datagram' });
      add({ proto: 'udp', payload: 'none', noChecksum: true });
      add({ proto: 'udp', vlan: 5, ttl: 1 });
      for (const chunks of SCTP_PACKETS) add({ proto: 'sctp', chunks, payload: 'chunk' });
      const echo = add({ proto: 'icmp', id: 9, payload: new Uint8Array(48) });
      add({ proto: 'icmp', id: 9, isReply: true });
      samples.push({ ifindex, frame: asError(echo, isIpv6 ? 1 : 3) });
      for (const proto of ['udp', 'tcp', 'icmp'] as const) {
        const whole = packet({ proto, src, dst, sport: 40000, dport: 80, payload: FILLED });
        for (const id of [1, 2, 3]) {
          for (const frame of fragmentsOf(whole, 40, id)) samples.push({ ifindex, frame });
        }
      }
      for (const about of translations(isIpv6, src, dst)) {
        for (const type of isIpv6 ? [1, 2, 3] : [3, 11]) {
          const quote = l3(about).slice(0, isIpv6 ? 60 : 40);
          samples.push({ ifindex, frame: icmpError({ src, dst, type, code: 3, quote }) });
        }
      }
      if (isIpv6) {
        const udp = add({ proto: 'udp', payload: 'behind' });
        for (const left of [0, 1]) samples.push({ ifindex, frame: extended(udp, left) });
        for (const depth of [8, 9]) samples.push({ ifindex, frame: nested(udp, depth) });
      } else {
        add({ proto: 'tcp', flags: 'S', options: new Uint8Array(12).fill(1) });
      }
    }
  }
  for (const ifindex of [IF.POD_A, IF.POD_B, IF.UPLINK, IF.TRUNK]) {
    samples.push({ ifindex, frame: arp({ sender: A4, target: '169.254.1.1' }) });
    samples.push({ ifindex, frame: arp({ sender: A4, target: '169.254.1.1', vlan: 3 }) });
    for (const bare of [true, false]) {
      samples.push({ ifindex, frame: solicit({ src: A6, target: 'fe80::1', bare }) });
      samples.push({ ifindex, frame: extended(solicit({ src: A6, target: 'fe80::1', bare }), 0) });
    }
  }
  return samples;
}

const INTERESTING = [
  0, 1, 4, 5, 6, 7, 0x0f, 0x11, 0x2c, 0x3a, 0x3c, 0x40, 0x45, 0x60, 0x7f, 0x80, 0xff,
];
/** Frame bytes a UMEM frame of 4096 has room for. */
export const FRAME_MAX = 4096 - 256;

/**
 * Write a sample, changed or not, at the start of `out`.
 *
 * @returns its length
 */
export function mutate(
  random: Random,
  sample: Uint8Array,
  other: Uint8Array,
  out: Uint8Array,
): number {
  out.set(sample);
  let len = sample.length;
  const changes = random(5);
  for (let i = 0; i < changes; i++) {
    // Mostly headers: what lies behind the first 100 bytes decides little.
    const at = random(Math.min(len, random(4) === 0 ? 4096 : 100) || 1);
    switch (random(9)) {
      case 0:
        out[at] = (out[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        out[at] = random(256);
        break;
      case 2:
        out[at] = INTERESTING[random(INTERESTING.length)] ?? 0;
        break;
      case 3:
        len = random(len + 1);
        break;
      case 4: {
        const longer = Math.min(FRAME_MAX, len + random(random(8) === 0 ? 4000 : 64));
        for (let j = len; j < longer; j++) out[j] = random(256);
        len = longer;
        break;
      }
      case 5: {
        const from = random(other.length);
        const part = other.subarray(from, from + random(other.length - from + 1));
        out.set(part, at);
        len = Math.max(len, at + part.length);
        break;
      }
      case 6:
        // Another port: another flow.
        out[ETH_HLEN + 20] = random(256);
        out[ETH_HLEN + 21] = random(256);
        break;
      case 7:
        out[ETH_HLEN + 40] = random(256);
        out[ETH_HLEN + 41] = random(256);
        break;
      default:
        out[ETH_HLEN + 8] = random(4);
        break;
    }
  }
  if (random(64) === 0) {
    len = random(200);
    for (let j = 0; j < len; j++) out[j] = random(256);
  }
  if (random(8) !== 0) mendIpv4(out, len);
  return len;
}

/** Make the header checksum right, so that mutations get further than it. */
function mendIpv4(out: Uint8Array, len: number): void {
  const isTagged = out[12] === 0x81 && out[13] === 0;
  const at = isTagged ? ETH_HLEN + 4 : ETH_HLEN;
  if (out[at - 2] !== 0x08 || out[at - 1] !== 0) return;
  const hlen = ((out[at] ?? 0) & 15) * 4;
  if (hlen < 20 || at + hlen > len) return;
  out[at + 10] = 0;
  out[at + 11] = 0;
  let sum = 0;
  for (let i = at; i < at + hlen; i += 2) sum += ((out[i] ?? 0) << 8) | (out[i + 1] ?? 0);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  out[at + 10] = sum >>> 8;
  out[at + 11] = sum & 0xff;
}
