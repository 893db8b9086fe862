/**
 * A Corefile from a file or a text.
 */
import { resolve } from 'node:path';
import { addressWarning, checkDuplicates, readAddresses } from './address.js';
import type { Corefile } from './corefile.js';
import type { Environment } from './environment.js';
import { createCorefileFiles } from './files.js';
import type { CorefileFiles } from './files.js';
import { createImports } from './import.js';
import type { SourceToken } from './lexer.js';
import { parseBlocks } from './parse.js';
import { ONCE_ONLY } from './plugin-order.js';
import { createTokenStream } from './token-stream.js';

/** What is served when there is no Corefile: who asks, told to who asks. */
export const DEFAULT_COREFILE = '.:53 {\n    whoami\n    log\n}\n';

export interface LoadOptions {
  /** Names that a line of a server block may begin with; anything else is refused. */
  readonly directives: ReadonlySet<string>;
  /** Those that a block may have once only; without it, those of CoreDNS. */
  readonly onceOnly?: ReadonlySet<string>;
  /** Without it, the environment of this process. */
  readonly env?: Environment;
}

function read(
  files: CorefileFiles,
  file: string,
  tokens: readonly SourceToken[],
  options: LoadOptions,
): Corefile {
  const { directives, onceOnly = ONCE_ONLY, env = process.env } = options;
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const stream = createTokenStream(resolve(file), tokens);
  const imports = createImports({ files, env, warn });
  const parsed = parseBlocks({ stream, imports, env, directives, onceOnly, warn });
  const blocks = parsed.map((block) => ({ ...block, addresses: readAddresses(block.addresses) }));
  checkDuplicates(blocks);
  for (const { addresses } of blocks) {
    warnings.push(...addresses.flatMap((address) => addressWarning(address) ?? []));
  }
  return { blocks, warnings, files: files.paths, hash: files.hash() };
}

/**
 * Read a Corefile that is at hand as text. Its imports are read from disk, relative ones from the
 * folder of `file`.
 *
 * @param options.file  what errors call it
 * @throws DataplaneError ERR_CONFIG  one line: file, line, word, what is wrong
 */
export function parseCorefile(
  text: string,
  options: LoadOptions & { readonly file: string },
): Corefile {
  const files = createCorefileFiles();
  return read(files, options.file, files.add(options.file, text), options);
}

/**
 * Read a Corefile and what it imports.
 *
 * @param path  undefined: DEFAULT_COREFILE is read instead, and `files` is empty
 * @throws DataplaneError ERR_CONFIG  one line: file, line, word, what is wrong
 */
export function loadCorefile(path: string | undefined, options: LoadOptions): Corefile {
  if (path === undefined) {
    return { ...parseCorefile(DEFAULT_COREFILE, { ...options, file: 'Corefile' }), files: [] };
  }
  const files = createCorefileFiles();
  return read(files, path, files.read(path), options);
}
