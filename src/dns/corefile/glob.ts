/**
 * Files that a pattern such as `custom/*.override` stands for.
 *
 * `*` stands for any part of a name, `?` for one character; neither for a slash. There is at most
 * one of each, so that looking costs at most one folder in a folder.
 *
 * Spec  Go, path/filepath.Glob, less its character classes and backslashes
 */
import { readdirSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

const WILDCARD = /[*?]/;
const MAGIC = /[.+^${}()|[\]\\]/g;

/** Why a pattern is not looked for. */
export function patternComplaint(pattern: string): string | undefined {
  if (pattern.includes('[') && pattern.includes(']')) return 'character classes are not supported';
  const tooMany = pattern.split('*').length > 2 || pattern.split('?').length > 2;
  return tooMany ? 'expected at most one "*" and one "?"' : undefined;
}

/** Whether a text stands for any number of files, none included. */
export function isPattern(text: string): boolean {
  return WILDCARD.test(text);
}

function namePattern(part: string): RegExp {
  const escaped = part.replace(MAGIC, '\\$&').replace('*', '[^]*').replace('?', '[^]');
  return new RegExp(`^${escaped}$`, 'u');
}

/** Names in a folder that match, sorted; none in what is no folder or may not be read. */
function matchingNames(folder: string, part: string): string[] {
  const pattern = namePattern(part);
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort();
  } catch {
    // As Go's Glob does it: an optional volume that is not mounted is an empty one.
    return [];
  }
}

/** Whether there is something to be read; if that cannot be told, reading it will say why. */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch {
    return true;
  }
}

/**
 * Files that match, in the order of their names. Folders do not count: a ConfigMap's volume keeps
 * its versions in hidden ones beside the files.
 *
 * @param pattern  one that `patternComplaint` has nothing against
 * @param base     folder that a relative pattern starts from; its name is taken as it is
 */
export function findFiles(pattern: string, base: string): string[] {
  let found = [isAbsolute(pattern) ? '/' : base];
  for (const part of pattern.split('/')) {
    if (part === '') continue;
    found = isPattern(part)
      ? found.flatMap((folder) => matchingNames(folder, part).map((name) => join(folder, name)))
      : found.map((folder) => join(folder, part));
  }
  return found.filter(isFile);
}
