/**
 * `import`: a snippet, a file, or the files of a pattern in the place of the line.
 *
 * Spec  Caddyfile parser (caddy v1, package caddyfile), as CoreDNS uses it
 */
import { dirname, resolve } from 'node:path';
import { DataplaneError } from '../../errors.js';
import { failAt, placeOf, shown } from './complaint.js';
import type { Token } from './corefile.js';
import { replaceEnvironment } from './environment.js';
import type { Environment } from './environment.js';
import type { CorefileFiles } from './files.js';
import { findFiles, isPattern, patternComplaint } from './glob.js';
import type { SourceToken } from './lexer.js';
import type { TokenStream } from './token-stream.js';

/** Imports of snippets, and of files or patterns, in one Corefile. */
export const SNIPPET_IMPORTS_MAX = 10_000;
export const FILE_IMPORTS_MAX = 100_000;

export const IMPORT = 'import';

export interface Imports {
  /** @throws DataplaneError ERR_CONFIG  the name is taken, or the snippet imports itself */
  defineSnippet(name: Token, snippet: string, body: readonly SourceToken[]): void;
  /**
   * Put what they stand for in the place of the import lines that come next.
   *
   * @throws DataplaneError ERR_CONFIG
   */
  expand(stream: TokenStream): void;
}

export interface ImportSources {
  readonly files: CorefileFiles;
  readonly env: Environment;
  readonly warn: (message: string) => void;
}

interface ImportLine {
  readonly stream: TokenStream;
  /** The word behind `import`. */
  readonly token: SourceToken;
  /** The same with variables replaced. */
  readonly text: string;
}

function importLine(stream: TokenStream, env: Environment): ImportLine {
  const keyword = stream.take() as SourceToken;
  const token = stream.takeOnLine();
  if (token === undefined) failAt(keyword, 'import: expected a snippet, a file or a pattern');
  const text = replaceEnvironment(token.text, env);
  if (text === '') failAt(keyword, `import: ${shown(token.text)} is empty`);
  const second = stream.takeOnLine();
  if (second !== undefined) failAt(second, `import: ${shown(second.text)}: expected one argument`);
  return { stream, token, text };
}

/** Which files, sorted; a file that is named outright has to be there. */
function filesOf(line: ImportLine, warn: (message: string) => void): string[] {
  const { token, text } = line;
  const complaint = patternComplaint(text);
  if (complaint !== undefined) failAt(token, `import: ${shown(text)}: ${complaint}`);
  const base = dirname(resolve(token.file));
  if (!isPattern(text)) return [resolve(base, text)];
  const found = findFiles(text, base);
  if (found.length === 0) warn(`${placeOf(token)}: import: no file matches ${shown(text)}`);
  return found;
}

function readImported(files: CorefileFiles, path: string, line: ImportLine) {
  try {
    return files.read(path);
  } catch (error) {
    // What the lexer says has a place of its own; of a file that cannot be read, it is the import.
    if (!(error instanceof DataplaneError) || error.message.startsWith(`${path}:`)) throw error;
    return failAt(line.token, `import: ${shown(line.text)}: ${error.message}`);
  }
}

export function createImports({ files, env, warn }: ImportSources): Imports {
  const snippets = new Map<string, readonly SourceToken[]>();
  let snippetImports = 0;
  let fileImports = 0;

  const insertSnippet = (line: ImportLine, body: readonly SourceToken[]): void => {
    const { stream, token, text } = line;
    if (++snippetImports > SNIPPET_IMPORTS_MAX) {
      failAt(token, `import: ${shown(text)}: more than ${SNIPPET_IMPORTS_MAX} imports of snippets`);
    }
    const origin = `(${text})`;
    if (stream.isOpen(origin)) failAt(token, `import: ${shown(text)}: the snippet imports itself`);
    stream.insert(origin, body, token);
  };

  const insertFiles = (line: ImportLine): void => {
    const { stream, token, text } = line;
    if (++fileImports > FILE_IMPORTS_MAX) {
      failAt(token, `import: ${shown(text)}: more than ${FILE_IMPORTS_MAX} imports of files`);
    }
    const paths = filesOf(line, warn);
    for (const path of paths) {
      if (stream.isOpen(path)) failAt(token, `import: ${shown(text)}: the file imports itself`);
    }
    // The last one first: what is inserted later is read sooner.
    const parts = paths.map((path) => ({ path, tokens: readImported(files, path, line) }));
    for (const { path, tokens } of parts.reverse()) stream.insert(path, tokens, token);
  };

  return {
    defineSnippet: (name, snippet, body) => {
      if (snippets.has(snippet)) failAt(name, `snippet ${shown(snippet)} is defined already`);
      body.forEach(({ text, startsLine }, i) => {
        const next = body[i + 1];
        if (text !== IMPORT || !(startsLine || i === 0) || next === undefined) return;
        if (replaceEnvironment(next.text, env) !== snippet) return;
        failAt(next, `import: ${shown(snippet)}: the snippet imports itself`);
      });
      snippets.set(snippet, body);
    },
    expand: (stream) => {
      while (stream.peek()?.text === IMPORT) {
        const line = importLine(stream, env);
        const body = snippets.get(line.text);
        if (body === undefined) insertFiles(line);
        else insertSnippet(line, body);
      }
    },
  };
}
