/**
 * Unpredictable numbers in bulk: ids and case bits guard against forged replies, so they come from
 * the system's generator, a page at a time.
 *
 * Spec  RFC 5452 4 and 9.2
 */
import { randomFillSync, randomInt } from 'node:crypto';

const PAGE_SIZE = 4096;
const page = new Uint8Array(PAGE_SIZE);
let used = PAGE_SIZE;

/** An octet, each value equally likely. */
export function randomOctet(): number {
  if (used === PAGE_SIZE) {
    randomFillSync(page);
    used = 0;
  }
  const octet = page[used] ?? 0;
  // What was given out does not stay in memory.
  page[used++] = 0;
  return octet;
}

/** A query id: 16 bits. */
export function randomId(): number {
  return (randomOctet() << 8) | randomOctet();
}

/** A whole number from 0 to below `below`. */
export function randomBelow(below: number): number {
  return randomInt(below);
}
