/**
 * A frame's header fields by name, for people: where each lies and what it says. The core parses by
 * itself and far more strictly; here as much is shown as there is.
 *
 * Spec  IEEE 802.3, 802.1Q; RFC 826, 791, 8200, 9293, 768, 9260, 792, 4443
 */
import { formatAddress, formatMac } from '../src/addr.js';
import { PROTOCOL_NAMES } from '../src/ops/pkt.js';

export interface Field {
  readonly layer: string;
  readonly name: string;
  readonly off: number;
  readonly len: number;
  readonly text: string;
}

/** How the bytes of a field read. */
type Format = (view: DataView, off: number) => string;
/** Name, offset in the header, bytes, format. */
type Spec = readonly [name: string, off: number, len: number, format: Format];

export const ETH_IPV4 = 0x0800;
const ETH_ARP = 0x0806;
const ETH_VLAN = 0x8100;
export const ETH_IPV6 = 0x86dd;
const IPPROTO = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132 } as const;
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

const bytesAt = (view: DataView, off: number, len: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + off, len).slice();
const u8: Format = (view, off) => String(view.getUint8(off));
const u16: Format = (view, off) => String(view.getUint16(off));
const u32: Format = (view, off) => String(view.getUint32(off));
const hex = (digits: number, read: (view: DataView, off: number) => number): Format => {
  return (view, off) => `0x${read(view, off).toString(16).padStart(digits, '0')}`;
};
const x16 = hex(4, (view, off) => view.getUint16(off));
const x32 = hex(8, (view, off) => view.getUint32(off));
const mac: Format = (view, off) => formatMac(bytesAt(view, off, 6));
const ip4: Format = (view, off) =>
  formatAddress({ family: 4, bytes: Uint8Array.of(...MAPPED, ...bytesAt(view, off, 4)) });
const ip6: Format = (view, off) => formatAddress({ family: 6, bytes: bytesAt(view, off, 16) });
const protocol: Format = (view, off) => {
  const number = view.getUint8(off);
  const name = PROTOCOL_NAMES[number];
  return name === undefined ? String(number) : `${number} (${name})`;
};
const ETHER_TYPES: Readonly<Record<number, string>> = {
  [ETH_IPV4]: 'IPv4',
  [ETH_ARP]: 'ARP',
  [ETH_VLAN]: '802.1Q',
  [ETH_IPV6]: 'IPv6',
};
const etherType: Format = (view, off) => {
  const name = ETHER_TYPES[view.getUint16(off)];
  return `${x16(view, off)}${name === undefined ? '' : ` (${name})`}`;
};
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];
const tcpFlags: Format = (view, off) => {
  const bits = view.getUint8(off);
  const names = TCP_FLAGS.filter((_, i) => bits & (1 << i));
  return names.length === 0 ? 'none' : names.join(' ');
};
const fragment: Format = (view, off) => {
  const word = view.getUint16(off);
  const flags = [...(word & 0x4000 ? ['DF'] : []), ...(word & 0x2000 ? ['MF'] : [])];
  return [...flags, `offset ${(word & 0x1fff) * 8}`].join(' ');
};
const nibble = (shift: number, unit = 1): Format => {
  return (view, off) => String(((view.getUint8(off) >>> shift) & 0xf) * unit);
};
const flowLabel = hex(5, (view, off) => view.getUint32(off) & 0xfffff);

const ETHERNET: readonly Spec[] = [
  ['destination', 0, 6, mac],
  ['source', 6, 6, mac],
  ['type', 12, 2, etherType],
];
const VLAN: readonly Spec[] = [
  ['tag', 0, 2, x16],
  ['type', 2, 2, etherType],
];
const ARP: readonly Spec[] = [
  ['hardware type', 0, 2, u16],
  ['protocol type', 2, 2, etherType],
  ['operation', 6, 2, (view, off) => (view.getUint16(off) === 1 ? '1 (request)' : u16(view, off))],
  ['sender MAC', 8, 6, mac],
  ['sender address', 14, 4, ip4],
  ['target MAC', 18, 6, mac],
  ['target address', 24, 4, ip4],
];
const IPV4: readonly Spec[] = [
  ['version', 0, 1, nibble(4)],
  ['header length', 0, 1, nibble(0, 4)],
  ['DSCP and ECN', 1, 1, u8],
  ['total length', 2, 2, u16],
  ['identification', 4, 2, x16],
  ['fragment', 6, 2, fragment],
  ['TTL', 8, 1, u8],
  ['protocol', 9, 1, protocol],
  ['header checksum', 10, 2, x16],
  ['source', 12, 4, ip4],
  ['destination', 16, 4, ip4],
];
const IPV6: readonly Spec[] = [
  ['version', 0, 1, nibble(4)],
  ['flow label', 0, 4, flowLabel],
  ['payload length', 4, 2, u16],
  ['next header', 6, 1, protocol],
  ['hop limit', 7, 1, u8],
  ['source', 8, 16, ip6],
  ['destination', 24, 16, ip6],
];
const EXTENSION: readonly Spec[] = [['next header', 0, 1, protocol]];
const PORTS: readonly Spec[] = [
  ['source port', 0, 2, u16],
  ['destination port', 2, 2, u16],
];
const TCP: readonly Spec[] = [
  ...PORTS,
  ['sequence number', 4, 4, u32],
  ['acknowledgement', 8, 4, u32],
  ['data offset', 12, 1, nibble(4, 4)],
  ['flags', 13, 1, tcpFlags],
  ['window', 14, 2, u16],
  ['checksum', 16, 2, x16],
  ['urgent pointer', 18, 2, u16],
];
const UDP: readonly Spec[] = [...PORTS, ['length', 4, 2, u16], ['checksum', 6, 2, x16]];
const SCTP: readonly Spec[] = [...PORTS, ['verification tag', 4, 4, x32], ['checksum', 8, 4, x32]];
const ICMP: readonly Spec[] = [
  ['type', 0, 1, u8],
  ['code', 1, 1, u8],
  ['checksum', 2, 2, x16],
  ['identifier or unused', 4, 2, x16],
  ['sequence or MTU', 6, 2, u16],
];

const TRANSPORT: Readonly<Record<number, readonly [string, readonly Spec[]]>> = {
  [IPPROTO.ICMP]: ['ICMP', ICMP],
  [IPPROTO.ICMPV6]: ['ICMPv6', ICMP],
  [IPPROTO.TCP]: ['TCP', TCP],
  [IPPROTO.UDP]: ['UDP', UDP],
  [IPPROTO.SCTP]: ['SCTP', SCTP],
};

export interface Dissected {
  readonly fields: readonly Field[];
  /** What a DNS message would be: the data of a UDP datagram. */
  readonly udpData: Uint8Array | undefined;
}

/** Collects fields, as far as the frame reaches. */
function createCollector(view: DataView) {
  const fields: Field[] = [];
  const add = (layer: string, base: number, specs: readonly Spec[]): void => {
    for (const [name, at, len, format] of specs) {
      const off = base + at;
      if (off + len > view.byteLength) return;
      fields.push({ layer, name, off, len, text: format(view, off) });
    }
  };
  return { fields, add };
}

/** Where the transport header is and whose it is. */
interface Transport {
  readonly off: number;
  readonly proto: number;
}

/** Extension headers (RFC 8200 4.1, RFC 4302): bytes before their own length field counts, and its unit. */
const EXTENSIONS: Readonly<Record<number, readonly [string, base: number, unit: number]>> = {
  0: ['hop-by-hop options', 8, 8],
  43: ['routing header', 8, 8],
  44: ['fragment header', 8, 0],
  51: ['authentication header', 8, 4],
  60: ['destination options', 8, 8],
};
const IPV6_FRAGMENT = 44;
const EXTENSIONS_MAX = 8;

interface Extension {
  readonly name: string;
  readonly off: number;
}

/** The way from the IPv6 header to the transport header; that is undefined behind a first fragment. */
function walkIpv6(view: DataView, l3: number) {
  const extensions: Extension[] = [];
  let proto = view.getUint8(l3 + 6);
  let off = l3 + 40;
  let isFirst = true;
  for (let i = 0; i < EXTENSIONS_MAX && off + 8 <= view.byteLength; i++) {
    const extension = EXTENSIONS[proto];
    if (extension === undefined) break;
    const [name, base, unit] = extension;
    extensions.push({ name, off });
    if (proto === IPV6_FRAGMENT) isFirst &&= (view.getUint16(off + 2) & 0xfff8) === 0;
    proto = view.getUint8(off);
    off += base + view.getUint8(off + 1) * unit;
  }
  const transport: Transport | undefined = isFirst ? { off, proto } : undefined;
  return { extensions, transport };
}

/** @returns undefined behind a first fragment */
function transportOfIpv4(view: DataView, l3: number): Transport | undefined {
  if ((view.getUint16(l3 + 6) & 0x1fff) !== 0) return undefined;
  return { off: l3 + (view.getUint8(l3) & 0xf) * 4, proto: view.getUint8(l3 + 9) };
}

export function dissect(bytes: Uint8Array): Dissected {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { fields, add } = createCollector(view);
  const typeAt = (off: number): number => (off + 2 <= view.byteLength ? view.getUint16(off) : 0);
  add('Ethernet', 0, ETHERNET);
  let type = typeAt(12);
  let l3 = 14;
  if (type === ETH_VLAN) {
    add('802.1Q', l3, VLAN);
    type = typeAt(l3 + 2);
    l3 += 4;
  }
  if (type === ETH_ARP) add('ARP', l3, ARP);
  if (type === ETH_IPV4) add('IPv4', l3, IPV4);
  if (type === ETH_IPV6) add('IPv6', l3, IPV6);
  let transport: Transport | undefined;
  if (type === ETH_IPV4 && l3 + 20 <= view.byteLength) transport = transportOfIpv4(view, l3);
  if (type === ETH_IPV6 && l3 + 40 <= view.byteLength) {
    const way = walkIpv6(view, l3);
    for (const { name, off } of way.extensions) add(name, off, EXTENSION);
    transport = way.transport;
  }
  const [layer, specs] = TRANSPORT[transport?.proto ?? -1] ?? [];
  if (transport === undefined || layer === undefined || specs === undefined) {
    return { fields, udpData: undefined };
  }
  add(layer, transport.off, specs);
  const isUdp = transport.proto === IPPROTO.UDP && transport.off + 8 <= bytes.length;
  return { fields, udpData: isUdp ? bytes.subarray(transport.off + 8) : undefined };
}

/** A field of a frame as it came and as it leaves. */
export interface Change {
  readonly layer: string;
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** Whether both frames have the same headers, so that their fields can be compared. */
export function isSameShape(a: Dissected, b: Dissected): boolean {
  const shape = ({ fields }: Dissected): string =>
    fields.map(({ layer, name, off }) => `${layer}.${name}@${off}`).join();
  return shape(a) === shape(b);
}

/** Fields that differ, of frames of the same shape. */
export function changesOf(a: Dissected, b: Dissected): Change[] {
  return a.fields.flatMap((field, i) => {
    const other = b.fields[i];
    if (other === undefined || other.text === field.text) return [];
    return [{ layer: field.layer, name: field.name, before: field.text, after: other.text }];
  });
}
