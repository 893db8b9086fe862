/**
 * The demo is the end-to-end test: every check of it is an assertion here, with the flow table
 * executed by the kernel and with everything through WebAssembly.
 */
import { spawn } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { packageFile } from '../../src/package-root.js';
import { needs } from '../support/skip.js';

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

interface Finished {
  readonly code: number | null;
  readonly checks: readonly Check[];
  readonly stderr: string;
}

/** Far above the minute it takes, below the time a test may take. */
const LIMIT_MS = 170_000;
/** Fewer would mean that phases were left out. */
const CHECKS_MIN = 120;

function runDemo(args: readonly string[]): Promise<Finished> {
  const demo = packageFile('build/host/examples/demo/demo.js');
  const child = spawn(process.execPath, [demo, '--json', ...args], { timeout: LIMIT_MS });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const lines = stdout.split('\n').filter((line) => line !== '');
      resolve({ code, stderr, checks: lines.map((line) => JSON.parse(line) as Check) });
    });
  });
}

async function demoPasses(t: ExecutionContext, args: readonly string[]): Promise<void> {
  const { code, checks, stderr } = await runDemo(args);
  const failed = checks.filter(({ ok }) => !ok);
  // At once: AVA tells of the first assertion that fails, and the second may be the clue.
  t.deepEqual(
    failed.map(({ check, detail }) => `${check}: ${detail}`),
    [],
  );
  t.true(checks.length >= CHECKS_MIN, `${String(checks.length)} checks`);
  t.is(code, 0, stderr);
}

const demoTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'nsenter', 'unshare', 'mount', 'getent', 'sysctl', 'curl', 'dig', 'ping', 'iperf3'],
});

demoTest(
  'demo: two nodes carry traffic, die and come back, with the kernel repeating [proxy 29 66]',
  (t) => demoPasses(t, []),
);

demoTest('demo: two nodes carry the same traffic with everything through WebAssembly', (t) =>
  demoPasses(t, ['--offload', 'off']),
);
