/** One process at a time: a locked file that names its owner. */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { DataplaneError } from '../errors.js';
import { tryLock } from '../native.js';

const { O_CREAT, O_RDWR } = constants;

/**
 * Take a lock file for as long as this process lives.
 *
 * The kernel's lock decides, and ends with its process, however that ends; the process id in the
 * file is for people. A process id alone would not do: every agent in a container has the same one.
 *
 * @param what  what is owned, for the message
 * @returns     gives it back; the file stays, because who removes it races with who opens it
 * @throws      DataplaneError ERR_STATE when somebody has it
 */
export function takeLockFile(path: string, what: string): () => void {
  const fd = openSync(path, O_RDWR | O_CREAT, 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    const owner = readFileSync(path, 'utf8').trim();
    const by = owner === '' ? 'another process' : `process ${owner}`;
    throw new DataplaneError(
      'ERR_STATE',
      `${what} is in use by ${by}; expected to be its only user`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return () => {
    ftruncateSync(fd);
    closeSync(fd);
  };
}
