/**
 * Addresses between the text of `src/addr.ts` and the bytes netlink carries: 4 bytes for IPv4,
 * 16 for IPv6, network order, with the prefix length beside them.
 */
import { type Address, type Family, formatAddress, parseAddress, parseMac } from '../addr.js';
import { DataplaneError } from '../errors.js';

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** An address with the length of its network; host bits may be set (`fe80::1/64`). */
export interface InterfaceAddress {
  readonly address: Address;
  /** 0..32 or 0..128. */
  readonly prefixLen: number;
}

export function familyNumber(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** The 4 or 16 bytes of an address as the kernel takes them. */
export function wireBytes(address: Address): Uint8Array {
  return address.family === 4 ? address.bytes.subarray(12) : address.bytes;
}

/** RFC 5952 text of 4 or 16 bytes the kernel gave. */
export function wireText(bytes: Uint8Array): string {
  const mapped = new Uint8Array(16);
  if (bytes.length === 4) mapped.set([0xff, 0xff, ...bytes], 10);
  else mapped.set(bytes);
  return formatAddress({ family: bytes.length === 4 ? 4 : 6, bytes: mapped });
}

/**
 * Read `address` or `address/length`; without a length it is that one address.
 *
 * @throws DataplaneError ERR_ADDRESS
 */
export function parseInterfaceAddress(text: string): InterfaceAddress {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  const bits = address.family === 4 ? 32 : 128;
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const prefixLen = /^\d{1,3}$/.test(digits) ? Number(digits) : Infinity;
  if (prefixLen > bits) {
    throw new DataplaneError(
      'ERR_ADDRESS',
      `${JSON.stringify(text)} has a bad prefix length; expected 0 to ${bits}`,
    );
  }
  return { address, prefixLen };
}

/** The same text in the spelling in which lists read from the kernel come back. */
export function canonicalText(text: string): string {
  const { address, prefixLen } = parseInterfaceAddress(text);
  return `${formatAddress(address)}/${prefixLen}`;
}

/**
 * The link-local address a MAC gives.
 *
 * Spec: RFC 4291 appendix A (ff:fe in the middle, universal/local bit inverted)
 */
export function linkLocalOf(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = parseMac(mac);
  const id = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
  return wireText(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...id));
}
