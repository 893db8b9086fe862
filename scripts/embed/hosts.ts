/**
 * The programs of examples/embed: what each needs on the machine. How it is prepared and run is in its
 * folder, `prepare.sh OUTDIR` and `run.sh OUTDIR [--json] [--module FILE] [--vectors FOLDER]`.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Need {
  /** On PATH, or an absolute path. */
  readonly program: string;
  /** Who has it. */
  readonly from: string;
}

export interface Host {
  /** Of its folder. */
  readonly name: string;
  readonly needs: readonly Need[];
}

const NPM: Need = { program: 'npm', from: 'Node' };

/** Those that take longest to prepare first. */
export const HOSTS: readonly Host[] = [
  { name: 'rust', needs: [{ program: 'cargo', from: 'Rust' }] },
  { name: 'go', needs: [{ program: 'go', from: 'Go' }] },
  {
    name: 'java',
    needs: [
      { program: 'javac', from: 'a JDK, 17 or newer' },
      { program: 'mvn', from: 'Maven' },
    ],
  },
  {
    name: 'c',
    needs: [
      { program: 'gcc', from: 'the Debian package gcc' },
      { program: 'wasm2c', from: 'the Debian package wabt' },
      { program: '/usr/include/jansson.h', from: 'the Debian package libjansson-dev' },
    ],
  },
  { name: 'python', needs: [{ program: 'python3', from: 'Python' }] },
  { name: 'deno', needs: [NPM] },
  { name: 'bun', needs: [NPM] },
  { name: 'node', needs: [] },
  {
    name: 'chromium',
    needs: [{ program: '/usr/bin/chromium', from: 'the Debian package chromium' }],
  },
];

export const FOLDER = fileURLToPath(new URL('../../examples/embed/', import.meta.url));
/** Where hosts are prepared, a folder each. */
export const PREPARED = fileURLToPath(new URL('../../build/embed/', import.meta.url));

/** What of it is missing here, in words; undefined when nothing is. */
export function missingOf(host: Host): string | undefined {
  const missing = host.needs.filter((need) => !isThere(need.program));
  if (missing.length === 0) return undefined;
  return `needs ${missing.map(({ program, from }) => `${program} (${from})`).join(', ')}`;
}

function isThere(program: string): boolean {
  if (program.startsWith('/')) return isReadable(program);
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => isReadable(join(folder, program)));
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false; // not there, or not for us: the same here
  }
}
