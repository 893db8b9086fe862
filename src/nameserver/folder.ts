/** The folder of what is kept. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../errors.js';

const MODE = 0o755;

/**
 * Make a folder and those above it. Below /proc, where nothing can be made, Node's own `recursive` would
 * never come to an end.
 *
 * @throws the error of the system
 */
export function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: MODE });
  } catch (error) {
    const isMade = isErrno(error, 'EEXIST') && statSync(path).isDirectory();
    if (!isMade) throw error;
  }
}
