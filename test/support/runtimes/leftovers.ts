/** What a node is made of, line by line: taken before and after, nothing may have been left. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Cell } from './cell.js';

/** Commands whose lines are the state of a node, and what of a line changes by itself. */
const VIEWS: readonly (readonly [string, ...string[]])[] = [
  ['ip', '-o', 'link'],
  ['ip', '-o', 'address'],
  ['ip', '-4', 'route', 'show', 'table', 'all'],
  ['ip', '-6', 'route', 'show', 'table', 'all'],
  ['ip', '-4', 'rule'],
  ['ip', '-6', 'rule'],
  ['ip', 'neighbour', 'show', 'nud', 'permanent'],
  ['tc', 'qdisc'],
  ['nft', '--stateless', 'list', 'ruleset'],
  ['find', '/var/lib/cni', '/run/netns', '-type', 'f', '-printf', '%p\\n'],
];

/** Numbers that the kernel gives: of links, lifetimes, states. */
const PASSING =
  / prog\/xdp id \d+| state \S+|valid_lft \S+|preferred_lft \S+|expires \S+|^\d+: | linkdown\b/g;

/** An interface's own addresses come late; host-local keeps its place and its lock for good. */
const LASTING = /\bfe80:|\/last_reserved_ip\.\d+$|\/networks\/[^/]+\/lock$/;

/** @param tolerates  lines that say nothing */
export function stateOf(cell: Cell, tolerates?: RegExp): Set<string> {
  const lines = VIEWS.flatMap((view) => {
    const { stdout } = cell.tryRun(view);
    return stdout
      .split('\n')
      .map((line) => `${view.join(' ')}: ${line.replace(PASSING, '').trim()}`);
  });
  return new Set(lines.filter((line) => !LASTING.test(line) && tolerates?.test(line) !== true));
}

/** Namespaces go in the background, and links with them. */
const PATIENCE_MS = 5000;
const POLL_MS = 200;

/** Lines of a node's state that were not there before, once nothing changes any more. */
export async function leftovers(
  before: ReadonlySet<string>,
  look: () => Set<string>,
): Promise<string[]> {
  let left: string[] = [];
  for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
    left = [...look()].filter((line) => !before.has(line));
    if (left.length === 0) return left;
    await delay(POLL_MS);
  }
  return left;
}
