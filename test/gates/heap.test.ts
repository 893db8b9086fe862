import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

/** What a garbage collector leaves lying about by itself. */
const NOISE = 128 * 1024;

test('gate: the JavaScript heap is flat over a million frames', async (t) => {
  t.timeout(120_000);
  const child = path.join(import.meta.dirname, 'heap-child.ts');
  const args = ['--expose-gc', '--import=tsx', child];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { sent, heap, buffers } = JSON.parse(stdout) as Record<string, number>;
  t.true((sent ?? 0) > 100_000, `${sent} frames were sent`);
  t.true((heap ?? Infinity) < NOISE, `the heap grew by ${heap} bytes`);
  t.true((buffers ?? Infinity) <= 0, `buffers grew by ${buffers} bytes`);
});
