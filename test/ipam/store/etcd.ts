/** A real etcd on loopback, with its data in a temporary folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEtcdStore } from '../../../src/ipam/store/etcd.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export async function startEtcd() {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-etcd-'));
  const [client, peer] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const flags = {
    name: 'sluice',
    'data-dir': dir,
    'listen-client-urls': endpoint,
    'advertise-client-urls': endpoint,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `sluice=${peerUrl}`,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const process = spawn('etcd', args, { stdio: 'ignore', env: { ...globalThis.process.env } });
  const gone = once(process, 'exit');
  // Etcd has no sign of readiness on its output that lasts across versions: ask until it answers.
  for (let i = 0; ; i++) {
    const store = await openEtcdStore({ endpoints: [endpoint], prefix: '/ready' });
    try {
      await store.get('blocks/none');
      break;
    } catch (cause) {
      if (i === 20 || process.exitCode !== null) throw cause;
    } finally {
      await store.close();
    }
  }
  return {
    endpoint,
    pause: () => process.kill('SIGSTOP'),
    resume: () => process.kill('SIGCONT'),
    stop: async () => {
      process.kill('SIGCONT');
      process.kill('SIGTERM');
      await gone;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
