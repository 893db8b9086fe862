/**
 * Names inside messages, with compression pointers.
 *
 * A pointer must lead to an octet behind the header and before the part of the name it ends: every
 * hop goes strictly backwards, so no sequence of pointers returns (RFC 9267 2). The first name of a
 * message therefore has no pointer at all.
 *
 * Spec  RFC 1035 4.1.4; RFC 9267 2 and 3
 */
import { HEADER_SIZE } from './header.js';
import { LABEL_COUNT_MAX, LABEL_MAX, NAME_MAX } from './name.js';

/** Hops of one name; a longer chain is an attack, not compression. */
const HOPS_MAX = 127;
const POINTER_MARK = 0xc0;

/** What a name was found to be. */
export interface NameAt {
  /** Octet behind the name, where it stands. */
  readonly end: number;
  /** Octets of the whole name without compression. */
  readonly length: number;
  /** Whether it ends in a pointer. */
  readonly isCompressed: boolean;
}

/** The labels of a name, in order, root not included. */
type Visit = (off: number, length: number) => void;

/**
 * Follow a name from `start`.
 *
 * @param limit  octet behind the last one the name may occupy where it stands
 * @returns undefined when the name breaks a rule or leaves the message
 */
function follow(
  bytes: Uint8Array,
  start: number,
  limit: number,
  visit?: Visit,
): NameAt | undefined {
  let at = start;
  let segment = start;
  let length = 1;
  let labels = 0;
  let hops = 0;
  let end = -1;
  let bound = Math.min(limit, bytes.length);
  for (;;) {
    const octet = at < bound ? bytes[at] : undefined;
    if (octet === undefined) return undefined;
    if (octet === 0) break;
    if (octet <= LABEL_MAX) {
      length += octet + 1;
      if (length > NAME_MAX || ++labels > LABEL_COUNT_MAX || at + 1 + octet > bound) {
        return undefined;
      }
      visit?.(at, octet);
      at += octet + 1;
      continue;
    }
    if (octet < POINTER_MARK || at + 1 >= bound || ++hops > HOPS_MAX) return undefined;
    const target = ((octet & ~POINTER_MARK) << 8) | (bytes[at + 1] ?? 0);
    if (target < HEADER_SIZE || target >= segment) return undefined;
    if (end < 0) end = at + 2;
    at = target;
    segment = target;
    bound = bytes.length;
  }
  return { end: end < 0 ? at + 1 : end, length, isCompressed: end >= 0 };
}

/** Check a name and find its end. @returns undefined when it breaks a rule */
export function checkName(
  bytes: Uint8Array,
  start: number,
  limit = bytes.length,
): NameAt | undefined {
  return follow(bytes, start, limit);
}

/** Read a name. @returns wire form without compression, undefined when it breaks a rule */
export function readName(bytes: Uint8Array, start: number): Uint8Array | undefined {
  const name = new Uint8Array(NAME_MAX);
  let length = 0;
  const found = follow(bytes, start, bytes.length, (off, octets) => {
    name.set(bytes.subarray(off, off + octets + 1), length);
    length += octets + 1;
  });
  return found === undefined ? undefined : name.slice(0, length + 1);
}

/** The labels that stand at `start` themselves, before a pointer: where, and how long. */
export function literalLabels(bytes: Uint8Array, start: number): { off: number; length: number }[] {
  const labels: { off: number; length: number }[] = [];
  let at = start;
  for (;;) {
    const octet = bytes[at] ?? 0;
    if (octet === 0 || octet > LABEL_MAX) return labels;
    labels.push({ off: at, length: octet });
    at += octet + 1;
  }
}
