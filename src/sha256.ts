/**
 * SHA-256 of short texts in any JavaScript runtime, and at once: Web Crypto's digest is a promise, and
 * compiling is synchronous.
 */
import { sha256 as digest } from '@noble/hashes/sha2.js';

/** The 32 bytes of the hash of a text in UTF-8. */
export function sha256(text: string): Uint8Array {
  return digest(new TextEncoder().encode(text));
}
