/**
 * `root FOLDER`: where relative file names of a server block start from.
 *
 * Spec  CoreDNS, plugin/root
 */
import { resolve } from 'node:path';
import { argAt, expectArgs, expectNoBlock } from '../chain/directives.js';
import type { Directive } from '../corefile/corefile.js';

/** @throws DataplaneError ERR_CONFIG */
export function readRoot(directive: Directive, folder: string): string {
  expectArgs(directive, 1);
  expectNoBlock(directive);
  return resolve(folder, argAt(directive, 0).text);
}
