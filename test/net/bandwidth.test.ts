/**
 * Limits of bandwidth under a real agent: what a limited pod receives passes the token bucket on
 * the node's end of its link although rows deliver past it, and what it sends the one on its own.
 */
import type { ExecutionContext } from 'ava';
import { openSite, type Site } from '../../examples/demo/site.js';
import { findLink } from '../../src/kernel/link.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { podLinkName } from '../../src/kernel/pod-link.js';
import { limitRate } from '../../src/kernel/qdisc.js';
import {
  type PodName,
  type Topology,
  awaitPods,
  buildTopology,
  startAgents,
} from '../support/annotated.js';
import { needs } from '../support/skip.js';

const bandwidthTest = needs({ root: true, xdp: true, kernel: '6.6', tools: ['ip', 'iperf3'] });

const RATE = 40_000_000;
const BURST = 1_000_000;
const TOLERANCE = 0.15;
const PORT = 5201;
/** Bytes are counted only after the bucket has been emptied. */
const TIMES = ['-t', '3', '-O', '1'] as const;

/** Bits a second that arrive. */
async function speed(
  site: Site,
  { pods }: Topology,
  [from, to]: readonly [PodName, PodName],
  family: 'ipv4' | 'ipv6',
): Promise<number> {
  const port = String(PORT);
  const server = pods[to].ns.start(['iperf3', '-s', '-1', '-p', port, '--forceflush']);
  site.watch(server.pid);
  await server.waitFor(/listening/);
  const ask = ['iperf3', '-J', '-c', pods[to][family], '-p', port, ...TIMES] as const;
  const { stdout } = await pods[from].ns.runAsync(ask);
  await server.stop();
  const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second;
}

function limit(path: string, ifname: string): void {
  const net = netnsAt(path);
  try {
    const link = findLink(net.rtnl, ifname);
    if (link === undefined) throw new Error(`no ${ifname}`);
    limitRate(net.rtnl, link, { rate: RATE, burst: BURST });
  } finally {
    net.close();
  }
}

function isLimited(t: ExecutionContext, bits: number, what: string): void {
  const off = Math.abs(bits - RATE) / RATE;
  t.true(off <= TOLERANCE, `${what}: ${(bits / 1e6).toFixed(1)} Mbit/s, expected ${RATE / 1e6}`);
}

bandwidthTest(
  'bandwidth: a pod is limited both ways, over rows too, and others are not',
  async (t) => {
    const site = openSite(() => undefined);
    try {
      const topology = buildTopology(site.lab);
      const [agent] = await startAgents(site, topology, ['alpha'], { offload: true });
      if (agent === undefined) throw new Error('no agent');
      const { alpha } = topology.nodes;
      const free = await speed(site, topology, ['shell-1', 'web-1'], 'ipv4');
      limit(alpha.ns.path, podLinkName({ namespace: 'default', name: 'web-1' }));
      limit(topology.pods['web-1'].ns.path, 'eth0');
      // The next agent surveys the links it finds.
      await agent.stop();
      agent.start();
      await awaitPods(agent);
      for (const family of ['ipv4', 'ipv6'] as const) {
        isLimited(t, await speed(site, topology, ['shell-1', 'web-1'], family), `to, ${family}`);
        isLimited(t, await speed(site, topology, ['web-1', 'shell-1'], family), `from, ${family}`);
      }
      const other = await speed(site, topology, ['shell-1', 'web-2'], 'ipv4');
      t.true(other > free / 4, `${other / 1e6} of ${free / 1e6} Mbit/s to a pod without a limit`);
      t.true(agent.flows().length > 0);
    } finally {
      site.close();
    }
  },
);
