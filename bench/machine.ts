/** The machine line: what a number was measured on. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
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
  /** First line of `gcc --version`; "none" where there is none. */
  readonly gcc: string;
  /** Commit of the tree, with "-dirty" when it has changes; "unknown" outside of git. */
  readonly commit: string;
  readonly memoryGib: number;
  /** Of core 0, innermost first, those that hold data. */
  readonly caches: readonly Cache[];
}

export interface Cache {
  /** "L1", "L2", "L3". */
  readonly level: string;
  readonly bytes: number;
}

const CACHE_DIR = '/sys/devices/system/cpu/cpu0/cache';
const CACHE_UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 * 1024 };

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

/** "32K", "16M". */
function parseCacheSize(text: string): number {
  const [, digits = '0', unit = ''] = /^(\d+)([KM]?)/.exec(text) ?? [];
  return Number(digits) * (CACHE_UNITS[unit] ?? 1);
}

function readCaches(): Cache[] {
  try {
    const read = (index: string, file: string): string =>
      readFileSync(`${CACHE_DIR}/${index}/${file}`, 'utf8').trim();
    return readdirSync(CACHE_DIR)
      .filter((name) => /^index\d/.test(name) && read(name, 'type') !== 'Instruction')
      .map((name) => ({
        level: `L${read(name, 'level')}`,
        bytes: parseCacheSize(read(name, 'size')),
      }))
      .sort((a, b) => a.bytes - b.bytes);
  } catch {
    return []; // a container or a processor whose caches the kernel does not tell
  }
}

function readGccVersion(): string {
  try {
    const text = execFileSync('gcc', ['--version'], { encoding: 'utf8', stdio: 'pipe' });
    return text.split('\n')[0] ?? 'unknown';
  } catch {
    return 'none'; // suites with a C twin are skipped, and say so
  }
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
    gcc: readGccVersion(),
    commit: readCommit(root),
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    caches: readCaches(),
  };
}
