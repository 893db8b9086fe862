/** The ten lines in a host's README are a program: it runs, and prints what its comment says. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { FOLDER, HOSTS, PREPARED, missingOf } from '../../scripts/embed/hosts.js';
import { prepareHost } from '../../scripts/embed/run.js';
import { needs } from '../support/skip.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The sum of RFC 1071, 3, as it lies in memory. */
const SUM = 'd22';
const DENO = join(PREPARED, 'deno/node_modules/@deno/linux-x64-glibc/deno');
const WABT = '/usr/share/wabt/wasm2c';

interface Sample {
  readonly host: string;
  /** Of its fenced block. */
  readonly language: string;
  /** Put before it, where the README leaves out what everybody writes. */
  readonly preamble?: string;
  /** @returns what the program in `file` prints */
  run(file: string): string;
}

const output = (program: string, args: readonly string[]): string =>
  execFileSync(program, args, { cwd: ROOT, encoding: 'utf8' });

const SAMPLES: readonly Sample[] = [
  { host: 'node', language: 'js', run: (file) => output(process.execPath, [file]) },
  { host: 'deno', language: 'ts', run: (file) => output(DENO, ['run', '--allow-read', file]) },
  {
    host: 'bun',
    language: 'ts',
    run: (file) =>
      output('bash', ['-c', `${join(PREPARED, 'bun')}/node_modules/@oven/bun-*/bin/bun ${file}`]),
  },
  {
    host: 'c',
    language: 'c',
    preamble: '#include <stdio.h>\n#include <string.h>\n',
    run: (file) => {
      const out = join(PREPARED, 'c');
      const objects = [join(out, 'core.o'), join(out, 'wasm-rt-impl.o')];
      output('gcc', [`-I${out}`, `-I${WABT}`, file, ...objects, '-lm', '-o', `${file}.out`]);
      return output(`${file}.out`, []);
    },
  },
];

function blockOf(host: string, language: string): string {
  const readme = readFileSync(join(FOLDER, host, 'README.md'), 'utf8');
  const [, block = ''] = readme.split(`\n\`\`\`${language}\n`);
  return block.slice(0, block.indexOf('\n```'));
}

function programOf(t: ExecutionContext, { host, language, preamble = '' }: Sample): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-readme-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // Node takes `.js` outside of a package for CommonJS.
  const file = join(folder, `sample.${language === 'js' ? 'mjs' : language}`);
  writeFileSync(file, `${preamble}${blockOf(host, language)}\n`);
  return file;
}

for (const sample of SAMPLES) {
  const host = HOSTS.find(({ name }) => name === sample.host);
  if (!host) throw new Error(`no host ${sample.host}`);
  const sampleTest = needs({ also: missingOf(host) });
  sampleTest(`embed: the program in the README of ${host.name} runs`, async (t) => {
    await prepareHost(host);
    t.is(sample.run(programOf(t, sample)).trim(), SUM);
  });

  if (host.name !== 'deno') continue;
  // tsc knows nothing of Deno; Deno does.
  sampleTest('embed: the program of deno is typed', async (t) => {
    await prepareHost(host);
    t.notThrows(() => output(DENO, ['check', '--quiet', join(FOLDER, 'deno/main.ts')]));
  });
}
