/** What a module costs before it does anything: its bytes and its start-up. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { CORE_DIR } from '../support/core.js';

const GZIP_MAX = 64 * 1024;
const START_MS_MAX = 20;
/** Other programs have the machine, too: the best attempt says what it costs us. */
const ATTEMPTS = 20;

/** In a process of its own: the second compilation of the same bytes is none. */
const START = `
  const { readFileSync } = require('node:fs');
  const begin = performance.now();
  const module = new WebAssembly.Module(readFileSync(process.argv[1]));
  const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.abiVersion();
  process.stdout.write(String(performance.now() - begin));
`;

for (const name of ['core', 'core-baseline']) {
  const file = join(CORE_DIR, `${name}.wasm`);

  test(`gate: ${name}.wasm has at most ${String(GZIP_MAX)} bytes, gzipped`, (t) => {
    const bytes = readFileSync(file);
    const size = gzipSync(bytes, { level: 9 }).length;
    t.log(`${String(bytes.length)} bytes, ${String(size)} gzipped`);
    t.true(size <= GZIP_MAX, String(size));
  });

  test.serial(
    `gate: ${name}.wasm is read, compiled and answers within ${String(START_MS_MAX)} ms`,
    (t) => {
      const times: number[] = [];
      while (times.length < ATTEMPTS && Math.min(...times) > START_MS_MAX) {
        times.push(
          Number(execFileSync(process.execPath, ['-e', START, file], { encoding: 'utf8' })),
        );
      }
      const shown = times.map((ms) => ms.toFixed(1)).join(' ');
      t.log(`${shown} ms`);
      t.true(Math.min(...times) <= START_MS_MAX, shown);
    },
  );
}
