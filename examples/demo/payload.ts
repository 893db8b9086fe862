/** A download that both ends can make up: as long as asked, never the same twice within itself. */
import { createCipheriv, createHash } from 'node:crypto';

const CHUNK_BYTES = 65536;
const KEY_BYTES = 16;

/** The bytes 0 to `length` of an AES-CTR key stream. */
export function* payload(length: number): Generator<Buffer> {
  const zeros = Buffer.alloc(KEY_BYTES);
  const stream = createCipheriv('aes-128-ctr', zeros, zeros);
  for (let sent = 0; sent < length; sent += CHUNK_BYTES) {
    yield stream.update(Buffer.alloc(Math.min(CHUNK_BYTES, length - sent)));
  }
}

/** SHA-256, in hex. */
export function payloadDigest(length: number): string {
  const hash = createHash('sha256');
  for (const chunk of payload(length)) hash.update(chunk);
  return hash.digest('hex');
}
