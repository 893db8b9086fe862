/**
 * containerd with ctr(8), on a socket and in folders of its own. ctr calls DEL with an empty CNI_NETNS
 * when the container, and with it the namespace, has gone; it has no word for published ports.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command, Running } from '../netns.js';
import type { Cell } from './cell.js';
import type { Container, Runtime } from './runtime.js';
import { serve } from './runtime.js';

const RUNC = '/usr/sbin/runc';
const START_TRIES = 100;
const START_WAIT_MS = 100;

/** Without the part for Kubernetes, which asks for images and snapshots. */
function configOf(folder: string): string {
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${folder}/containerd.sock"
`;
}

async function startDaemon(cell: Cell, folder: string): Promise<Running> {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'config.toml');
  writeFileSync(config, configOf(folder));
  const daemon = cell.start(['containerd', '--config', config]);
  for (let tries = 0; !existsSync(join(folder, 'containerd.sock')); tries += 1) {
    if (tries === START_TRIES) throw new Error(`containerd does not start: ${daemon.output()}`);
    await delay(START_WAIT_MS);
  }
  return daemon;
}

/** The configuration it uses is the first in the cell's folder, whatever its name. */
export async function openContainerd(cell: Cell, rootfs: string): Promise<Runtime> {
  const folder = join(cell.folder, 'containerd');
  const daemon = await startDaemon(cell, folder);
  const ctr = (...words: string[]): Command => [
    'ctr',
    ...['--address', join(folder, 'containerd.sock'), '--namespace', cell.cgroup, ...words],
  ];
  const alive = new Map<string, Container>();
  let executions = 0;

  function handle(name: string, running: Running): Container {
    return {
      name,
      exec: (...command) => {
        executions += 1;
        const id = `exec-${String(executions)}`;
        return cell.runAsync(
          ctr('task', 'exec', '--exec-id', id, name, '/bin/busybox', ...command),
        );
      },
      async remove() {
        await cell.runAsync(ctr('task', 'kill', '--signal', 'SIGKILL', name));
        await running.done;
        alive.delete(name);
      },
    };
  }

  async function close(): Promise<void> {
    for (const container of alive.values()) await container.remove();
    // A container whose network failed was created, is not started and stays.
    for (const name of cell
      .run(ctr('task', 'list', '--quiet'))
      .split('\n')
      .filter(Boolean)) {
      await cell.runAsync(ctr('task', 'delete', '--force', name));
    }
    await daemon.stop();
  }
  let closing: Promise<void> | undefined;

  return {
    name: 'containerd',
    async run({ name }) {
      const options = ['--rm', '--cni', '--runc-binary', RUNC, '--rootfs', rootfs, name];
      const [program, ...args] = serve(name);
      const said = ['/bin/busybox', 'sh', '-c', 'echo started; exec "$@"', 'sh', program, ...args];
      const running = cell.start(ctr('run', ...options, ...said));
      await running.waitFor(/started/);
      const container = handle(name, running);
      alive.set(name, container);
      return container;
    },
    close: () => (closing ??= close()),
  };
}
