/**
 * Pod → outside, masqueraded: Sluice's rows against the kernel's conntrack and nftables.
 *
 *   net/egress/tcp         one iperf3 stream out of the cluster
 *   net/egress/new-flows   connections a second, every one a new flow with a port of its own
 *   .../one-cpu            the same with clients, servers and agent on one processor: what a connection
 *                          costs, without what waking another processor of a virtual machine does
 *
 *   client 10.244.0.11/32 ── node ── 192.0.2.0/24 ── outside
 *
 * Both nodes are made alike (pods.ts); only who forwards and translates differs. Samples are taken
 * from one at a time, in turn.
 */
import {
  comparison,
  type Context,
  type Pairs,
  type Result,
  type Sample,
  type Suite,
} from '../harness.js';
import { GENERATOR_CPU, SUBJECT_CPU } from '../pin.js';
import { compileNative, missingCompiler } from '../twin.js';
import { missingAgent, startSluiceNode } from './agent.js';
import { createNetns, createVeth, ip, sysctl, type Netns } from './netns.js';
import { createPodNode, linkPods, startServers, type PodNode } from './pods.js';
import { delay, missingTools, run, start, type Place } from './sh.js';
import { missingNative } from './sluice.js';

const NODE_OUTER = '192.0.2.1';
const OUTSIDE = '192.0.2.9';
const UPLINK = 'eth0';
/** Each sample of connections goes to an address of its own, where no port is in use yet. */
const OUTSIDE_NET = '198.51.100';
const NEW_FLOWS = 'net/egress/new-flows';
const STREAM_PORT = 5201;
const CONN_PORT = 7100;
const CLIENT_THREADS = 16;
const SERVER_THREADS = 8;
const SECS = 2;
const QUICK_SECS = 0.7;
const LISTEN_MS = 300;
const FAILED_SHARE_MAX = 0.001;
const RIVAL = 'kernel routing, conntrack, nftables masquerade fully-random';

/** What `masquerade` comes to in nftables, and nothing else. */
const MASQUERADE = `table ip outside {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "${UPLINK}" masquerade fully-random
  }
}
`;

interface Site extends PodNode {
  readonly outside: Netns;
}

/** Put the node on a wire with the rest of the world. */
function plugIn(context: Context, made: PodNode, label: string): Site {
  const outside = createNetns(context.scope, `${label}-outside`);
  createVeth(
    { netns: made.node, name: UPLINK, address: `${NODE_OUTER}/24` },
    { netns: outside, name: UPLINK, address: `${OUTSIDE}/24` },
  );
  ip(outside, `route add local ${OUTSIDE_NET}.0/24 dev lo`);
  ip(made.node, `route add default via ${OUTSIDE}`);
  sysctl(made.client, 'net.ipv4.ip_local_port_range=1024 65535');
  return { ...made, outside };
}

async function startKernel(context: Context): Promise<Site> {
  const site = plugIn(context, createPodNode(context.scope, 'kernel'), 'kernel');
  linkPods(site);
  await run({ netns: site.node }, '/usr/sbin/nft', MASQUERADE);
  return site;
}

async function startSluice(context: Context, cpu?: number): Promise<Site> {
  let site: Site | undefined;
  await startSluiceNode(context.scope, 'sluice', {
    offload: true,
    ...(cpu === undefined ? {} : { cpu }),
    trunk: 'xdp',
    nodeAddress: NODE_OUTER,
    uplinks: [UPLINK],
    plugIn: (made) => {
      site = plugIn(context, made, 'sluice');
    },
    serve: (made) => startServers(context.scope, made),
  });
  if (site === undefined) throw new Error('the node was not plugged in');
  return site;
}

async function startBoth(context: Context, cpu?: number): Promise<readonly [Site, Site]> {
  return [await startSluice(context, cpu), await startKernel(context)];
}

/** Samples of each in turn, after one of each that does not count. */
async function inTurn<K extends string>(
  context: Context,
  [ours, theirs]: readonly [Site, Site],
  once: (site: Site) => Promise<Sample<K>>,
): Promise<Pairs<K>> {
  const pairs: { ours: Sample<K>[]; theirs: Sample<K>[] } = { ours: [], theirs: [] };
  for (let i = -1; i < context.samples; i++) {
    const samples = { ours: await once(ours), theirs: await once(theirs) };
    context.note(JSON.stringify(samples));
    if (i < 0) continue;
    pairs.ours.push(samples.ours);
    pairs.theirs.push(samples.theirs);
  }
  return pairs;
}

async function streamOnce({ client }: Site, secs: number): Promise<Sample<'gbps'>> {
  const place = { netns: client, cpu: GENERATOR_CPU };
  const args = ['--client', OUTSIDE, '--port', `${STREAM_PORT}`, '--time', `${secs}`, '--json'];
  const report = JSON.parse(await run(place, 'iperf3', ...args)) as {
    readonly end: { readonly sum_received: { readonly bits_per_second: number } };
  };
  return { gbps: report.end.sum_received.bits_per_second / 1e9 };
}

async function runStream(context: Context): Promise<Result[]> {
  const sites = await startBoth(context);
  for (const { outside } of sites) {
    const place = { netns: outside, cpu: SUBJECT_CPU };
    const args = ['--server', '--port', `${STREAM_PORT}`, '--logfile', '/dev/null'];
    start(context.scope, place, 'iperf3', ...args);
  }
  await delay(LISTEN_MS);
  const secs = context.quick ? 1 : SECS;
  const pairs = await inTurn(context, sites, (site) => streamOnce(site, secs));
  const label = { name: 'net/egress/tcp', unit: 'Gbit/s', better: 'higher' } as const;
  return [comparison(label, pairs, 'gbps', RIVAL)];
}

async function connectMany(place: Place, to: string, secs: number): Promise<Sample<'cps'>> {
  const conn = await compileNative('conn');
  const args = ['client', to, `${CONN_PORT}`, `${secs}`, `${CLIENT_THREADS}`];
  const said = JSON.parse(await run(place, conn, ...args)) as {
    readonly connections: number;
    readonly seconds: number;
    readonly failed: number;
  };
  if (said.failed > said.connections * FAILED_SHARE_MAX) {
    throw new Error(`${said.failed} of ${said.connections} connections failed`);
  }
  return { cps: said.connections / said.seconds };
}

/** @param cpu  the only processor that is used; left out: all */
async function runNewFlows(context: Context, name: string, cpu?: number): Promise<Result[]> {
  const sites = await startBoth(context, cpu);
  const on = cpu === undefined ? {} : { cpu };
  const conn = await compileNative('conn');
  for (const { outside } of sites) {
    const args = ['server', `${CONN_PORT}`, `${SERVER_THREADS}`];
    await start(context.scope, { netns: outside, ...on }, conn, ...args).nextLine();
  }
  const secs = context.quick ? QUICK_SECS : SECS;
  let asked = 0;
  const pairs = await inTurn(context, sites, (site) =>
    connectMany({ netns: site.client, ...on }, `${OUTSIDE_NET}.${++asked}`, secs),
  );
  const label = { name, unit: 'connections/s', better: 'higher' } as const;
  return [comparison(label, pairs, 'cps', RIVAL)];
}

async function missing(...tools: string[]): Promise<string | undefined> {
  return (
    missingTools('nft', 'sysctl', 'bash', ...tools) ??
    missingNative() ??
    missingAgent() ??
    (await missingCompiler())
  );
}

export const suites: readonly Suite[] = [
  { names: ['net/egress/tcp'], missing: () => missing('iperf3'), run: runStream },
  {
    names: [NEW_FLOWS],
    missing: () => missing(),
    run: (context) => runNewFlows(context, NEW_FLOWS),
  },
  {
    names: [`${NEW_FLOWS}/one-cpu`],
    missing: () => missing(),
    run: (context) => runNewFlows(context, `${NEW_FLOWS}/one-cpu`, SUBJECT_CPU),
  },
];
