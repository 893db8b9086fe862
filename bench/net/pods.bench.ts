/**
 * Pod → ClusterIP → pod on one node, Sluice against the kernel with the rules kube-proxy writes:
 *
 *   net/tcp-stream[/cpu]     one iperf3 stream; processor seconds per gigabit, whole machine
 *   net/tcp-rr[/p50,/p99]    64-byte request and response on one connection
 *   net/tcp-stream-lane      the stream with `offload: off`, the better of both trunks
 *   net/rtt/...              ping; and connecting: the first packets of a flow take the lane
 */
import {
  comparePairs,
  comparison,
  type Context,
  type Pairs,
  type Result,
  type Suite,
} from '../harness.js';
import { missingCompiler } from '../twin.js';
import { missingAgent, startSluiceNode, type AgentOptions, type SluiceNode } from './agent.js';
import {
  connectOnce,
  pingOnce,
  rrOnce,
  startStreamServer,
  streamOnce,
  type RttKey,
} from './pod-load.js';
import { startKernelNode, type PodNode } from './pods.js';
import { missingTools } from './sh.js';
import { missingNative } from './sluice.js';

const RIVAL = 'kernel routing, conntrack, kube-proxy nftables rules';
/** Pairs that a noisy sample asks for where samples are short. */
const STREAM_PAIRS = 7;
const RR_PAIRS = 15;
const STREAM_SECS = 2;
const RR_SECS = 0.6;
const PINGS = 500;
const CONNECTS = 500;

/** Set to compare the kernel with itself: what is left is the noise of the method. */
const isNullTest = process.env['SLUICE_BENCH_NULL'] === '1';

interface Nodes {
  readonly ours: PodNode & Partial<SluiceNode>;
  readonly theirs: PodNode;
}

async function startNodes(context: Context, options: AgentOptions): Promise<Nodes> {
  const theirs = await startKernelNode(context.scope, 'kernel');
  const ours = isNullTest
    ? await startKernelNode(context.scope, 'null')
    : await startSluiceNode(context.scope, 'sluice', options);
  return { ours, theirs };
}

/** How a suite samples a node. */
interface Load<K extends string> {
  /** Pairs to take when there is time. */
  readonly pairs: number;
  /** Packets the lane may see in a sample, least and most: else it is not what the name says. */
  readonly lane: readonly [number, number];
  once(node: PodNode): Promise<Record<K, number>>;
}

/** Sample both nodes in turn. */
function compareNodes<K extends string>(
  context: Context,
  nodes: Nodes,
  load: Load<K>,
): Promise<Pairs<K>> {
  const [least, most] = load.lane;
  const sampler = (who: string, node: Nodes['ours']) => async () => {
    const before = node.lanePackets?.() ?? 0;
    const sample = await load.once(node);
    const numbers = Object.entries<number>(sample).map(([key, n]) => `${key} ${n.toPrecision(4)}`);
    const climbed = (node.lanePackets?.() ?? least) - before;
    if (node.lanePackets) numbers.push(`${climbed} packets through the lane`);
    context.note(`${who}: ${numbers.join(', ')}`);
    if (node.lanePackets && (climbed < least || climbed > most)) {
      throw new Error(`${climbed} packets took the lane, expected ${least} to ${most}`);
    }
    return sample;
  };
  return comparePairs(
    { ours: sampler('sluice', nodes.ours), theirs: sampler('kernel', nodes.theirs) },
    context.quick ? context.samples : Math.max(context.samples, load.pairs),
  );
}

/** Connections open and close through the lane; data does not. */
const FEW: Load<never>['lane'] = [1, 300];

/** Kernel programs execute rows; the trunk is AF_XDP. */
const OFFLOADED: AgentOptions = { offload: true, trunk: 'xdp' };

async function runStream(context: Context): Promise<Result[]> {
  const nodes = await startNodes(context, OFFLOADED);
  await startStreamServer(context.scope, nodes.ours);
  await startStreamServer(context.scope, nodes.theirs);
  const secs = context.quick ? 1 : STREAM_SECS;
  const pairs = await compareNodes(context, nodes, {
    pairs: STREAM_PAIRS,
    lane: FEW,
    once: (node) => streamOnce(node, secs),
  });
  const rate = { name: 'net/tcp-stream', unit: 'Gbit/s', better: 'higher' } as const;
  const cost = { name: 'net/tcp-stream/cpu', unit: 'CPU s/Gbit', better: 'lower' } as const;
  return [comparison(rate, pairs, 'gbps', RIVAL), comparison(cost, pairs, 'cpu', RIVAL)];
}

async function runRr(context: Context): Promise<Result[]> {
  const nodes = await startNodes(context, OFFLOADED);
  const secs = context.quick ? RR_SECS / 2 : RR_SECS;
  const pairs = await compareNodes(context, nodes, {
    pairs: RR_PAIRS,
    lane: FEW,
    once: (node) => rrOnce(node, secs),
  });
  const rate = { name: 'net/tcp-rr', unit: 'transactions/s', better: 'higher' } as const;
  const latency = { unit: 'us', better: 'lower' } as const;
  return [
    comparison(rate, pairs, 'tps', RIVAL),
    comparison({ ...latency, name: 'net/tcp-rr/p50' }, pairs, 'p50', RIVAL),
    comparison({ ...latency, name: 'net/tcp-rr/p99' }, pairs, 'p99', RIVAL),
  ];
}

async function runStreamLane(context: Context): Promise<Result[]> {
  const results: Result[] = [];
  const secs = context.quick ? 1 : STREAM_SECS;
  for (const trunk of ['xdp', 'packet'] as const) {
    const nodes = await startNodes(context, { offload: false, trunk });
    await startStreamServer(context.scope, nodes.ours);
    await startStreamServer(context.scope, nodes.theirs);
    const pairs = await compareNodes(context, nodes, {
      pairs: context.samples,
      lane: [1000, Infinity],
      once: (node) => streamOnce(node, secs),
    });
    const name = `net/tcp-stream-lane/${trunk}`;
    results.push(comparison({ name, unit: 'Gbit/s', better: 'higher' }, pairs, 'gbps', RIVAL));
    context.scope.close();
  }
  const [best] = [...results].sort((a, b) => (b.ratio ?? 0) - (a.ratio ?? 0));
  return best ? [{ ...best, name: 'net/tcp-stream-lane' }, ...results] : [];
}

function rttResults(name: string, pairs: Pairs<RttKey>): Result[] {
  return (['p50', 'p99'] as const).map((key) =>
    comparison({ name: `${name}/${key}`, unit: 'us', better: 'lower' }, pairs, key, RIVAL),
  );
}

async function runRtt(context: Context): Promise<Result[]> {
  const nodes = await startNodes(context, OFFLOADED);
  const share = context.quick ? 0.4 : 1;
  const pings = await compareNodes(context, nodes, {
    pairs: context.samples,
    lane: FEW,
    once: (node) => pingOnce(node, PINGS * share),
  });
  const connects = await compareNodes(context, nodes, {
    pairs: context.samples,
    // The SYN of each, at least.
    lane: [CONNECTS * share, Infinity],
    once: (node) => connectOnce(node, CONNECTS * share),
  });
  return [...rttResults('net/rtt/ping', pings), ...rttResults('net/rtt/first-packet', connects)];
}

async function missing(tools: readonly string[]): Promise<string | undefined> {
  return (
    missingTools('nft', 'sysctl', 'bash', ...tools) ??
    missingNative() ??
    missingAgent() ??
    (await missingCompiler())
  );
}

export const suites: readonly Suite[] = [
  {
    names: ['net/tcp-stream', 'net/tcp-stream/cpu'],
    missing: () => missing(['iperf3']),
    run: runStream,
  },
  {
    names: ['net/tcp-rr', 'net/tcp-rr/p50', 'net/tcp-rr/p99'],
    missing: () => missing([]),
    run: runRr,
  },
  {
    names: ['net/tcp-stream-lane', 'net/tcp-stream-lane/xdp', 'net/tcp-stream-lane/packet'],
    missing: () => missing(['iperf3']),
    run: runStreamLane,
  },
  {
    names: [
      'net/rtt',
      'net/rtt/ping/p50',
      'net/rtt/ping/p99',
      'net/rtt/first-packet/p50',
      'net/rtt/first-packet/p99',
    ],
    missing: () => missing(['ping']),
    run: runRtt,
  },
];
