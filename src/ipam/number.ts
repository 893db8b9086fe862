/** Addresses as numbers: what ranges count in. */
import { ADDR_SIZE, MAPPED_PREFIX_BITS, familyOf } from '../addr.js';
import type { Address, Cidr } from '../addr.js';

const ADDRESS_BITS = 128;

/** The 16 bytes as one number; IPv4 mapped, so that one space holds both families. */
export function numberOf(address: Address): bigint {
  const view = new DataView(address.bytes.buffer, address.bytes.byteOffset, ADDR_SIZE);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The address that a number stands for. */
export function addressOf(number: bigint): Address {
  const bytes = new Uint8Array(ADDR_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, number >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, number));
  return { family: familyOf(bytes), bytes };
}

/** Bits behind a prefix. */
export function hostBits({ family, prefixLen }: Cidr): number {
  return ADDRESS_BITS - prefixLen - (family === 4 ? MAPPED_PREFIX_BITS : 0);
}

/** The highest number of a prefix; of IPv4, its broadcast address. */
export function lastOf(cidr: Cidr): bigint {
  return numberOf(cidr) | ((1n << BigInt(hostBits(cidr))) - 1n);
}
