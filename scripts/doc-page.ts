/** Pages of docs/ that are made from the code: how they are laid out, written and compared. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import prettier from 'prettier';

const ROOT = join(import.meta.dirname, '..');

/** A page and what makes it. */
export interface GeneratedPage {
  /** From the root of the repository. */
  readonly path: string;
  /** The script that makes it, from the same place. */
  readonly script: string;
  /** Markdown, in any layout. */
  readonly text: () => string;
}

/** Text in a cell of a table, where `|` would end it; `<` would begin a tag. */
export function cell(text: string): string {
  return text.replace(/[|<]/g, '\\$&');
}

/** The same as code, where `<` is nothing but itself. */
export function codeCell(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

/** A table as Markdown; columns that no row fills are left out. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const kept = headings.map((_, column) => rows.some((row) => row[column] !== ''));
  const line = (cells: readonly string[]): string =>
    `| ${cells.filter((_, column) => kept[column]).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The page as it has to be on disk. */
async function renderPage({ path, script, text }: GeneratedPage): Promise<string> {
  const [title = '', ...rest] = text().split('\n');
  const note = `<!-- Made by ${script}; do not edit. -->`;
  const file = join(ROOT, path);
  const options = await prettier.resolveConfig(file);
  const page = [title, '', note, ...rest].join('\n');
  return prettier.format(page, { ...options, parser: 'markdown' });
}

/** Whether the page on disk is the one that would be made. */
export async function isCurrent(page: GeneratedPage): Promise<boolean> {
  return readFileSync(join(ROOT, page.path), 'utf8') === (await renderPage(page));
}

export async function writePage(page: GeneratedPage): Promise<void> {
  writeFileSync(join(ROOT, page.path), await renderPage(page));
}

/** Write the page, or with `--check` say whether the one on disk is current. */
export async function runGenerator(page: GeneratedPage): Promise<void> {
  if (!process.argv.includes('--check')) {
    await writePage(page);
  } else if (!(await isCurrent(page))) {
    process.stderr.write(`${page.path} is stale: run npx tsx ${page.script}\n`);
    process.exitCode = 1;
  }
}
