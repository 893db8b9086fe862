/** A real etcd on loopback, with its data in a temporary folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './ports.js';

const READY_MS = 30_000;
const POLL_MS = 50;

/** Asked plainly: a client library gives up on a server that is not there yet. */
async function isHealthy(endpoint: string): Promise<boolean> {
  try {
    const answer = await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(1_000) });
    return (await answer.text()).includes('"true"');
  } catch {
    return false;
  }
}

/** A signal is only sent when kill returns: each thread stops when it next comes by its kernel. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).every((tid) =>
    /^State:\s+T/m.test(readFileSync(`${tasks}/${tid}/status`, 'utf8')),
  );
}

export async function startEtcd() {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-etcd-'));
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const flags = {
    name: 'sluice',
    'data-dir': dir,
    'listen-client-urls': endpoint,
    'advertise-client-urls': endpoint,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `sluice=${peer}`,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const server = spawn('etcd', args, { stdio: 'ignore' });
  const gone = once(server, 'exit');
  const endMs = performance.now() + READY_MS;
  while (!(await isHealthy(endpoint))) {
    if (server.exitCode !== null || performance.now() > endMs) {
      server.kill('SIGKILL');
      throw new Error(`etcd is not ready, exit code ${server.exitCode ?? 'none'}`);
    }
    await delay(POLL_MS);
  }
  return {
    endpoint,
    /** Resolves when no thread of the server runs any more; `stop` ends a paused one too. */
    pause: async () => {
      server.kill('SIGSTOP');
      while (server.pid !== undefined && !isStopped(server.pid)) await delay(1);
    },
    stop: async () => {
      server.kill('SIGCONT');
      server.kill('SIGTERM');
      await gone;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
