/** The Markdown that people read: where it is, and the code in it. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { proseLines } from '../../scripts/doc-links.js';

export const ROOT = join(import.meta.dirname, '../..');

export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

function markdownBelow(folder: string, recursive: boolean): string[] {
  return readdirSync(join(ROOT, folder), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
    .sort();
}

export const PAGES: readonly Page[] = [
  ...markdownBelow('.', false),
  ...markdownBelow('docs', true),
  ...markdownBelow('bench', false),
  ...markdownBelow('examples', true),
].map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

export function pageAt(path: string): Page {
  const page = PAGES.find((candidate) => candidate.path === path);
  if (page === undefined) throw new Error(`${path}: no such page`);
  return page;
}

/** Fenced code of a language, each block whole. */
export function fencesOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code = '']) => code);
}

/** Code within sentences. */
export function spansOf(text: string): string[] {
  return proseLines(text).flatMap((line) =>
    [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
  );
}

/** What a reader may type: code within sentences, and the lines of shell examples. */
export function commandLinesOf(text: string): string[] {
  const blocks = ['sh', 'shell', 'bash', ''].flatMap((language) => fencesOf(text, language));
  const lines = blocks.flatMap((code) => code.replaceAll('\\\n', ' ').split('\n'));
  return [...spansOf(text), ...lines.map((line) => line.replace(/(^|\s)#.*$/, ''))];
}
