/**
 * The file of names: every batch of records as it was applied, one behind the other.
 *
 *   "SLUICE-NAMES-2\n" identity "\n" { u32 length, u32 CRC-32, records }...
 *
 * A batch that is cut off or damaged ends the file: what is before it stands.
 */
import { crc32 } from 'node:zlib';

/** In the state directory. */
export const NAME_LOG = 'names.log';

const MAGIC = 'SLUICE-NAMES-2\n';
const FRAME_SIZE = 8;

/** What a file begins with. @param identity  of the configuration */
export function nameLogHead(identity: string): Buffer {
  return Buffer.from(`${MAGIC}${identity}\n`);
}

/** A batch as it is in the file. */
export function framed(records: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_SIZE + records.length);
  bytes.writeUInt32LE(records.length, 0);
  bytes.writeUInt32LE(crc32(records), 4);
  bytes.set(records, FRAME_SIZE);
  return bytes;
}

/** Whole batches, in order. */
function* batchesIn(bytes: Buffer, begin: number): Generator<Uint8Array> {
  let at = begin;
  while (at + FRAME_SIZE <= bytes.length) {
    const end = at + FRAME_SIZE + bytes.readUInt32LE(at);
    const records = bytes.subarray(at + FRAME_SIZE, end);
    if (end > bytes.length || crc32(records) !== bytes.readUInt32LE(at + 4)) return;
    yield records;
    at = end;
  }
}

/**
 * What a file says.
 *
 * @param identity  of the configuration: what was written under another one is not of use
 * @returns         batches; empty when there is none
 */
export function nameBatches(bytes: Buffer, identity: string): Uint8Array[] {
  const head = nameLogHead(identity);
  return bytes.subarray(0, head.length).equals(head) ? [...batchesIn(bytes, head.length)] : [];
}
