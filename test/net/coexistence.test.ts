/**
 * Frames that are not ours reach the kernel untouched, and what the host sends reaches the wire:
 * a node's traffic is recorded bit by bit without Sluice, with it on the uplink as TC and as XDP,
 * and after it is gone.
 */
import type { ExecutionContext } from 'ava';
import { packageFile } from '../../src/package-root.js';
import { openLab } from '../support/netns.js';
import type { Namespace } from '../support/netns.js';
import { needs } from '../support/skip.js';
import { END_FRAME, framesFromNode, framesToNode } from './coexistence/script.js';
import { askFrontend, holdSessions } from './coexistence/session.js';
import { FRONTENDS, POD_GREETING, type Site, UPLINK, openSite } from './coexistence/site.js';

const WIRE = packageFile('test/net/coexistence/wire.py');
const ETH_TYPE_OFF = 12;
const ETH_TYPE_IPV4 = 0x0800;
/** IPv4's identification, and the header checksum, which covers it. */
const CHOSEN_BY_KERNEL = [18, 19, 24, 25] as const;
/** The programs of an agent come up within this time. */
const READY_MS = 20_000;

interface Round {
  /** What the node's stack got, sorted. */
  readonly stack: readonly string[];
  /** What the wire got of the node, sorted: its own frames and its kernel's answers to ours. */
  readonly wire: readonly string[];
  readonly sessions: string;
}

function hexLines(frames: readonly Uint8Array[]): string[] {
  return frames.map((frame) => Buffer.from(frame).toString('hex'));
}

async function play(ns: Namespace, frames: readonly Uint8Array[]): Promise<void> {
  const input = hexLines(frames).join('\n');
  const { status, stderr } = await ns.runAsync(['python3', WIRE, 'play', UPLINK], { input });
  if (status !== 0) throw new Error(stderr);
}

/** The kernel takes a VLAN tag away before its protocols, and so behind its hooks, see a frame. */
function withoutTag(line: string): string {
  return line.replace(/^([0-9a-f]{24})(8100|88a8)..../, '$1');
}

/** The kernel numbers the IPv4 packets it makes by a secret: what it made is compared without. */
function withoutNumbers(script: ReadonlySet<string>, line: string): string {
  const frame = Buffer.from(line, 'hex');
  if (script.has(line) || frame.readUInt16BE(ETH_TYPE_OFF) !== ETH_TYPE_IPV4) return line;
  for (const at of CHOSEN_BY_KERNEL) frame[at] = 0;
  return frame.toString('hex');
}

/** Reports of multicast listeners (RFC 3376, RFC 3810), which kernels repeat when they like. */
const LISTENER_REPORT = /^(01005e000016|333300000016)/;

function recorded(output: string): string[] {
  const lines = output.split('\n').filter((line) => /^[0-9a-f]+$/.test(line));
  return lines.filter((line) => !LISTENER_REPORT.test(line));
}

/** Play the script both ways and say what arrived. */
async function playRound({ node, peer, withPeerStack }: Site): Promise<Round> {
  const stack = node.start(['python3', WIRE, 'record', UPLINK, 'stack']);
  const wire = peer.start(['python3', WIRE, 'record', UPLINK, 'wire']);
  await Promise.all([stack.waitFor(/recording/), wire.waitFor(/recording/)]);
  await play(peer, framesToNode());
  await play(node, framesFromNode());
  await play(node, [END_FRAME]);
  await play(peer, [END_FRAME]);
  const [above, below] = await Promise.all([stack.done, wire.done]);
  const script = new Set(hexLines(framesFromNode()));
  return {
    stack: recorded(above.stdout).sort(),
    wire: recorded(below.stdout)
      .map((line) => withoutNumbers(script, line))
      .sort(),
    sessions: await withPeerStack(() => holdSessions(node, peer)),
  };
}

/** Wait until the agent serves: only then a frame that it leaves alone says something. */
async function serving(t: ExecutionContext, peer: Namespace): Promise<void> {
  for (const frontend of FRONTENDS) {
    const deadline = performance.now() + READY_MS;
    let said = '';
    while (said !== POD_GREETING && performance.now() < deadline) {
      said = await askFrontend(peer, frontend);
    }
    t.is(said, POD_GREETING, `${frontend.join(':')} is served`);
  }
}

/** What one list has and the other has not, shortened for a reader. */
function differences(found: readonly string[], expected: readonly string[]): string[] {
  const missing = expected.filter((line) => !found.includes(line)).map((line) => `- ${line}`);
  const extra = found.filter((line) => !expected.includes(line)).map((line) => `+ ${line}`);
  const counts = found.length === expected.length ? [] : [`${found.length} frames`];
  return [...missing, ...extra, ...counts];
}

function same(t: ExecutionContext, round: Round, before: Round, when: string): void {
  t.deepEqual(differences(round.stack, before.stack), [], `what the node received ${when}`);
  t.deepEqual(differences(round.wire, before.wire), [], `what the node sent ${when}`);
  t.is(round.sessions, before.sessions, `what programs saw ${when}`);
}

const coexistenceTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'nsenter', 'python3', 'ping', 'ethtool', 'sysctl'],
});

coexistenceTest(
  'coexistence: the host traffic is the same bits with and without Sluice [proxy 115]',
  async (t) => {
    const lab = openLab();
    try {
      const site = await openSite(lab);
      t.teardown(site.close);
      const before = await playRound(site);
      const script = hexLines(framesToNode()).map(withoutTag);
      t.deepEqual(differences(before.stack, script), [], 'the recorder misses nothing');
      const sent = new Set(before.wire);
      t.deepEqual(
        hexLines(framesFromNode()).filter((line) => !sent.has(line)),
        [],
      );
      t.true(before.wire.length > framesFromNode().length, 'the kernel had something to answer');
      t.regex(before.sessions, /3 packets transmitted, 3 received/);
      for (const mode of ['tc', 'xdp'] as const) {
        const during = await site.withAgent(mode, async () => {
          await site.withPeerStack(() => serving(t, site.peer));
          return playRound(site);
        });
        same(t, during, before, `by ${mode}`);
        same(t, await playRound(site), before, `after ${mode} was cleaned up`);
      }
    } finally {
      lab.close();
    }
  },
);
