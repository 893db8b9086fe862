/** Who imports whom is as .dependency-cruiser.cjs says. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../../src/package-root.js';

const PROGRAM = join(packageRoot(), 'node_modules/.bin/depcruise');

test('imports: none goes against the layers of assembly/ and src/, none in a circle', async (t) => {
  const args = ['--config', '.dependency-cruiser.cjs', 'assembly', 'src'];
  const run = promisify(execFile)(PROGRAM, args, { cwd: packageRoot() });
  // The exit code is the number of errors.
  const { stdout } = await run.catch((error: unknown) => error as { stdout: string });
  const [, modules] = /no dependency violations found \((\d+) modules/.exec(stdout) ?? [];
  t.true(Number(modules) > 500, stdout);
});
