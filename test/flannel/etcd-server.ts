/** A real etcd on loopback, with its data in a temporary folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const TRIES = 50;

export async function startEtcd() {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-etcd-'));
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const args = [
    `--data-dir=${dir}`,
    `--listen-client-urls=${endpoint}`,
    `--advertise-client-urls=${endpoint}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ];
  const child = spawn('etcd', args, { stdio: 'ignore' });
  const gone = once(child, 'exit');
  const client = new Etcd3({
    hosts: endpoint,
    defaultCallOptions: () => ({ deadline: Date.now() + 1000 }),
  });
  for (let i = 0; ; i++) {
    try {
      await client.get('ready').string();
      break;
    } catch (cause) {
      if (i === TRIES || child.exitCode !== null) throw cause;
    }
  }
  return {
    endpoint,
    client,
    stop: async () => {
      client.close();
      child.kill('SIGTERM');
      await gone;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
