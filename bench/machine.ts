/** The machine line: what a number was measured on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** cpufreq governor of core 0; "none" where the machine has no cpufreq (most VMs). */
  readonly governor: string;
  readonly kernel: string;
  readonly node: string;
  readonly asc: string;
  /** Commit of the tree, with "-dirty" when it has changes; "unknown" outside of git. */
  readonly commit: string;
}

const GOVERNOR = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor';

function readGovernor(): string {
  try {
    return readFileSync(GOVERNOR, 'utf8').trim();
  } catch {
    return 'none'; // the file exists only with cpufreq
  }
}

function readCommit(root: string): string {
  try {
    const git = (args: string[]): string =>
      execFileSync('git', ['-C', root, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    const commit = git(['rev-parse', '--short=12', 'HEAD']);
    return git(['status', '--porcelain', '--untracked-files=no']) ? `${commit}-dirty` : commit;
  } catch {
    return 'unknown'; // an unpacked archive, or no git
  }
}

function readAscVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('assemblyscript/package.json');
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version);
  }
  return 'unknown';
}

export function describeMachine(root: string): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    governor: readGovernor(),
    kernel: os.release(),
    node: process.version,
    asc: readAscVersion(),
    commit: readCommit(root),
  };
}
