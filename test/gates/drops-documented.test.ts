import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Drop, KernelCounter } from '../../assembly/abi.js';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8');

function namesOf(of: Readonly<Record<string, string | number>>): string[] {
  return Object.keys(of).filter((key) => Number.isNaN(Number(key)));
}

function sectionOf(heading: string): string {
  const from = PAGE.indexOf(`\n## ${heading}\n`);
  const to = PAGE.indexOf('\n## ', from + 1);
  return PAGE.slice(from, to < 0 ? undefined : to);
}

const ENTRY =
  /^### (\w+)\n\n([^-#\n].*)\n\n- \*\*Usually:\*\* (.+)\n- \*\*Do:\*\* (.+)\n- \*\*See:\*\* (.+)\n/gm;

test('drops: every reason has an entry in docs/troubleshooting.md, in the order of the enum', (t) => {
  const headings = [...sectionOf('Drop reasons').matchAll(/^### (.+)$/gm)].map(([, name]) => name);
  t.deepEqual(
    headings,
    namesOf(Drop).filter((name) => name !== 'NONE'),
  );
});

test('drops: every entry says what it means, its usual cause, what to do, and how to see it', (t) => {
  const section = sectionOf('Drop reasons');
  const headings = [...section.matchAll(/^### (.+)$/gm)].map(([, name]) => name);
  const entries = [...section.matchAll(ENTRY)];
  t.deepEqual(
    entries.map(([, name]) => name),
    headings,
  );
  for (const [, name, ...parts] of entries) {
    for (const part of parts) t.regex(part, /\w{3}/, `${String(name)} says nothing`);
  }
});

test('drops: every counter of the kernel programs has a row in docs/troubleshooting.md', (t) => {
  const rows = [...sectionOf('Kernel counters').matchAll(/^\| ([A-Z\d_, ]+?) +\|/gm)];
  const documented = rows.flatMap(([, names = '']) => names.split(', '));
  t.deepEqual(documented.sort(), namesOf(KernelCounter).sort());
});
