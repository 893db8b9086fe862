/**
 * Tests that need more than a processor. What is missing stands in the title of the skipped test,
 * in brackets, where the closing report of `npm test` finds it.
 *
 *   const rootTest = needs({ root: true, tools: ['ip'] });
 *   rootTest('route: a pod is reached by its own link', (t) => { ... });
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';

export interface Needs {
  readonly root?: boolean;
  /** AF_XDP sockets in this kernel. */
  readonly xdp?: boolean;
  /** Programs on PATH. */
  readonly tools?: readonly string[];
  /** Oldest kernel, such as `6.6`. */
  readonly kernel?: string;
  /** Anything else that can be found out while the file is read: why not, or undefined. */
  readonly also?: string | undefined;
}

export type Body = (t: ExecutionContext) => void | Promise<void>;
export type Declare = (title: string, body: Body) => void;

/** Debian keeps ip(8) and nft(8) where an ordinary user's PATH does not look. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

function hasTool(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The kernel lists its socket families by name; AF_XDP is PF_XDP there, once it is known. */
function hasXdp(): boolean {
  return /^XDP\b/m.test(readFileSync('/proc/net/protocols', 'utf8'));
}

function olderThan(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const [ownMajor = 0, ownMinor = 0] = release()
    .split('.')
    .map((part) => parseInt(part, 10));
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}

/** Why a test cannot run here; undefined when it can. */
export function whyNot({ root, xdp, tools = [], kernel, also }: Needs): string | undefined {
  if (root === true && process.getuid?.() !== 0) return 'needs root';
  if (xdp === true && !hasXdp()) return 'needs AF_XDP, which this kernel has not';
  const missing = tools.filter((tool) => !hasTool(tool));
  if (missing.length > 0) return `needs ${missing.join(', ')}, not installed`;
  if (kernel !== undefined && olderThan(kernel))
    return `needs Linux ${kernel}, this is ${release()}`;
  return also;
}

/** Declares tests that run one after the other where the needs are met, else skips them by name. */
export function needs(what: Needs): Declare {
  const reason = whyNot(what);
  if (reason === undefined) {
    return (title, body) => {
      test.serial(title, body);
    };
  }
  return (title, body) => {
    test.skip(`${title} [${reason}]`, body);
  };
}
