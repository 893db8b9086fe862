/**
 * Options of an OPT record.
 *
 * Layout  each code(16) length(16) data, network order (RFC 6891 6.1.2)
 */
import { decodeMessage } from '../message/decode.js';
import type { Query } from '../plugin.js';
import { readU16, writeU16 } from '../wire/header.js';

/** RFC 5001, RFC 7871, RFC 8914. */
export enum OptionCode {
  NSID = 3,
  SUBNET = 8,
  EDE = 15,
}

/** RFC 8914 4.16 and 4.18. */
export enum ErrorCode {
  BLOCKED = 15,
  FILTERED = 17,
}

export interface EdnsOption {
  readonly code: number;
  readonly data: Uint8Array;
}

/** @param bytes  options that fill it exactly, as the walk of a message has made sure */
export function readOptions(bytes: Uint8Array): EdnsOption[] {
  const options: EdnsOption[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + readU16(bytes, at + 2);
    options.push({ code: readU16(bytes, at), data: bytes.subarray(at + 4, end) });
    at = end;
  }
  return options;
}

export function writeOptions(options: readonly EdnsOption[]): Uint8Array {
  const parts = options.flatMap(({ code, data }) => {
    const head = new Uint8Array(4);
    writeU16(head, 0, code);
    writeU16(head, 2, data.length);
    return [head, data];
  });
  return Uint8Array.from(Buffer.concat(parts));
}

/** Options of a query; none without an OPT record. */
export function optionsOf(query: Query): EdnsOption[] {
  return readOptions(decodeMessage(query.message)?.edns?.options ?? new Uint8Array());
}

/** An extended error (RFC 8914 2): code(16) and text. */
export function extendedError(code: number, text = ''): EdnsOption {
  const octets = Buffer.from(text);
  const data = new Uint8Array(2 + octets.length);
  writeU16(data, 0, code);
  data.set(octets, 2);
  return { code: OptionCode.EDE, data };
}
