/**
 * Messages in a stream: each behind its length.
 *
 * Spec  RFC 1035 4.2.2; RFC 7766 8 (length and message leave in one write)
 */
import { HEADER_SIZE, readU16, writeU16 } from '../wire/header.js';

export const LENGTH_SIZE = 2;

/** A message behind its length, as one piece. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(LENGTH_SIZE + message.length);
  writeU16(framed, 0, message.length);
  framed.set(message, LENGTH_SIZE);
  return framed;
}

/**
 * Take messages out of a stream however it is cut.
 *
 * @param deliver  gets each message, its own copy
 * @returns a function for the next piece; false when a length is below that of a header, after
 *          which nothing in the stream can be trusted. Holds at most one message and one piece.
 */
export function createDeframer(deliver: (message: Uint8Array) => void) {
  let pieces: Uint8Array[] = [];
  let held = 0;
  let wanted = LENGTH_SIZE;

  return (piece: Uint8Array): boolean => {
    pieces.push(piece);
    held += piece.length;
    if (held < wanted) return true;
    const stream = pieces.length === 1 ? piece : Buffer.concat(pieces, held);
    let at = 0;
    wanted = LENGTH_SIZE;
    while (stream.length - at >= LENGTH_SIZE) {
      const length = readU16(stream, at);
      if (length < HEADER_SIZE) return false;
      wanted = LENGTH_SIZE + length;
      if (stream.length - at < wanted) break;
      deliver(new Uint8Array(stream.subarray(at + LENGTH_SIZE, at + wanted)));
      at += wanted;
      wanted = LENGTH_SIZE;
    }
    pieces = at < stream.length ? [stream.subarray(at)] : [];
    held = stream.length - at;
    return true;
  };
}
