/**
 * The real libcni, by cnitool: built from its Go module into build/tools, and run with its cache of
 * results, whose folder it cannot be told, in a mount namespace.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageFile } from '../../src/package-root.js';

const VERSION = 'v1.3.0';
const FOLDER = join(dirname(packageFile('package.json')), 'build/tools', `cnitool-${VERSION}`);
const BUILD_MS = 170_000;

export const CNITOOL = join(FOLDER, 'cnitool');

/** Build cnitool unless it is there. @returns why there is none; undefined when there is one */
export function whyNoCnitool(): string | undefined {
  if (existsSync(CNITOOL)) return undefined;
  const module = `github.com/containernetworking/cni/cnitool@${VERSION}`;
  mkdirSync(FOLDER, { recursive: true });
  const { error, status } = spawnSync('go', ['install', module], {
    env: { ...process.env, GOBIN: FOLDER, GOFLAGS: '-mod=mod' },
    stdio: 'ignore',
    timeout: BUILD_MS,
  });
  if (error !== undefined) return 'needs go, not installed';
  return status === 0 ? undefined : 'needs cnitool, which go could not build';
}

/** The container identifier that cnitool makes of a namespace's path. */
export function cnitoolContainer(netns: string): string {
  const digest = createHash('sha512').update(netns).digest('hex');
  return `cnitool-${digest.slice(0, 20)}`;
}

export interface ToolResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cnitool {
  /** @param verb  add, del, check, gc or status */
  run(verb: string, network: string, netns: string, env?: Record<string, string>): ToolResult;
}

export interface CnitoolOptions {
  /** Folder of configuration lists. */
  readonly confDir: string;
  readonly path: readonly string[];
  /** What it sees as /var/lib/cni. */
  readonly cacheDir: string;
}

/** A /var/lib that has nothing but the cache; cnitool needs nothing else of it. */
const IN_NAMESPACE = `mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/cni &&
  mount --bind "$0" /var/lib/cni && exec "$@"`;

export function openCnitool({ confDir, path, cacheDir }: CnitoolOptions): Cnitool {
  mkdirSync(cacheDir, { recursive: true });
  return {
    run(verb, network, netns, env = {}) {
      const inside = ['sh', '-c', IN_NAMESPACE, cacheDir, CNITOOL, verb, network, netns];
      const { status, stdout, stderr } = spawnSync('unshare', ['--mount', ...inside], {
        env: { ...process.env, NETCONFPATH: confDir, CNI_PATH: path.join(':'), ...env },
        encoding: 'utf8',
      });
      return { status, stdout, stderr };
    },
  };
}
