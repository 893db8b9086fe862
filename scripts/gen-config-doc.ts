/** Make docs/configuration-keys.md of the configuration's schema. `--check` compares instead. */
import { fileURLToPath } from 'node:url';
import { configKeys } from '../src/config/config.js';
import type { ConfigKey } from '../src/config/describe.js';
import { cell, runGenerator, table } from './doc-page.js';
import type { GeneratedPage } from './doc-page.js';

/** The key above all others: `overlay` of `overlay.peers[].name`. */
function topOf(key: string): string {
  return /^\w+/.exec(key)?.[0] ?? key;
}

function rowOf({ key, shape, initial, isRequired, bounds, doc }: ConfigKey): string[] {
  const shown = initial === undefined ? '' : `\`${initial === '' ? '""' : initial}\``;
  return [
    `\`${key}\``,
    cell(shape),
    isRequired ? 'required' : cell(shown),
    bounds === undefined ? '' : `${bounds[0]} to ${bounds[1]}`,
    cell(doc),
  ];
}

/** The page as Markdown. */
export function configPage(keys: readonly ConfigKey[]): string {
  const tops = [...new Set(keys.map(({ key }) => topOf(key)))];
  const groups = new Map(tops.map((top) => [top, keys.filter(({ key }) => topOf(key) === top)]));
  const single = [...groups.values()].filter((group) => group.length === 1).flat();
  const headings = ['key', 'value', 'default', 'range', 'what'];
  const sections = [...groups].flatMap(([top, group]) => {
    const [head, ...members] = group;
    if (head === undefined || members.length === 0) return [];
    return [
      '',
      `## ${top}`,
      '',
      `A ${head.shape}: ${head.doc}.`,
      '',
      table(headings, members.map(rowOf)),
    ];
  });
  return [
    '# Configuration keys',
    '',
    'Every key of the file that `--config` names, as `sluice config` prints them. `[]` is each member of a',
    'list. A default that follows from other keys is in the last column. How the file is read, and what',
    "kube-proxy's own file becomes: [configuration](configuration.md).",
    '',
    '## The document',
    '',
    table(headings, single.map(rowOf)),
    ...sections,
  ].join('\n');
}

export const CONFIG_PAGE: GeneratedPage = {
  path: 'docs/configuration-keys.md',
  script: 'scripts/gen-config-doc.ts',
  text: () => configPage(configKeys()),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await runGenerator(CONFIG_PAGE);
