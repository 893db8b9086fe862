/** Frames through a core: parsed, or decided and rewritten. */
import {
  Action,
  Drop,
  FRAME_HEADROOM,
  PKTS_BASE,
  PKT_ACTION_OFF,
  PKT_DROP_OFF,
  PKT_DST_OFF,
  PKT_ETHER_TYPE_OFF,
  PKT_FLAGS_OFF,
  PKT_FRAME_OFF,
  PKT_F_FRAGMENT,
  PKT_F_ICMP_ERROR,
  PKT_F_IPV4,
  PKT_F_IPV6,
  PKT_LEN_OFF,
  PKT_OUT_IFINDEX_OFF,
  PKT_PORTS_OFF,
  PKT_PROTO_OFF,
  PKT_SRC_OFF,
  PKT_TCP_FLAGS_OFF,
  SCRATCH_BASE,
  SCRATCH_BYTES,
  Verdict,
} from '../../assembly/abi.js';
import { ADDR_SIZE, familyOf, formatAddress } from '../addr.js';
import type { Core } from '../core/core.js';
import { DataplaneError } from '../errors.js';

type Name<E> = Extract<keyof E, string>;

/** What is in a frame. */
export interface Parsed {
  /** NONE: it can be read. */
  readonly drop: Name<typeof Drop>;
  readonly etherType: number;
  /** 0: no IP. */
  readonly family: 0 | 4 | 6;
  readonly src: string | undefined;
  readonly dst: string | undefined;
  /** Of the transport, after extension headers (IANA). */
  readonly protocol: number;
  /** 0 where there are none; of an echo both are its identifier. */
  readonly srcPort: number;
  readonly dstPort: number;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  readonly tcpFlags: number;
  readonly isFragment: boolean;
  readonly isIcmpError: boolean;
}

export interface Ingress {
  /** Link the frame came from. */
  readonly ifindex: number;
  /** A clock that does not go back, milliseconds. */
  readonly nowMs: number;
}

export interface Processed {
  readonly verdict: Name<typeof Verdict>;
  /** Why, with verdict DROP; else NONE. */
  readonly drop: Name<typeof Drop>;
  readonly action: Name<typeof Action>;
  /** Link it leaves by; 0 = none. */
  readonly outIfindex: number;
  /** As it leaves; an answer of our own in its place. */
  readonly frame: Uint8Array;
}

const FRAME_AT = SCRATCH_BASE + FRAME_HEADROOM;
/** Maglev tables are built in the other half. */
export const FRAME_BYTES_MAX = SCRATCH_BYTES / 2 - FRAME_HEADROOM;

function place({ view }: Core, frame: Uint8Array): void {
  // Programs without types: anything else would be taken for a frame of no bytes.
  if (!ArrayBuffer.isView(frame) || !('set' in frame)) {
    throw new TypeError('a frame is a Uint8Array: `new Uint8Array(buffer)` makes one');
  }
  if (frame.length > FRAME_BYTES_MAX) {
    const message = `a frame of ${String(frame.length)} bytes: expected at most ${String(FRAME_BYTES_MAX)}`;
    throw new DataplaneError('ERR_USAGE', message);
  }
  view.set(frame, FRAME_AT);
}

/** @throws DataplaneError ERR_USAGE for a frame longer than FRAME_BYTES_MAX */
export function parseFrame(core: Core, frame: Uint8Array): Parsed {
  place(core, frame);
  core.exports.parseFrame(FRAME_AT, frame.length);
  const { view, words } = core;
  const flags = words.getUint16(PKTS_BASE + PKT_FLAGS_OFF, true);
  const isIp = (flags & (PKT_F_IPV4 | PKT_F_IPV6)) !== 0;
  const address = (offset: number): string | undefined => {
    if (!isIp) return undefined;
    const bytes = view.slice(PKTS_BASE + offset, PKTS_BASE + offset + ADDR_SIZE);
    return formatAddress({ bytes, family: familyOf(bytes) });
  };
  return {
    drop: Drop[words.getUint8(PKTS_BASE + PKT_DROP_OFF)] as Name<typeof Drop>,
    etherType: words.getUint16(PKTS_BASE + PKT_ETHER_TYPE_OFF, true),
    family: isIp ? ((flags & PKT_F_IPV4) !== 0 ? 4 : 6) : 0,
    src: address(PKT_SRC_OFF),
    dst: address(PKT_DST_OFF),
    protocol: words.getUint8(PKTS_BASE + PKT_PROTO_OFF),
    srcPort: words.getUint16(PKTS_BASE + PKT_PORTS_OFF),
    dstPort: words.getUint16(PKTS_BASE + PKT_PORTS_OFF + 2),
    tcpFlags: words.getUint8(PKTS_BASE + PKT_TCP_FLAGS_OFF),
    isFragment: (flags & PKT_F_FRAGMENT) !== 0,
    isIcmpError: (flags & PKT_F_ICMP_ERROR) !== 0,
  };
}

/** @throws DataplaneError ERR_USAGE for a frame longer than FRAME_BYTES_MAX */
export function processFrame(core: Core, frame: Uint8Array, ingress: Ingress): Processed {
  place(core, frame);
  const { exports, view, words } = core;
  const verdict = exports.processFrame(ingress.ifindex, FRAME_AT, frame.length, ingress.nowMs);
  const u32 = (offset: number): number => words.getUint32(PKTS_BASE + offset, true);
  const at = u32(PKT_FRAME_OFF);
  return {
    verdict: Verdict[verdict] as Name<typeof Verdict>,
    drop: Drop[words.getUint8(PKTS_BASE + PKT_DROP_OFF)] as Name<typeof Drop>,
    action: Action[words.getUint8(PKTS_BASE + PKT_ACTION_OFF)] as Name<typeof Action>,
    outIfindex: u32(PKT_OUT_IFINDEX_OFF),
    frame: view.slice(at, at + u32(PKT_LEN_OFF)),
  };
}
