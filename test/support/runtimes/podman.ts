/**
 * podman 4 with CNI. It is told not to ask for what a machine without CAP_SYS_RESOURCE or with hybrid
 * cgroups lacks: limits above its own, and crun.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, RunResult } from '../netns.js';
import { BIN_DIR, CONF_DIR, type Cell } from './cell.js';
import type { Container, Runtime } from './runtime.js';
import { serve } from './runtime.js';

const RUN_MS = 60_000;

const CONTAINERS_CONF = `[network]
network_backend = "cni"
cni_plugin_dirs = ["${BIN_DIR}"]
network_config_dir = "${CONF_DIR}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`;

export function openPodman(cell: Cell, rootfs: string): Runtime {
  const conf = join(cell.folder, 'containers.conf');
  writeFileSync(conf, CONTAINERS_CONF);
  const store = join(cell.folder, 'memory/podman');
  const podman = (...words: string[]): Command => [
    ...(['env', `CONTAINERS_CONF=${conf}`, 'podman'] as const),
    ...['--root', `${store}/root`, '--runroot', `${store}/run`, '--storage-driver', 'vfs'],
    ...['--runtime', 'runc', ...words],
  ];
  const ask = async (...words: string[]): Promise<RunResult> => {
    const result = await cell.runAsync(podman(...words), { timeoutMs: RUN_MS });
    if (result.status !== 0) throw new Error(`podman ${words[0] ?? ''}: ${result.stderr}`);
    return result;
  };

  function handle(name: string): Container {
    return {
      name,
      exec: (...command) =>
        cell.runAsync(podman('exec', name, '/bin/busybox', ...command), { timeoutMs: RUN_MS }),
      async remove() {
        await ask('rm', '--force', '--time', '0', name);
      },
    };
  }

  return {
    name: 'podman',
    async run({ name, network, publish }) {
      const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'];
      const ports = publish === undefined ? [] : ['--publish', publish.join(':')];
      const own = ['--cgroup-parent', `/${cell.cgroup}`, '--network', network];
      const options = ['--name', name, ...own, ...limits, ...ports];
      await ask('run', '--detach', ...options, '--rootfs', rootfs, ...serve(name));
      return handle(name);
    },
    async close() {
      await ask('rm', '--all', '--force', '--time', '0');
    },
  };
}
