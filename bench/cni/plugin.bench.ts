/**
 * One execution of the plugin, from fork to exit, with an agent that does nothing:
 *
 *   cni/exec/check      median, beside `true`, which does nothing
 *   cni/exec/check/p95
 *   cni/exec/true       the floor
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { alone, type Context, type Result, type Suite } from '../harness.js';
import { percentile } from '../control/percentile.js';
import { missingCompiler } from '../twin.js';
import { type Executor, startExecutor } from './executor.js';

const ROOT = path.join(import.meta.dirname, '../..');
const PLUGIN = path.join(ROOT, 'build/native/sluice-cni');
/** Executions of a sample. */
const EXECUTIONS = 200;
const QUICK_EXECUTIONS = 50;
const REQUEST = JSON.stringify({ cniVersion: '1.1.0', name: 'bench', type: 'sluice' });

async function startAgent({ scope }: Context): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const socket = path.join(folder, 'cni.sock');
  const file = path.join(import.meta.dirname, 'agent-child.ts');
  const child = spawn(process.execPath, ['--import=tsx', file, socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  scope.defer(() => child.stdin.end());
  await once(child.stdout, 'data');
  return socket;
}

/** @returns milliseconds of each execution, ascending */
async function sampleExecutions(
  executor: Executor,
  file: string,
  socket: string,
  count: number,
): Promise<number[]> {
  const env = {
    CNI_COMMAND: 'CHECK',
    CNI_CONTAINERID: 'bench',
    CNI_NETNS: '/not/there',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    SLUICE_CNI_SOCKET: socket,
  };
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const { status, stdout, ms } = await executor.execute(file, env, REQUEST);
    if (status !== 0) throw new Error(`${file} ends with ${status}: ${stdout}`);
    times.push(ms);
  }
  return times.sort((a, b) => a - b);
}

const NAME = 'cni/exec/check';

async function run(context: Context): Promise<Result[]> {
  const socket = await startAgent(context);
  const count = context.quick ? QUICK_EXECUTIONS : EXECUTIONS;
  const executor = await startExecutor();
  context.scope.defer(executor.close);
  await sampleExecutions(executor, PLUGIN, socket, count);
  const ours: number[][] = [];
  const floor: number[][] = [];
  for (let i = 0; i < context.samples; i++) {
    ours.push(await sampleExecutions(executor, PLUGIN, socket, count));
    floor.push(await sampleExecutions(executor, '/bin/true', socket, count));
  }
  const result = (name: string, samples: number[][], share: number): Result =>
    alone(
      { name, unit: 'ms', better: 'lower' },
      samples.map((times) => percentile(times, share)),
    );
  return [
    result(NAME, ours, 0.5),
    result(`${NAME}/p95`, ours, 0.95),
    result('cni/exec/true', floor, 0.5),
  ];
}

export const suites: readonly Suite[] = [
  {
    names: [NAME, `${NAME}/p95`, 'cni/exec/true'],
    missing: async () =>
      existsSync(PLUGIN) ? missingCompiler() : 'build/native/sluice-cni is not built',
    run,
  },
];
