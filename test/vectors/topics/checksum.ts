/** The Internet checksum over ranges of every kind. Answers come from RFC 1071, not from the core. */
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { rfc1071, swap16 } from '../../wire/oracle.js';
import { createRecorder } from '../recorder.js';
import { expectSame } from '../frames.js';
import type { Topic } from '../frames.js';

/** Bytes that repeat late. */
const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 151 + (i >> 8) * 29 + 7) & 0xff);

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

/** RFC 1071 3: the words 0001 f203 f4f5 f6f7, whose sum is ddf2. */
const EXAMPLE = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);

const CASES: readonly (readonly [string, Uint8Array, number?])[] = [
  ['rfc1071-example', EXAMPLE],
  ['empty', new Uint8Array()],
  ...[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 40, 63, 64, 65, 79, 80, 81, 127, 576, 1499, 1500].map(
    (length) => [`length-${String(length)}`, pattern(length)] as const,
  ),
  ['zeros', filled(64, 0)],
  ['ones', filled(64, 0xff)],
  ['carry-into-carry', Uint8Array.of(0xff, 0xff, 0x00, 0x01, 0xff, 0xfe)],
  ['long-ones', filled(9001, 0xff)],
  ...[1, 2, 3, 5, 8, 15].map((shift) => [`at-odds-${String(shift)}`, pattern(100), shift] as const),
];

export const checksum: Topic = {
  name: 'checksum',
  record: () => {
    const rec = createRecorder();
    for (const [name, bytes, shift = 0] of CASES) {
      const about = `${String(bytes.length)} bytes at an address that is ${String(shift)} modulo 16`;
      rec.add(name, about, () => {
        const at = SCRATCH_BASE + shift;
        rec.write(at, bytes);
        const value = rec.core.exports.checksum(at, bytes.length) & 0xffff;
        // As a little-endian load of the field gives it.
        expectSame(name, swap16(value), rfc1071(bytes));
      });
    }
    return rec.file(
      'checksum',
      'checksum(ptr, len): the RFC 1071 checksum of bytes at any length and alignment, as the two bytes lie in a packet',
    );
  },
};
