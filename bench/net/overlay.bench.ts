/**
 * Pod to pod between two nodes, in VXLAN: Sluice on both against the kernel as flannel sets it up.
 *
 *   net/tcp-stream-vxlan[/cpu]  one iperf3 stream; processor seconds per gigabit, whole machine
 */
import { comparePairs, comparison } from '../harness.js';
import type { Context, Result, Suite } from '../harness.js';
import { missingAgent } from './agent.js';
import { SERVER_ADDR, startFlannelPair, startSluicePair } from './overlay-nodes.js';
import type { OverlayPair } from './overlay-nodes.js';
import { startStreamServerIn, streamTo } from './pod-load.js';
import { missingTools } from './sh.js';
import { missingNative } from './sluice.js';

const NAME = 'net/tcp-stream-vxlan';
const RIVAL = 'kernel bridge, routes and VXLAN, as flannel makes them';
const STREAM_PAIRS = 9;
const STREAM_SECS = 2;
const STREAM_PORT = 5201;

async function runStream(context: Context): Promise<Result[]> {
  const theirs = startFlannelPair(context.scope, 'flannel');
  const ours = await startSluicePair(context.scope, 'sluice');
  for (const { server } of [theirs, ours]) {
    await startStreamServerIn(context.scope, server, STREAM_PORT);
  }
  const secs = context.quick ? 1 : STREAM_SECS;
  const sampler =
    (who: string, { client }: OverlayPair) =>
    async () => {
      const sample = await streamTo(client, { address: SERVER_ADDR, port: STREAM_PORT }, secs);
      context.note(`${who}: ${sample.gbps.toFixed(2)} Gbit/s, ${sample.cpu.toFixed(3)} CPU s/Gbit`);
      return sample;
    };
  const pairs = await comparePairs(
    { ours: sampler('sluice', ours), theirs: sampler('flannel', theirs) },
    context.quick ? context.samples : Math.max(context.samples, STREAM_PAIRS),
  );
  const rate = { name: NAME, unit: 'Gbit/s', better: 'higher' } as const;
  const cost = { name: `${NAME}/cpu`, unit: 'CPU s/Gbit', better: 'lower' } as const;
  return [comparison(rate, pairs, 'gbps', RIVAL), comparison(cost, pairs, 'cpu', RIVAL)];
}

export const suites: readonly Suite[] = [
  {
    names: [NAME, `${NAME}/cpu`],
    missing: () =>
      Promise.resolve(
        missingTools('iperf3', 'bridge', 'ping', 'sysctl') ?? missingNative() ?? missingAgent(),
      ),
    run: runStream,
  },
];
