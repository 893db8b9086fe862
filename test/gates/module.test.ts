import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { coreModule } from '../../src/core/instance.js';
import { CORE_DIR } from '../support/core.js';

const wat = await readFile(path.join(CORE_DIR, 'core.wat'), 'utf8');

/** What assembly/index.ts promises, and nothing else. */
const EXPORTS = [
  'abiVersion',
  'adopt',
  'applyDelta',
  'applyNames',
  'attachPort',
  'cacheClose',
  'cacheDue',
  'cacheFailed',
  'cacheGet',
  'cacheOpen',
  'cachePut',
  'census',
  'checksum',
  'dnsAnswer',
  'dnsBatch',
  'init',
  'layout',
  'lpmFind',
  'maglevBuild',
  'maglevPick',
  'parseFrame',
  'processBatch',
  'processFrame',
  'runBurst',
  'sweep',
  'traceFrame',
];

test('gate: the release module imports its memory and nothing else', (t) => {
  t.deepEqual(WebAssembly.Module.imports(coreModule()), [
    { module: 'env', name: 'memory', kind: 'memory' },
  ]);
});

test('gate: the release module exports what is documented, all of it functions', (t) => {
  const exported = WebAssembly.Module.exports(coreModule());
  t.deepEqual(exported.map(({ name }) => name).sort(), EXPORTS);
  t.true(exported.every(({ kind }) => kind === 'function'));
});

test('gate: nothing in the release module can allocate, throw or grow memory', (t) => {
  t.true(wat.includes('$assembly/embed/processFrame'), 'function names are there to be searched');
  for (const forbidden of [
    '~lib/rt/',
    'abort',
    '__new',
    '__alloc',
    'memory.grow',
    'call_indirect',
  ]) {
    t.false(wat.includes(forbidden), forbidden);
  }
});

test('gate: static data stays below the control page', (t) => {
  const ends = [...wat.matchAll(/\(data \$\d+ \(i32\.const (\d+)\) "((?:[^"\\]|\\.)*)"/g)].map(
    ([, at = '0', text = '']) => Number(at) + text.replaceAll(/\\[0-9a-f]{2}|\\./g, '.').length,
  );
  t.true(ends.length > 0);
  t.true(Math.max(...ends) <= 0x20000, `${Math.max(...ends)}`);
});
