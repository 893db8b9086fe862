/** The header that the generator repeats: Ethernet, IPv4, UDP, as gen.bpf.c wants it. */
import { parseAddress, parseMac } from '../../src/addr.js';
import { fold, sumWords } from '../core/inputs.js';

/** 64 bytes on the wire: 60 and the frame check sequence. */
export const WIRE_FRAME_LEN = 60;
const HEADER_MAX = 64;
const ETH_HLEN = 14;
const IP_HLEN = 20;
const MAPPED_ADDR4_OFF = 12;
const IPPROTO_UDP = 17;
const TTL = 64;

/** Who sends to whom; source ports are the generator's. */
export interface UdpPath {
  readonly dstMac: string;
  readonly srcMac: string;
  readonly src: string;
  readonly dst: string;
  readonly dstPort: number;
}

/** `header` of struct gen_config: source port 0, UDP checksum 0 (none), right IPv4 checksum. */
export function udpTemplate(path: UdpPath): Uint8Array {
  const header = new Uint8Array(HEADER_MAX);
  const view = new DataView(header.buffer);
  header.set(parseMac(path.dstMac), 0);
  header.set(parseMac(path.srcMac), 6);
  view.setUint16(12, 0x0800);
  view.setUint8(ETH_HLEN, 0x45);
  view.setUint16(ETH_HLEN + 2, WIRE_FRAME_LEN - ETH_HLEN);
  view.setUint8(ETH_HLEN + 8, TTL);
  view.setUint8(ETH_HLEN + 9, IPPROTO_UDP);
  header.set(parseAddress(path.src).bytes.subarray(MAPPED_ADDR4_OFF), ETH_HLEN + 12);
  header.set(parseAddress(path.dst).bytes.subarray(MAPPED_ADDR4_OFF), ETH_HLEN + 16);
  view.setUint16(ETH_HLEN + 10, ~fold(sumWords(view, ETH_HLEN, IP_HLEN)) & 0xffff);
  const udp = ETH_HLEN + IP_HLEN;
  view.setUint16(udp + 2, path.dstPort);
  view.setUint16(udp + 4, WIRE_FRAME_LEN - udp);
  return header;
}
