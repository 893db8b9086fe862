/**
 * A file that is read again when it changes.
 */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { DataplaneError } from '../../errors.js';

/** Bytes of one file; a list of a million hosts has about 25 MB. */
const FILE_MAX = 64 * 1024 * 1024;

export interface WatchedFile {
  /**
   * Its text, if it is another one than at the last call that gave one.
   *
   * @throws DataplaneError ERR_CONFIG or the error of the system  it cannot be read
   */
  changed(): string | undefined;
}

export function watchFile(path: string): WatchedFile {
  let seen = '';
  return {
    changed: () => {
      // Two versions written within a tick of the clock differ in size or inode, if at all.
      const before = statSync(path);
      const mark = `${before.mtimeMs} ${before.size} ${before.ino}`;
      if (mark === seen) return undefined;
      const fd = openSync(path, 'r');
      try {
        const stat = fstatSync(fd);
        if (!stat.isFile()) throw new DataplaneError('ERR_CONFIG', `${path} is not a plain file`);
        if (stat.size > FILE_MAX) {
          throw new DataplaneError('ERR_CONFIG', `${path} has more than ${FILE_MAX} bytes`);
        }
        const text = readFileSync(fd, 'utf8');
        seen = mark;
        return text;
      } finally {
        closeSync(fd);
      }
    },
  };
}

/**
 * Call `look` every so often, until it is stopped; the process may end meanwhile.
 *
 * @param everyMs  0: never
 */
export function every(everyMs: number, look: () => void): { stop(): void } {
  if (everyMs === 0) return { stop: () => undefined };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
