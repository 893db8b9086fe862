/**
 * Addresses at the edges: text in, 16 bytes out, and back.
 *
 * Inside Sluice an address is 16 bytes in network order, IPv4 in its IPv4-mapped form
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that one key fits both families. The family is kept
 * beside the bytes. Parsing is strict, because `010.1.1.1` is 8.1.1.1 to some programs and
 * 10.1.1.1 to others, and a rule that is read two ways is a hole.
 */
import { parseCidr as parseCidrText } from 'cidr-tools';
import { parseIp, stringifyIp } from 'ip-bigint';
import { DataplaneError } from './errors.js';

export type Family = 4 | 6;

export const ADDR_SIZE = 16;
export const MAC_SIZE = 6;
/** Bits before an IPv4 address in its mapped form. */
export const MAPPED_PREFIX_BITS = 96;

export interface Address {
  readonly family: Family;
  /** 16 bytes, network order, IPv4 mapped. */
  readonly bytes: Uint8Array;
}

export interface Cidr extends Address {
  /** Length in the prefix's own family: 0..32 or 0..128. */
  readonly prefixLen: number;
}

const BITS_PER_BYTE = 8;
const MAPPED_MARK = 0xffffn << 32n;
const DOTTED_QUAD = /^\d+\.\d+\.\d+\.\d+$/;
const DIGIT_0 = '0'.charCodeAt(0);
/** RFC 791 in dotted decimal, no octet with a leading zero. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const IPV6_LETTERS = /^[\da-f:.]+$/i;
const LEADING_ZERO = /(^|\.)0+(?=\d)/g;

const isIPv4 = (text: string): boolean => IPV4.test(text);

/** RFC 4291 2.2, without a zone: what the host of a URL may be (WHATWG URL, IPv6 parser). */
const isIPv6 = (text: string): boolean =>
  IPV6_LETTERS.test(text) && URL.canParse(`http://[${text}]/`);

/** The family of a text that is an address without a zone. */
function versionOf(text: string): Family | undefined {
  if (isIPv4(text)) return 4;
  return isIPv6(text) ? 6 : undefined;
}

/** Where an IPv4 address lies in its mapped form. */
const MAPPED_ADDR4_OFF = 12;

/** The 16 mapped bytes of a dotted quad that `isIPv4` has approved. */
function mappedBytes(quad: string): Uint8Array {
  const bytes = new Uint8Array(ADDR_SIZE);
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  let at = MAPPED_ADDR4_OFF;
  let octet = 0;
  for (let i = 0; i < quad.length; i++) {
    const digit = quad.charCodeAt(i) - DIGIT_0;
    if (digit >= 0) octet = octet * 10 + digit;
    else {
      bytes[at++] = octet;
      octet = 0;
    }
  }
  bytes[at] = octet;
  return bytes;
}

/** The 16 bytes of a number as ip-bigint gives it. */
function toBytes(value: bigint, family: Family): Uint8Array {
  const mapped = family === 4 ? value | MAPPED_MARK : value;
  const bytes = new Uint8Array(ADDR_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, mapped >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, mapped));
  return bytes;
}

/** The number of 16 bytes; of an IPv4 address, its 32 bits. */
function toNumber(address: Address): bigint {
  const view = new DataView(address.bytes.buffer, address.bytes.byteOffset, ADDR_SIZE);
  if (address.family === 4) return BigInt(view.getUint32(12));
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** Family 4 when the 16 bytes are an IPv4-mapped address. */
export function familyOf(bytes: Uint8Array): Family {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return 6;
  return bytes[10] === 0xff && bytes[11] === 0xff ? 4 : 6;
}

/** Why a text is no address, in the words of a person who has to mend it. */
function addressComplaint(text: string): string {
  const shown = JSON.stringify(text);
  const decimal = text.replace(LEADING_ZERO, '$1');
  if (DOTTED_QUAD.test(text) && decimal !== text && isIPv4(decimal)) {
    return `${shown} has an octet with a leading zero, which some programs read as octal; expected ${decimal}`;
  }
  if (text.includes('%')) return `${shown} names a zone; expected an address without "%"`;
  if (text.includes('/')) return `${shown} is a prefix; expected a single IPv4 or IPv6 address`;
  return `${shown} is not an IP address; expected one such as 192.0.2.7 or 2001:db8::7`;
}

/**
 * Read an IPv4 or IPv6 address.
 *
 * An IPv4-mapped IPv6 text is the IPv4 address it stands for.
 *
 * @throws DataplaneError ERR_ADDRESS  leading zeros, zones, anything that is no address
 */
export function parseAddress(text: string): Address {
  if (isIPv4(text)) return { family: 4, bytes: mappedBytes(text) };
  if (!isIPv6(text)) {
    throw new DataplaneError('ERR_ADDRESS', addressComplaint(text));
  }
  const parsed = parseIp(text);
  const bytes = toBytes(parsed.number, parsed.version);
  return { family: familyOf(bytes), bytes };
}

/**
 * Read an address of a Kubernetes object the way Kubernetes does: octets with leading zeros are
 * decimal, IPv4-mapped is IPv4.
 *
 * @returns undefined when it is no address at all
 * Spec     kube-proxy, TestBadIPs
 */
export function canonicalAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bytes: mappedBytes(text) };
  const decimal = DOTTED_QUAD.test(text) ? text.replace(LEADING_ZERO, '$1') : text;
  if (versionOf(decimal) === undefined) return undefined;
  return parseAddress(decimal);
}

/** RFC 5952 text of an address; IPv4 as a dotted quad. */
export function formatAddress(address: Address): string {
  const { family, bytes } = address;
  if (family === 4) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  return stringifyIp({ number: toNumber(address), version: address.family });
}

/** `10.0.0.1:80`, `[2001:db8::1]:80`: the form endpoints are sorted by. */
export function formatAddressPort(address: Address, port: number): string {
  return joinHostPort(formatAddress(address), port);
}

/**
 * Read a prefix.
 *
 * @throws DataplaneError ERR_ADDRESS  no prefix, or one with bits set behind its length
 */
export function parseCidr(text: string): Cidr {
  const cidr = maskedCidr(text);
  if (cidr === undefined) {
    const shown = JSON.stringify(text);
    const [address = ''] = text.split('/');
    const why =
      address.includes('.') && versionOf(address) === undefined
        ? `: ${addressComplaint(address)}`
        : '';
    throw new DataplaneError(
      'ERR_ADDRESS',
      `${shown} is not a prefix; expected one such as 10.96.0.0/12 or fd00:10:96::/112${why}`,
    );
  }
  const [host = ''] = text.split('/');
  if (toNumber(parseAddress(host)) !== toNumber(cidr)) {
    throw new DataplaneError(
      'ERR_ADDRESS',
      `${JSON.stringify(text)} has bits set behind its prefix length; expected ${formatCidr(cidr)}`,
    );
  }
  return cidr;
}

/**
 * Read a prefix of a Kubernetes object the way Kubernetes does: host bits are cleared, numbers with
 * leading zeros are decimal.
 *
 * @returns undefined when it is no prefix
 * Spec     k8s.io/utils/net: ParseCIDRSloppy
 */
export function canonicalCidr(text: string): Cidr | undefined {
  const [address = '', length] = text.split('/', 2);
  const decimal = DOTTED_QUAD.test(address) ? address.replace(LEADING_ZERO, '$1') : address;
  const isPrefix = length !== undefined && text === `${address}/${length}`;
  return isPrefix ? maskedCidr(`${decimal}/${length.replace(/^0+(?=\d)/, '')}`) : undefined;
}

/** @returns undefined when the text is no prefix; host bits are cleared */
function maskedCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match?.[1];
  if (match === null || address === undefined || versionOf(address) === undefined) {
    return undefined;
  }
  const family = versionOf(address) ?? 6;
  const prefixLen = Number(match[2]);
  if (prefixLen > (family === 4 ? 32 : 128)) return undefined;
  const bytes = toBytes(parseCidrText(text).start, family);
  return familyOf(bytes) === family ? { family, bytes, prefixLen } : undefined;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr)}/${cidr.prefixLen}`;
}

/** Prefix length over the 16 mapped bytes: IPv4 counts from 96. */
export function mappedPrefixLen(cidr: Cidr): number {
  return cidr.family === 4 ? MAPPED_PREFIX_BITS + cidr.prefixLen : cidr.prefixLen;
}

/** 16 bytes of netmask. */
export function maskBytes(cidr: Cidr): Uint8Array {
  const bits = mappedPrefixLen(cidr);
  return Uint8Array.from({ length: ADDR_SIZE }, (_, i) => {
    const own = Math.min(Math.max(bits - i * BITS_PER_BYTE, 0), BITS_PER_BYTE);
    return (0xff << (BITS_PER_BYTE - own)) & 0xff;
  });
}

/** The prefix that holds one address only. */
export function hostCidr(address: Address): Cidr {
  return { ...address, prefixLen: address.family === 4 ? 32 : 128 };
}

/** Whether a prefix holds an address. */
export function contains(cidr: Cidr, address: Address): boolean {
  if (cidr.family !== address.family) return false;
  const spare = BigInt((cidr.family === 4 ? 32 : 128) - cidr.prefixLen);
  return toNumber(cidr) >> spare === toNumber(address) >> spare;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Read a MAC address such as `02:53:00:00:00:01`; `02-53-00-00-00-01` and `0253.0000.0001` are the same.
 *
 * @throws DataplaneError ERR_ADDRESS
 */
export function parseMac(text: string): Uint8Array {
  const isMac = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$|^[0-9a-f]{4}(\.[0-9a-f]{4}){2}$/i;
  if (!isMac.test(text)) {
    throw new DataplaneError(
      'ERR_ADDRESS',
      `${JSON.stringify(text)} is not a MAC address; expected six octets such as 02:53:00:00:00:01`,
    );
  }
  const octets = text.replaceAll(/[:.-]/g, '').match(/../g) ?? [];
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16));
}

export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** `192.0.2.1:53`, `[2001:db8::1]:53`, `:53`, `localhost:53`. */
export function joinHostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Where a server listens; an unspecified host is every address. */
export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Read `127.0.0.1:10249` or `[::1]:10249`; an empty text is no address.
 *
 * @throws DataplaneError ERR_ADDRESS
 */
export function parseBindAddress(text: string): BindAddress | undefined {
  if (text === '') return undefined;
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([1-9]\d{0,4})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  const family = match?.[1] === undefined ? 4 : 6;
  if (versionOf(host) !== family || port > 65535) {
    const what = `${JSON.stringify(text)} is no address with a port; expected one such as 127.0.0.1:10249, [::]:10249 or ""`;
    throw new DataplaneError('ERR_ADDRESS', what);
  }
  return { host, port };
}
