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

test('drops: every reason has an entry in docs/troubleshooting.md, in the order of the enum', (t) => {
  const entries = sectionOf('Drop reasons').matchAll(/^### (\w+)\n\n(.*)/gm);
  const documented = [...entries].map(([, name, text]) => {
    t.regex(text ?? '', /\w{3}/, `${String(name)} says nothing`);
    return name;
  });
  t.deepEqual(
    documented,
    namesOf(Drop).filter((name) => name !== 'NONE'),
  );
});

test('drops: every counter of the kernel programs has a row in docs/troubleshooting.md', (t) => {
  const rows = [...sectionOf('Kernel counters').matchAll(/^\| ([A-Z\d_, ]+?) +\|/gm)];
  const documented = rows.flatMap(([, names = '']) => names.split(', '));
  t.deepEqual(documented.sort(), namesOf(KernelCounter).sort());
});
