/**
 * The files a Corefile is made of: read once each, bounded together, and hashed for a reload.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { DataplaneError, messageOf } from '../../errors.js';
import { lex } from './lexer.js';
import type { SourceToken } from './lexer.js';

/** Bytes of all files of a Corefile together; a ConfigMap, where most are kept, holds 1 MiB. */
export const BYTES_MAX = 16 * 1024 * 1024;

export interface CorefileFiles {
  /** Words of a text that is at hand already. */
  add(path: string, text: string): readonly SourceToken[];
  /**
   * Words of a file; of one that was read before, the same.
   *
   * @throws DataplaneError ERR_CONFIG  what is wrong with it, without a place
   */
  read(path: string): readonly SourceToken[];
  /** In the order of reading. */
  readonly paths: readonly string[];
  /** SHA-512 in hex. */
  hash(): string;
}

/** Only plain files: a pipe or a device may never end. */
function readPlainFile(path: string, bytesLeft: number): Buffer {
  let fd: number;
  try {
    // To open a pipe would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new DataplaneError('ERR_CONFIG', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new DataplaneError('ERR_CONFIG', `${path} is not a plain file`);
    if (stat.size > bytesLeft) throw tooMuch(path);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function tooMuch(path: string): DataplaneError {
  const what = `with ${path}, the Corefile and its imports have more than ${BYTES_MAX} bytes`;
  return new DataplaneError('ERR_CONFIG', what);
}

export function createCorefileFiles(): CorefileFiles {
  const read = new Map<string, readonly SourceToken[]>();
  const digest = createHash('sha512');
  let bytesLeft = BYTES_MAX;

  const add = (path: string, text: string): readonly SourceToken[] => {
    const byteLen = Buffer.byteLength(text);
    if (byteLen > bytesLeft) throw tooMuch(path);
    bytesLeft -= byteLen;
    // Lengths keep a name and a content apart, and one file from the next.
    digest.update(`${Buffer.byteLength(path)} ${byteLen}\n${path}${text}`);
    const tokens = lex(text, path);
    read.set(path, tokens);
    return tokens;
  };

  return {
    add,
    read: (path) => read.get(path) ?? add(path, readPlainFile(path, bytesLeft).toString('utf8')),
    get paths() {
      return [...read.keys()];
    },
    hash: () => digest.copy().digest('hex'),
  };
}
