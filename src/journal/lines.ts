/**
 * The lines of a journal: eight hex digits, a space, one JSON object.
 *
 *   8b0c1f2e {"key":"net/c1/eth0","value":{"ip":"10.1.2.3"}}
 *   5d1e0a77 {"key":"net/c1/eth0"}
 *
 * The digits are the CRC-32 of the object's bytes. Without a value, the key is deleted.
 */
import { crc32 } from 'node:zlib';

const LF = 0x0a;
const CRC_DIGITS = 8;

/** One change. `value` is undefined when the key is deleted. */
export interface Change {
  readonly key: string;
  readonly value: unknown;
  /** As it stands in the file, without the end of line. */
  readonly line: Buffer;
}

export interface Lines {
  readonly changes: readonly Change[];
  /** Whole lines that are not what was written. */
  readonly corrupt: readonly Buffer[];
  /** Bytes up to the last end of line. What follows was cut off while it was written. */
  readonly wholeLen: number;
}

function checksum(json: string | Buffer): string {
  return crc32(json).toString(16).padStart(CRC_DIGITS, '0');
}

/** @param value  JSON; undefined deletes the key */
export function formatChange(key: string, value: unknown): string {
  const json = JSON.stringify({ key, value });
  return `${checksum(json)} ${json}\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // as good as a wrong checksum
  }
}

function parseChange(line: Buffer): Change | undefined {
  const json = line.subarray(CRC_DIGITS + 1);
  if (line.toString('latin1', 0, CRC_DIGITS + 1) !== `${checksum(json)} `) return undefined;
  const change = parseJson(json.toString());
  if (typeof change !== 'object' || change === null || !('key' in change)) return undefined;
  const { key } = change;
  if (typeof key !== 'string') return undefined;
  return { key, value: 'value' in change ? change.value : undefined, line };
}

/** Read a whole journal. */
export function parseLines(contents: Buffer): Lines {
  const changes: Change[] = [];
  const corrupt: Buffer[] = [];
  let start = 0;
  for (let end = contents.indexOf(LF); end >= 0; end = contents.indexOf(LF, start)) {
    const line = contents.subarray(start, end);
    const change = parseChange(line);
    if (change === undefined) corrupt.push(line);
    else changes.push(change);
    start = end + 1;
  }
  return { changes, corrupt, wholeLen: start };
}
