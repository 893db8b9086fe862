/**
 * The vectors are what the core says, and what the rules say. The rules stand beside each case and are
 * applied whenever the files are made again, which happens here: UPDATE=1 writes them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { coreModule } from '../../src/core/instance.js';
import { playLoop, playVectors } from '../../src/embed/vectors.js';
import type { Step, VectorFile } from '../../src/embed/vectors.js';
import { CORE_DIR } from '../support/core.js';
import { loopFile, vectorFiles, VECTORS } from './files.js';
import { renderVectors } from './render.js';

const MODULES = ['core', 'baseline', 'debug'];
const CASES_MIN = 150;
const BYTES_MAX = 2e6;

const moduleOf = (name: string): WebAssembly.Module => {
  const file = name === 'baseline' ? 'core-baseline' : name;
  return new WebAssembly.Module(readFileSync(join(CORE_DIR, `${file}.wasm`)));
};

test('vectors: made again, they are the files that are there (UPDATE=1 writes them)', (t) => {
  const made = renderVectors();
  for (const [name, text] of made) {
    const file = join(VECTORS, name);
    if (process.env['UPDATE'] === '1') writeFileSync(file, text);
    t.true(readFileSync(file, 'utf8') === text, `${name}: made again, it differs`);
  }
  const there = vectorFiles().map(({ name }) => `${name}.json`);
  t.deepEqual(there, [...made.keys()].filter((name) => !name.includes('/')).sort());
  const bytes = [...made.values()].reduce((sum, text) => sum + text.length, 0);
  t.true(bytes < BYTES_MAX, `${String(bytes)} bytes`);
});

test(`vectors: at least ${String(CASES_MIN)} cases, each with something that can disagree`, (t) => {
  const cases = vectorFiles().flatMap(({ cases: own }) => own);
  t.true(cases.length >= CASES_MIN, String(cases.length));
  for (const { name, steps } of cases) {
    t.true(
      steps.some((step) => 'read' in step || 'returns' in step),
      name,
    );
  }
});

for (const name of MODULES) {
  test(`vectors: all cases pass in the ${name} module`, (t) => {
    const module = moduleOf(name);
    for (const file of vectorFiles()) {
      const { passed, total, failures } = playVectors(module, file);
      t.deepEqual(failures, []);
      t.is(passed, total);
      t.is(total, file.cases.length);
    }
  });

  test(`vectors: the loops turn in the ${name} module`, (t) => {
    for (const file of [loopFile('packets'), loopFile('answers')]) {
      const now = (): number => performance.now();
      const nsPerItem = playLoop(moduleOf(name), file, { now, warmUpMs: 1, measureMs: 1 });
      t.true(nsPerItem > 0 && Number.isFinite(nsPerItem), file.name);
    }
  });
}

/** One digit of a hex string is another. */
const flipped = (hex: string): string => `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`;

function spoil(step: Step, where: 'returns' | 'read'): Step | undefined {
  if (where === 'returns' && 'call' in step && step.returns !== undefined) {
    return { ...step, returns: step.returns + 1 };
  }
  if (where === 'read' && 'read' in step) {
    return { read: { ...step.read, hex: flipped(step.read.hex) } };
  }
  return undefined;
}

/** The first step that can be spoiled says something else. */
function spoilFirst(steps: readonly Step[], where: 'returns' | 'read'): Step[] {
  const at = steps.findIndex((step) => spoil(step, where) !== undefined);
  if (at === -1) throw new Error('nothing to spoil');
  return steps.map((step, i) => (i === at ? (spoil(step, where) ?? step) : step));
}

/** A copy whose last case says something else. */
function spoiled(file: VectorFile, where: 'returns' | 'read'): VectorFile {
  const cases = file.cases.map((each, i) =>
    i === file.cases.length - 1 ? { ...each, steps: spoilFirst(each.steps, where) } : each,
  );
  return { ...file, cases };
}

const service = (): VectorFile => {
  const found = vectorFiles().find(({ name }) => name === 'service');
  if (found === undefined) throw new Error('no vectors of services');
  return found;
};

test('vectors: a result that disagrees fails its case and no other, and is named', (t) => {
  const { passed, total, failures } = playVectors(coreModule(), spoiled(service(), 'returns'));
  t.is(passed, total - 1);
  t.deepEqual(failures, ['case host-to-service: step 2: processFrame returned 1, expected 2']);
});

test('vectors: a byte that disagrees is named by its address', (t) => {
  const { failures } = playVectors(coreModule(), spoiled(service(), 'read'));
  t.is(failures.length, 1);
  t.regex(
    failures[0] ?? '',
    /^case host-to-service: step 3: byte \d+ is [0-9a-f]{2}, expected [0-9a-f]{2}$/,
  );
});

test('vectors: a setup that disagrees fails every case', (t) => {
  const whole = service();
  const file = { ...whole, setup: spoilFirst(whole.setup, 'returns') };
  const { passed, failures } = playVectors(coreModule(), file);
  t.is(passed, 0);
  t.is(failures.length, 1);
  t.regex(failures[0] ?? '', /^setup: step \d+: layout returned \d+, expected \d+$/);
});

test('vectors: a loop whose answer is wrong has no speed', (t) => {
  const file = loopFile('packets');
  const steps = file.loop.steps.map((step) => ('call' in step ? { ...step, returns: 63 } : step));
  const wrong = { ...file, loop: { ...file.loop, steps } };
  t.throws(() => playLoop(coreModule(), wrong, { now: () => performance.now(), warmUpMs: 1 }), {
    message: 'step 2: processBatch returned 64, expected 63',
  });
});
