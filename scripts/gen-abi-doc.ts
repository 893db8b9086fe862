/**
 * docs/abi.md from the contract itself: assembly/abi*.ts, the comments of the exported functions, and
 * the sections of the built module.
 */
import { readFileSync } from 'node:fs';
import * as abi from '../assembly/abi.js';
import * as abiCache from '../assembly/abi-cache.js';
import * as abiDns from '../assembly/abi-dns.js';
import { packageFile } from '../src/package-root.js';
import { readExports, readSections } from './abi-source.js';
import type { Section } from './abi-source.js';
import { runGenerator } from './doc-page.js';
import type { GeneratedPage } from './doc-page.js';
import { wasmSignatures } from './wasm-signatures.js';

const VALUES: Readonly<Record<string, unknown>> = { ...abi, ...abiDns, ...abiCache };
const FILES = ['assembly/abi.ts', 'assembly/abi-dns.ts', 'assembly/abi-cache.ts'];
/** What AssemblyScript's types are outside. */
const TYPES: Readonly<Record<string, string>> = {
  usize: 'address',
  u32: 'u32',
  i32: 'i32',
  u16: 'u16',
  u8: 'u8',
  bool: 'u32, 0 or 1',
  f64: 'f64',
  void: 'nothing',
};
const ENUM_TYPES = new Set(['Verdict', 'DeltaError', 'CachePut']);

/** Parameters that mean the same wherever they occur and no comment says otherwise. */
const COMMON: Readonly<Record<string, string>> = {
  addr: '16 bytes, network order, IPv4 mapped',
  budget: 'slots, or frames a port, at most',
  bytes: 'bytes of records in the mailbox',
  cache: 'number of the cache, as `cacheOpen` returned it',
  count: 'descriptors',
  descriptors: 'of the first descriptor, the others follow at once',
  frame: 'of the Ethernet header',
  hash: '32 bits that spread well',
  idx: 'number of the port, below PORT_MAX',
  len: 'bytes of the message, the frame or the range',
  listener: 'whose zones answer, 1 to LISTENER_MAX',
  m: 'slots of the table',
  n: 'members',
  nowMs: 'milliseconds of a clock that does not go back',
  ptr: 'of the first byte',
  query: 'of the query',
  queryLen: 'bytes of the query',
  records: 'records in the mailbox',
  replyLen: 'bytes of the reply',
  table: 'of the first slot, u16 each',
};

const INTRODUCTION = `# The core as a binary interface

From \`assembly/abi*.ts\`, the comments of the exported functions and the sections of \`core.wasm\`. How to
embed the core in a program: [examples/embed](../examples/embed). What every runtime must reproduce: [test/vectors](../test/vectors).

## The module

- \`core.wasm\` imports \`env.memory\` and nothing else, and exports functions only. It allocates nothing,
  calls nobody and never grows its memory. \`core-baseline.wasm\` is the same without SIMD and atomics.
- The memory has 32 pages of 64 KiB at least, and as many as \`layout\` says. It is the host's: not
  shared, or shared by whom the host likes, for a call of an export is never interrupted by another.
- Arguments and results are i32 and f64. An **address** is a byte offset in linear memory, unsigned; a
  length is in bytes; a time is in milliseconds of a clock that does not go back. A host that shows
  i32 as signed has to make results unsigned, but where the table says i32.
- Integers in memory are little-endian unless a name ends in \`Be\` or the text says network order.
  No row or record needs more than the alignment of its fields; descriptors and rows begin at multiples
  of 4.
- No input traps but an address outside of memory. Errors are values: a verdict with a reason, a count
  that is too small, a \`DeltaError\` in a record's result word, 0 for "none".

## The life of an instance

1. Instantiate over 32 pages, write the capacities at CAPS_BASE, call \`layout\`: it returns the pages
   that are needed, 0 when the capacities cannot be met.
2. Instantiate again over so many pages, but no fewer than 32, write the capacities, call \`layout\`.
3. Fill in CONTROL: the secret of the hash tables (\`CONTROL_HASH_KEYS_OFF\`), the masks of the flow
   tables (capacity - 1). Call \`init\`.
4. Write delta records to DELTA_BASE and call \`applyDelta\`; name records and \`applyNames\`.
5. Call \`processFrame\`, \`processBatch\`, \`dnsAnswer\`, \`dnsBatch\` as long as there is something to
   decide, and \`sweep\` about once a second.

## Versions

\`abiVersion()\` returns ABI_VERSION, now **${String(abi.ABI_VERSION)}**. A host compares it with the one it was written for and
refuses another.

- **Changed or taken away** (a signature, an offset, a value, a meaning): ABI_VERSION is raised, and so
  is the major version of the package. \`test/embed/abi-frozen.json\` lists what a version promises, and
  a test names what broke it.
- **Added** (an export, a constant, an enum member behind the last one): the minor version of the
  package. A host must let values it does not know pass, as those of \`Drop\`.
- **Neither**: the patch version; the vectors are what they were.

\`layout\` decides where tables lie. A host reads DIRECTORY and computes no address of a table itself.
`;

/** `<` is taken care of in the whole text. */
const cell = (text: string): string => text.replaceAll('|', '\\|');
const hex = (value: number): string => (value > 9 ? ` (0x${value.toString(16)})` : '');

function shown(name: string, value: unknown): string {
  if (typeof value !== 'number') return String(value);
  const isPlace = /_(BASE|BYTES|MAGIC|MASK|FIRST|SIZE)$|^DNS_BASE$/.test(name);
  return `${String(value)}${isPlace ? hex(value) : ''}`;
}

function sectionText({ title, entries }: Section): string {
  const parts = [`### ${title}`];
  let table: string[] = [];
  const flush = (): void => {
    if (table.length > 0)
      parts.push(['| Constant | Value | Meaning |', '| --- | --- | --- |', ...table].join('\n'));
    table = [];
  };
  for (const entry of entries) {
    if ('text' in entry) {
      flush();
      parts.push(/[+|`']/.test(entry.text) ? `\`\`\`text\n${entry.text}\n\`\`\`` : entry.text);
    } else if ('members' in entry) {
      flush();
      const values = VALUES[entry.name] as Record<string, number>;
      const rows = entry.members.map(
        ({ name, about }) => `| ${name} | ${String(values[name])} | ${cell(about)} |`,
      );
      parts.push(`**enum ${entry.name}** ${entry.about}`.trim());
      parts.push(
        [`| ${entry.name} | Value | Meaning |`, '| --- | --- | --- |', ...rows].join('\n'),
      );
    } else {
      table.push(
        `| ${entry.name} | ${shown(entry.name, VALUES[entry.name])} | ${cell(entry.about)} |`,
      );
    }
  }
  flush();
  return parts.join('\n\n');
}

function exportsText(wasm: Uint8Array): string {
  const signatures = wasmSignatures(wasm);
  return readExports()
    .map(({ name, about, params, returns, returnsAbout }) => {
      const signature = signatures.get(name);
      if (signature === undefined) throw new Error(`core.wasm exports no ${name}`);
      const types = `(${signature.params.join(', ')}) -> (${signature.results.join(', ')})`;
      const typeOf = (type: string): string => TYPES[type] ?? (ENUM_TYPES.has(type) ? type : 'u32');
      const rows = params.map(
        (p) => `| ${p.name} | ${typeOf(p.type)} | ${cell(p.about || (COMMON[p.name] ?? ''))} |`,
      );
      const table = ['| Parameter | Type | Meaning |', '| --- | --- | --- |', ...rows].join('\n');
      const result =
        `Returns ${typeOf(returns)}${returnsAbout === '' ? '' : `: ${returnsAbout}`}.`.replace(
          /\.\.$/,
          '.',
        );
      return [
        `### ${name}`,
        `\`${types}\``,
        about,
        ...(rows.length > 0 ? [table] : []),
        result,
      ].join('\n\n');
    })
    .join('\n\n');
}

/** In Markdown `<` begins a tag, but not in code. */
const withoutTags = (text: string): string =>
  text.replaceAll(/(`[^`]*`)|</g, (_, code: string | undefined) => code ?? '\\<');

/** The whole document. */
function abiDocument(): string {
  const wasm = readFileSync(packageFile('build/core/core.wasm'));
  const sections = FILES.flatMap((file) => readSections(file)).map(sectionText);
  const text = [
    INTRODUCTION,
    '## Exports',
    exportsText(wasm),
    '## Memory, rows and values',
    ...sections,
  ].join('\n\n');
  return withoutTags(text);
}

export const ABI_PAGE: GeneratedPage = {
  path: 'docs/abi.md',
  script: 'scripts/gen-abi-doc.ts',
  text: abiDocument,
};

if (process.argv[1] === import.meta.filename) await runGenerator(ABI_PAGE);
