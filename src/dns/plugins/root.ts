/**
 * `root FOLDER`: where relative file names of a server block start from.
 *
 * Spec  CoreDNS, plugin/root
 */
import { resolve } from 'node:path';
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';

/** @throws DataplaneError ERR_CONFIG */
export function readRoot(directive: Directive, folder: string): string {
  const args = argumentsOf(directive);
  const path = args.need('a folder');
  args.end();
  return resolve(folder, path);
}
