/** What the sources say of the contract: constants and enums with their comments, exports with theirs. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { packageFile } from '../src/package-root.js';

export interface Constant {
  readonly name: string;
  readonly about: string;
}

export interface Enumeration extends Constant {
  readonly members: readonly Constant[];
}

/** What stands under a `// ---- title` line. */
export interface Section {
  readonly title: string;
  readonly entries: ({ readonly text: string } | Constant | Enumeration)[];
}

export interface ExportedFunction extends Constant {
  /** Name and type as declared. */
  readonly params: readonly {
    readonly name: string;
    readonly type: string;
    readonly about: string;
  }[];
  readonly returns: string;
  readonly returnsAbout: string;
}

const HEADING = /^\/\/ ---- (.*?) -*$/;

const parsed = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(packageFile(file), 'utf8'), ts.ScriptTarget.ES2022, true);

const plain = (comment: string): string =>
  comment
    .replace(/^\/\*\*?|\*\/$/g, '')
    .replace(/^\s*\* ?/gm, '')
    .trim();

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

function docOf(source: ts.SourceFile, node: ts.Node): string {
  const text = source.getFullText();
  const before = ts.getLeadingCommentRanges(text, node.pos) ?? [];
  // What is above a heading is about the file.
  const heading = before.findLastIndex(({ pos, end }) => HEADING.test(text.slice(pos, end)));
  const leading = before.slice(heading + 1);
  const trailing = ts.getTrailingCommentRanges(text, node.end) ?? [];
  const docs = leading
    .map(({ pos, end }) => text.slice(pos, end))
    .filter((c) => c.startsWith('/**'));
  const lines = trailing.map(({ pos, end }) => text.slice(pos, end).replace(/^\/\/ ?/, ''));
  return oneLine([...lines, plain(docs.at(-1) ?? '')].join('. ').replace(/^\. |\. $/g, ''));
}

/** Comments between two declarations: headings, and blocks of lines. */
function interludes(source: ts.SourceFile, node: ts.Node): string[] {
  const text = source.getFullText();
  const ranges = ts.getLeadingCommentRanges(text, node.pos) ?? [];
  const blocks: string[] = [];
  let end = -1;
  for (const range of ranges) {
    const comment = text.slice(range.pos, range.end);
    if (!comment.startsWith('//')) continue;
    // What trails the declaration before is that one's.
    if (!text.slice(node.pos, range.pos).includes('\n') && node.pos > 0) continue;
    const isNext = end >= 0 && /^\n\s*$/.test(text.slice(end, range.pos)) && !HEADING.test(comment);
    const last = blocks.at(-1);
    if (isNext && last !== undefined && !HEADING.test(last))
      blocks.push(`${blocks.pop() ?? ''}\n${comment}`);
    else blocks.push(comment);
    ({ end } = range);
  }
  return blocks;
}

function isExported(statement: ts.Statement): boolean {
  return (
    ts.canHaveModifiers(statement) &&
    (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  );
}

/** The sections of a file of the contract, in order. */
export function readSections(file: string): Section[] {
  const source = parsed(file);
  const sections: Section[] = [{ title: 'Version', entries: [] }];
  for (const statement of source.statements) {
    for (const block of interludes(source, statement)) {
      const title = HEADING.exec(block)?.[1];
      if (title !== undefined) sections.push({ title, entries: [] });
      else sections.at(-1)?.entries.push({ text: block.replace(/^\/\/ ?/gm, '') });
    }
    if (!isExported(statement)) continue;
    const entries = sections.at(-1)?.entries ?? [];
    if (ts.isEnumDeclaration(statement)) {
      const members = statement.members.map((member) => ({
        name: member.name.getText(),
        about: docOf(source, member),
      }));
      entries.push({ name: statement.name.text, about: docOf(source, statement), members });
    } else if (ts.isVariableStatement(statement)) {
      const about = docOf(source, statement);
      for (const { name } of statement.declarationList.declarations)
        entries.push({ name: name.getText(), about });
    }
  }
  return sections.filter(({ entries }) => entries.length > 0);
}

/** Files that assembly/index.ts takes its exports from, by the name of the export. */
function homesOf(index: ts.SourceFile): Map<string, string> {
  const homes = new Map<string, string>();
  for (const statement of index.statements) {
    if (ts.isFunctionDeclaration(statement) && isExported(statement))
      homes.set(statement.name?.text ?? '', index.fileName);
    if (
      !ts.isExportDeclaration(statement) ||
      !statement.exportClause ||
      !ts.isNamedExports(statement.exportClause)
    )
      continue;
    const from = statement.moduleSpecifier;
    if (!from || !ts.isStringLiteral(from)) continue;
    for (const { name } of statement.exportClause.elements)
      homes.set(name.text, join(dirname(index.fileName), `${from.text}.ts`));
  }
  return homes;
}

/** The tags of a doc comment: `@param name text`, `@returns text`. */
function tagsOf(doc: string) {
  const [about = '', ...tags] = doc.split(/^(?=@|(?:Cost|Layout|Spec|Invalidates)\s{2,})/m);
  const params = new Map<string, string>();
  let returns = '';
  for (const tag of tags) {
    const param = /^@param\s+(\w+)\s+([^]*)$/.exec(tag);
    if (param) params.set(param[1] ?? '', oneLine(param[2] ?? ''));
    const result = /^@returns\s+([^]*)$/.exec(tag);
    if (result) returns = oneLine(result[1] ?? '');
  }
  return { about: oneLine(about), params, returns };
}

/** The functions of the core, by name. */
export function readExports(): ExportedFunction[] {
  const index = parsed('assembly/index.ts');
  return [...homesOf(index)]
    .map(([name, file]) => {
      const source = parsed(file);
      const declaration = source.statements.find(
        (s): s is ts.FunctionDeclaration => ts.isFunctionDeclaration(s) && s.name?.text === name,
      );
      if (declaration === undefined) throw new Error(`${file} has no function ${name}`);
      const text = source.getFullText();
      const comments = ts.getLeadingCommentRanges(text, declaration.pos) ?? [];
      const last = comments.at(-1);
      const { about, params, returns } = tagsOf(plain(last ? text.slice(last.pos, last.end) : ''));
      return {
        name,
        about,
        params: declaration.parameters.map((p) => ({
          name: p.name.getText(),
          type: p.type?.getText() ?? '',
          about: params.get(p.name.getText()) ?? '',
        })),
        returns: declaration.type?.getText() ?? 'void',
        returnsAbout: returns,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
