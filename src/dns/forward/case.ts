/**
 * Random case of names: a bit a letter that a forged reply has to guess (0x20).
 *
 * Servers copy the question octet by octet; the few that do not are recognised by what they send,
 * and are spared for a while.
 *
 * Spec  draft-vixie-dnsext-dns0x20-00
 */
import { HEADER_SIZE } from '../wire/header.js';
import { isLetter } from '../wire/name.js';
import { literalLabels } from '../wire/read-name.js';
import { randomOctet } from './random.js';

const CASE_BIT = 0x20;
/** Replies in a row with the wrong case after which an upstream is spared. */
export const CASE_MISMATCH_MAX = 3;
/** How long it is spared; then one more such reply is enough. */
export const CASE_SPARED_MS = 600_000;

/** Flip letters of the name of the first question, in place, one random bit for each. */
export function randomizeCase(query: Uint8Array): void {
  for (const { off, length } of literalLabels(query, HEADER_SIZE)) {
    for (let at = off + 1; at <= off + length; at++) {
      const octet = query[at] ?? 0;
      if (isLetter(octet)) query[at] = octet ^ (randomOctet() & CASE_BIT);
    }
  }
}

/** What is known of one upstream's habits. */
export interface CaseTrust {
  /** Whether the next name may be sent in random case. */
  isTrusted(nowMs: number): boolean;
  /** A reply had the case it was asked with. */
  kept(): void;
  /** A reply had another case. */
  changed(nowMs: number): void;
}

export function createCaseTrust(): CaseTrust {
  let mismatches = 0;
  let sparedUntilMs = -Infinity;
  return {
    isTrusted: (nowMs) => nowMs >= sparedUntilMs,
    kept: () => {
      mismatches = 0;
    },
    changed: (nowMs) => {
      mismatches = Math.min(mismatches + 1, CASE_MISMATCH_MAX);
      if (mismatches === CASE_MISMATCH_MAX) sparedUntilMs = nowMs + CASE_SPARED_MS;
    },
  };
}
