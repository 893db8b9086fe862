import { Drop } from '../../assembly/abi.js';
import type { Core } from '../support/core.js';
import { swap16 } from './oracle.js';
import { hexOf } from './vectors.js';

/** Where `parse` leaves its four blocks of 64 bytes (`assembly/test-wire.ts`). */
const OUT = 0x10000;
const BLOCK = 64;
const ETH = OUT + BLOCK;
const NET = OUT + 2 * BLOCK;
const TRANSPORT = OUT + 3 * BLOCK;

/** Place a frame so that its last byte is the memory's last: a read past it traps. */
export function placeAtEnd(core: Core, frame: Uint8Array): number {
  const ptr = core.end - frame.length;
  core.bytes.set(frame, ptr);
  return ptr;
}

/** Parse a frame placed at the end of the memory; the name of the Drop. */
export function parse(core: Core, frame: Uint8Array): string {
  const drop = core.call('parse', placeAtEnd(core, frame), frame.length, OUT);
  return Drop[drop] ?? `no such reason: ${drop}`;
}

/** The u32 fields of a block. */
function fields(core: Core, block: number): number[] {
  return Array.from({ length: BLOCK / 4 }, (_, i) => core.view.getUint32(block + 4 * i, true));
}

function hex(core: Core, ptr: number, len: number): string {
  return hexOf(core.bytes.subarray(ptr, ptr + len));
}

/** Address of six bytes that was read as two bytes and four. */
function mac(core: Core, block: number, head: number): string {
  return hex(core, block + 4 * head, 2) + hex(core, block + 4 * (head + 1), 4);
}

export function ethFields(core: Core) {
  const [, , , , typeBe = 0, type = 0, vlan = 0, isGroup = 0] = fields(core, ETH);
  const [hlen = 0] = fields(core, OUT);
  return {
    dst: mac(core, ETH, 0),
    src: mac(core, ETH, 2),
    type,
    vlan: swap16(typeBe) === 0x8100 ? vlan : null,
    hlen,
    isGroup: isGroup !== 0,
  };
}

export function arpFields(core: Core) {
  const [op] = fields(core, NET);
  return {
    op,
    senderMac: mac(core, NET, 1),
    senderIp: hex(core, NET + 12, 4),
    targetMac: mac(core, NET, 4),
    targetIp: hex(core, NET + 24, 4),
  };
}

export function ipv4Fields(core: Core) {
  const [version, hlen, totalLength, fragment, ttl, proto, checksum = 0, , , verdict = 0] = fields(
    core,
    NET,
  );
  const addresses = { src: hex(core, NET + 28, 4), dst: hex(core, NET + 32, 4) };
  const header = { hlen, totalLength, fragment, ttl, proto, checksum: swap16(checksum) };
  return { version, verdict: Drop[verdict], header: { ...header, ...addresses } };
}

export function ipv6Fields(core: Core) {
  const [version, payloadLength, nextHeader, hopLimit] = fields(core, NET);
  const addresses = { src: hex(core, NET + 16, 16), dst: hex(core, NET + 32, 16) };
  return { version, header: { payloadLength, nextHeader, hopLimit, ...addresses } };
}

export function walkFields(core: Core) {
  const [, offset = 0, proto = 0, flags = 0, end = 0] = fields(core, OUT);
  return { walk: { offset, proto, flags }, end };
}

export function tcpFields(core: Core) {
  const [src = 0, dst = 0, portsBe = 0, seq, ack, hlen, flags, window = 0, checksum = 0] = fields(
    core,
    TRANSPORT,
  );
  return {
    portsBe,
    header: {
      srcPort: swap16(src),
      dstPort: swap16(dst),
      seq,
      ack,
      hlen,
      flags,
      window: swap16(window),
      checksum: swap16(checksum),
    },
  };
}

export function udpFields(core: Core) {
  const [src = 0, dst = 0, portsBe = 0, length, checksum = 0] = fields(core, TRANSPORT);
  const ports = { srcPort: swap16(src), dstPort: swap16(dst) };
  return { portsBe, header: { ...ports, length, checksum: swap16(checksum) } };
}

export function sctpFields(core: Core) {
  const [src = 0, dst = 0, portsBe = 0, , , chunks] = fields(core, TRANSPORT);
  const tag = core.view.getUint32(TRANSPORT + 12, false);
  const checksum = hex(core, TRANSPORT + 16, 4);
  const ports = { srcPort: swap16(src), dstPort: swap16(dst) };
  return { portsBe, header: { ...ports, tag, checksum, chunks } };
}

export function icmpFields(core: Core) {
  const [type, code, checksum = 0, id = 0, seq = 0, mtu, quote] = fields(core, TRANSPORT);
  const words = { checksum: swap16(checksum), id: swap16(id), seq: swap16(seq), mtu };
  return { quote, header: { type, code, ...words } };
}

export function icmpv6Fields(core: Core) {
  const [type, code, checksum = 0, id = 0, mtu, quote] = fields(core, TRANSPORT);
  return { quote, header: { type, code, checksum: swap16(checksum), id: swap16(id), mtu } };
}

export function ndFields(core: Core, ptr: number) {
  const [, , , , , , flags, macOff = 0] = fields(core, TRANSPORT);
  return {
    target: hex(core, TRANSPORT + 32, 16),
    flags,
    mac: macOff === 0 ? null : hex(core, ptr + macOff, 6),
  };
}
