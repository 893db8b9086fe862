import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { needs } from '../support/skip.js';
import { ROOT, fencesOf, pageAt } from './pages.js';

const run = promisify(execFile);
const PACKAGE = 'build/embed/core.js';
const packageTest = needs({
  also: existsSync(join(ROOT, PACKAGE))
    ? undefined
    : `needs ${PACKAGE}: bash scripts/build.sh embed`,
});

packageTest('docs: the program of docs/embedding.md runs and prints what it says', async (t) => {
  const [program = ''] = fencesOf(pageAt('docs/embedding.md').text, 'js');
  const args = ['--input-type=module', '--eval', program];
  const { stdout } = await run(process.execPath, args, { cwd: ROOT });
  t.is(stdout, 'TX 10.244.1.3 8080\n1 flow\n');
});
