/**
 * What a version of the ABI promises: signatures, offsets and values. test/embed/abi-frozen.json is what
 * ABI_VERSION stands for; UPDATE=1 writes it, after ABI_VERSION was raised or something was added.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as abi from '../../assembly/abi.js';
import * as abiCache from '../../assembly/abi-cache.js';
import * as abiDns from '../../assembly/abi-dns.js';
import { readExports } from '../../scripts/abi-source.js';
import { isCurrent, writePage } from '../../scripts/doc-page.js';
import { ABI_PAGE } from '../../scripts/gen-abi-doc.js';
import { wasmSignatures } from '../../scripts/wasm-signatures.js';
import { packageFile } from '../../src/package-root.js';
import { CORE_DIR } from '../support/core.js';

type Promised = Readonly<Record<string, string | number>>;
interface Frozen {
  readonly abiVersion: number;
  readonly promised: Promised;
}

const FROZEN = join(import.meta.dirname, 'abi-frozen.json');

/** `name` of a constant, `Enum.MEMBER`, `name()` of an export. */
function promised(module: string): Promised {
  const all: Record<string, string | number> = {};
  for (const [name, value] of Object.entries({ ...abi, ...abiDns, ...abiCache })) {
    if (typeof value === 'number') all[name] = value;
    else {
      for (const [member, number] of Object.entries(value)) {
        if (typeof number === 'number') all[`${name}.${member}`] = number;
      }
    }
  }
  delete all['ABI_VERSION'];
  for (const [name, { params, results }] of wasmSignatures(readFileSync(join(CORE_DIR, module)))) {
    all[`${name}()`] = `(${params.join(', ')}) -> (${results.join(', ')})`;
  }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Sentences about what `now` does not keep of what was promised, and about what is new. */
function breaches(then: Frozen, now: Frozen): string[] {
  const broken = Object.entries(then.promised).flatMap(([name, value]) => {
    const found = now.promised[name];
    if (found === value) return [];
    const what = found === undefined ? 'is gone' : `is ${String(found)} and was ${String(value)}`;
    return [`${name} ${what}: raise ABI_VERSION, now ${String(now.abiVersion)}, then UPDATE=1`];
  });
  const added = Object.keys(now.promised)
    .filter((name) => !(name in then.promised))
    .map((name) => `${name} is new: UPDATE=1 makes it part of ABI ${String(now.abiVersion)}`);
  if (then.abiVersion === now.abiVersion) return [...broken, ...added];
  return [
    `abi-frozen.json is of ABI ${String(then.abiVersion)}: UPDATE=1 freezes ${String(now.abiVersion)}`,
  ];
}

const current = (): Frozen => ({ abiVersion: abi.ABI_VERSION, promised: promised('core.wasm') });
const frozen = (): Frozen => JSON.parse(readFileSync(FROZEN, 'utf8')) as Frozen;

test('abi: what this version has promised is kept', (t) => {
  const now = current();
  const isBroken = (says: string): boolean => !/ is (new|of ABI)/.test(says);
  if (process.env['UPDATE'] === '1' && !breaches(frozen(), now).some(isBroken)) {
    writeFileSync(FROZEN, `${JSON.stringify(now, undefined, 2)}\n`);
  }
  t.deepEqual(breaches(frozen(), now), []);
});

test('abi: a change, a loss and an addition are each named', (t) => {
  const now = current();
  const { FLOW4_SIZE: _, ...others } = now.promised;
  const changed = { ...others, 'Verdict.TX': 7, 'novel()': '() -> ()' };
  t.deepEqual(breaches(now, { ...now, promised: changed }), [
    `FLOW4_SIZE is gone: raise ABI_VERSION, now ${String(abi.ABI_VERSION)}, then UPDATE=1`,
    `Verdict.TX is 7 and was 1: raise ABI_VERSION, now ${String(abi.ABI_VERSION)}, then UPDATE=1`,
    `novel() is new: UPDATE=1 makes it part of ABI ${String(abi.ABI_VERSION)}`,
  ]);
  t.is(breaches(now, { ...now, abiVersion: now.abiVersion + 1 }).length, 1);
});

test('abi: the baseline module has the same exports with the same types', (t) => {
  t.deepEqual(promised('core-baseline.wasm'), promised('core.wasm'));
});

test('abi: the signatures read are those the engine sees', (t) => {
  const bytes = readFileSync(join(CORE_DIR, 'core.wasm'));
  const signatures = wasmSignatures(bytes);
  const exports = WebAssembly.Module.exports(new WebAssembly.Module(bytes));
  t.deepEqual([...signatures.keys()].sort(), exports.map(({ name }) => name).sort());
  const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  for (const [name, { params }] of signatures) {
    t.is((instance.exports[name] as () => void).length, params.length, name);
  }
});

test('abi: every export is declared in the sources with as many parameters', (t) => {
  const declared = Object.fromEntries(
    readExports().map(({ name, params }) => [`${name}()`, params.length]),
  );
  const built = Object.entries(promised('core.wasm')).filter(([name]) => name.endsWith('()'));
  for (const [name, signature] of built) {
    const params = /^\((.*?)\)/.exec(String(signature))?.[1] ?? '';
    t.is(declared[name], params === '' ? 0 : params.split(', ').length, name);
  }
});

test('abi: docs/abi.md is current (npx tsx scripts/gen-abi-doc.ts writes it)', async (t) => {
  if (process.env['UPDATE'] === '1') await writePage(ABI_PAGE);
  t.true(await isCurrent(ABI_PAGE), 'made again, it differs');
  const page = readFileSync(packageFile(ABI_PAGE.path), 'utf8');
  for (const { name } of readExports()) t.true(page.includes(`### ${name}\n`), name);
});
