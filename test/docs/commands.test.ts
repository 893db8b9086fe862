import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Command } from 'commander';
import { parse } from 'yaml';
import * as abiCache from '../../assembly/abi-cache.js';
import * as abiDns from '../../assembly/abi-dns.js';
import * as abi from '../../assembly/abi.js';
import { parseConfig } from '../../src/config/config.js';
import { DIRECTIVES } from '../../src/dns/chain/registry.js';
import { isCurrent } from '../../scripts/doc-page.js';
import { CLI_PAGE, wholeCommand } from '../../scripts/gen-cli-doc.js';
import { CONFIG_PAGE } from '../../scripts/gen-config-doc.js';
import { needs } from '../support/skip.js';
import { PAGES, ROOT, commandLinesOf, fencesOf, pageAt, spansOf } from './pages.js';

for (const page of [CLI_PAGE, CONFIG_PAGE]) {
  test(`docs: ${page.path} is what ${page.script} makes`, async (t) => {
    t.true(await isCurrent(page), `run npx tsx ${page.script}`);
  });
}

const scripts = (
  JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
).scripts;

test('docs: every npm script that a page names exists', (t) => {
  const missing = PAGES.flatMap(({ path, text }) =>
    commandLinesOf(text).flatMap((line) =>
      [...line.matchAll(/\bnpm run ([\w:-]+)/g)].flatMap(([, name = '']) =>
        Object.hasOwn(scripts, name) ? [] : [`${path}: npm run ${name}`],
      ),
    ),
  );
  t.deepEqual(missing, []);
});

/** What is wrong with the words behind `sluice`; undefined when nothing is. */
function whyWrong(words: readonly string[]): string | undefined {
  let command: Command = wholeCommand();
  for (const word of words) {
    if (!/^[a-z]+$/.test(word)) break;
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next !== undefined) command = next;
    else if (command.registeredArguments.length === 0) return `no command ${word}`;
  }
  const known = command.options.flatMap(({ long, short }) => [long, short]);
  const flags = words.flatMap((word) => /^-{1,2}[a-z][a-z-]*$/.exec(word)?.[0] ?? []);
  const unknown = flags.find((flag) => !known.includes(flag) && flag !== '--help');
  return unknown === undefined ? undefined : `no option ${unknown}`;
}

/** `sluice` as a command, up to where the shell or a placeholder ends it. */
const SLUICE = /^\$? ?(?:\(?sudo |on \w+ )?(?:node build\/host\/src\/cli\.js|sluice) ([^|&>;)"']+)/;

test('docs: every command and option of sluice that a page names exists', (t) => {
  const lines = PAGES.flatMap(({ path, text }) =>
    commandLinesOf(text).map((line) => ({ path, line })),
  );
  const used = lines.flatMap(({ path, line }) => {
    const words = SLUICE.exec(line.trim())?.[1]?.trim().split(/\s+/);
    return words === undefined ? [] : [{ path, words }];
  });
  t.true(used.length > 40);
  const wrong = used.flatMap(({ path, words }) => {
    const why = whyWrong(words);
    return why === undefined ? [] : [`${path}: sluice ${words.join(' ')}: ${why}`];
  });
  t.deepEqual(wrong, []);
});

const configurations = PAGES.flatMap(({ path, text }) =>
  fencesOf(text, 'yaml')
    .filter((code) => /^kind: SluiceConfiguration$/m.test(code))
    .filter((code) => !code.includes('kubeProxyConfiguration'))
    .map((code) => ({ path, code })),
);

test('docs: every configuration that a page shows whole is one that the agent takes', (t) => {
  t.true(configurations.length >= 2);
  for (const { path, code } of configurations) t.notThrows(() => parseConfig(code, path, 'host'));
});

test('docs: every part of a configuration that a page shows has keys that there are', (t) => {
  const HEAD = { apiVersion: 'sluice/v1alpha1', kind: 'SluiceConfiguration' };
  const parts = PAGES.flatMap(({ path, text }) =>
    fencesOf(text, 'yaml')
      .filter((code) => /^(source|dns|ipam|overlay|masquerade|cni|capacities|uplinks):/m.test(code))
      .filter((code) => !/^kind:/m.test(code))
      .map((code) => ({ path, code })),
  );
  t.true(parts.length > 3);
  for (const { path, code } of parts) {
    for (const block of code.split(/\n(?=source:)/)) {
      const whole = JSON.stringify({ ...HEAD, ...(parse(block) as object) });
      t.notThrows(() => parseConfig(whole, path, 'host'), `${path}:\n${block}`);
    }
  }
});

const filterTest = needs({ tools: ['tcpdump'] });

filterTest('docs: every filter that troubleshooting shows is one that tcpdump takes', (t) => {
  const filters = spansOf(pageAt('docs/troubleshooting.md').text).flatMap((code) => {
    const filter = /^tcpdump -\w+ (?:IF|LINK) (.+)$/.exec(code)?.[1];
    return filter === undefined
      ? []
      : [filter.replace(/^'|'$/g, '').replace('POD-IP', '192.0.2.1')];
  });
  t.true(filters.length > 20);
  for (const filter of filters) {
    t.notThrows(() => execFileSync('tcpdump', ['-d', '-y', 'EN10MB', filter]), filter);
  }
});

test('docs: every plugin that a Corefile may name is in docs/dns.md', (t) => {
  const page = pageAt('docs/dns.md').text;
  const from = page.indexOf('\n## Plugins\n');
  const named = new Set(spansOf(page.slice(from, page.indexOf('\n## ', from + 1))));
  t.deepEqual(
    [...DIRECTIVES].filter((name) => !named.has(name)),
    [],
  );
});

test('docs: the map of memory in docs/architecture.md has every fixed region where it is', (t) => {
  const page = pageAt('docs/architecture.md').text;
  const shown = [...page.matchAll(/^(0x\w{6}) {2}([A-Z]+(?: [A-Z]+)*)/gm)].map(
    ([, base = '', name = '']) => [name.replace(' ', '_'), Number(base)] as const,
  );
  const fixed = Object.entries({ ...abi, ...abiDns, ...abiCache }).flatMap(([name, value]) =>
    name.endsWith('_BASE') && Number(value) >= abi.STATIC_BASE && value !== abi.DYNAMIC_BASE
      ? [[name.slice(0, -'_BASE'.length), Number(value)] as const]
      : [],
  );
  const regions = shown.filter(([, base]) => base >= abi.STATIC_BASE && base < abi.DYNAMIC_BASE);
  t.deepEqual(new Map(regions), new Map(fixed.sort(([, a], [, b]) => a - b)));
  const rest = page.slice(
    page.indexOf('0x100000  '),
    page.indexOf('```', page.indexOf('0x100000  ')),
  );
  const named = [...rest.matchAll(/^(?:0x100000| {8}) {2}((?:[A-Z][A-Z\d_]+ )+)/gm)];
  t.deepEqual(
    named.flatMap(([, names = '']) => names.trim().split(' ')),
    Object.keys(abi.RegionId).filter((name) => Number.isNaN(Number(name))),
  );
});

test('docs: docs/abi.md names every export of the core', async (t) => {
  const module = await WebAssembly.compile(readFileSync(join(ROOT, 'build/core/core.wasm')));
  const page = pageAt('docs/abi.md').text;
  const exported = WebAssembly.Module.exports(module).filter(({ kind }) => kind === 'function');
  for (const { name } of exported) t.regex(page, new RegExp(`\\b${name}\\b`), name);
});
