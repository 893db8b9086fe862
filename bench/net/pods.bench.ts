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
import { missingAgent, startSluiceNode, type AgentOptions } from './agent.js';
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
  readonly ours: PodNode;
  readonly theirs: PodNode;
}

async function startNodes(context: Context, options: AgentOptions): Promise<Nodes> {
  const theirs = await startKernelNode(context.scope, 'kernel');
  const ours = isNullTest
    ? await startKernelNode(context.scope, 'null')
    : await startSluiceNode(context.scope, 'sluice', options);
  return { ours, theirs };
}

/** Sample both nodes in turn. */
function compareNodes<K extends string>(
  context: Context,
  nodes: Nodes,
  once: (node: PodNode) => Promise<Record<K, number>>,
  pairs: number,
): Promise<Pairs<K>> {
  const sampler = (who: string, node: PodNode) => async () => {
    const sample = await once(node);
    const numbers = Object.entries<number>(sample).map(([key, n]) => `${key} ${n.toPrecision(4)}`);
    context.note(`${who}: ${numbers.join(', ')}`);
    return sample;
  };
  return comparePairs(
    { ours: sampler('sluice', nodes.ours), theirs: sampler('kernel', nodes.theirs) },
    context.quick ? context.samples : Math.max(context.samples, pairs),
  );
}

/** Kernel programs execute rows; the trunk is AF_XDP. */
const OFFLOADED: AgentOptions = { offload: true, trunk: 'xdp' };

async function runStream(context: Context): Promise<Result[]> {
  const nodes = await startNodes(context, OFFLOADED);
  await startStreamServer(context.scope, nodes.ours);
  await startStreamServer(context.scope, nodes.theirs);
  const secs = context.quick ? 1 : STREAM_SECS;
  const pairs = await compareNodes(context, nodes, (node) => streamOnce(node, secs), STREAM_PAIRS);
  const rate = { name: 'net/tcp-stream', unit: 'Gbit/s', better: 'higher' } as const;
  const cost = { name: 'net/tcp-stream/cpu', unit: 'CPU s/Gbit', better: 'lower' } as const;
  return [comparison(rate, pairs, 'gbps', RIVAL), comparison(cost, pairs, 'cpu', RIVAL)];
}

async function runRr(context: Context): Promise<Result[]> {
  const nodes = await startNodes(context, OFFLOADED);
  const secs = context.quick ? RR_SECS / 2 : RR_SECS;
  const pairs = await compareNodes(context, nodes, (node) => rrOnce(node, secs), RR_PAIRS);
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
    const pairs = await compareNodes(
      context,
      nodes,
      (node) => streamOnce(node, secs),
      context.samples,
    );
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
  const pings = await compareNodes(
    context,
    nodes,
    (node) => pingOnce(node, PINGS * share),
    context.samples,
  );
  const connects = await compareNodes(
    context,
    nodes,
    (node) => connectOnce(node, CONNECTS * share),
    context.samples,
  );
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
      'net/rtt/ping/p50',
      'net/rtt/ping/p99',
      'net/rtt/first-packet/p50',
      'net/rtt/first-packet/p99',
    ],
    missing: () => missing(['ping']),
    run: runRtt,
  },
];
