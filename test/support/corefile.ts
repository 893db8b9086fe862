/**
 * Corefiles for tests: in a folder that goes away, read with any directive, and shown as text.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Corefile, Directive } from '../../src/dns/corefile/corefile.js';
import { parseCorefile } from '../../src/dns/corefile/load.js';
import type { LoadOptions } from '../../src/dns/corefile/load.js';

/** A set that every name is in. */
export const ANY_DIRECTIVE: ReadonlySet<string> = Object.assign(new Set<string>(), {
  has: () => true,
});

/** Read a text with any directive, an empty environment, and the name Corefile. */
export function parseText(
  text: string,
  options: Partial<LoadOptions> & { readonly file?: string } = {},
): Corefile {
  return parseCorefile(text, { file: 'Corefile', directives: ANY_DIRECTIVE, env: {}, ...options });
}

/** `log . {class error}`: the words of a directive in one line. */
export function showDirective({ name, args, block }: Directive): string {
  const words = [name, ...args].map(({ text }) => text).join(' ');
  return block === undefined ? words : `${words} {${block.map(showDirective).join('; ')}}`;
}

/** Each block as its addresses (`dns://example.org.:53`) and its directives. */
export function showBlocks({ blocks }: Corefile): (readonly [string, ...string[]])[] {
  return blocks.map(({ addresses, directives }) => [
    addresses.map(({ scheme, zone, port }) => `${scheme}://${zone}:${port}`).join(' '),
    ...directives.map(showDirective),
  ]);
}

/** Run with a folder of these files, which is removed afterwards. */
export function withFiles<T>(files: Readonly<Record<string, string>>, run: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'corefile-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
    return run(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
