/**
 * Connections a second, pod → ClusterIP → pod on one node, through the last of N services:
 *
 *   net/new-flows/N-services            against kube-proxy's nftables rules
 *   net/new-flows/N-services/iptables   against its iptables rules (iptables-legacy)
 *   net/new-flows/flat                  Sluice with ten thousand services against itself with one
 *   net/first-packets/10k-services      first segments alone, delivered a second
 *
 * Every connection is a new flow. Its SYN takes the lane, the rest of it does not. Most of what it
 * costs is the two ends' own TCP, so `first-packets` sends SYNs that nobody answers. Samples are taken from one node at a time, in turn.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  comparison,
  type Context,
  type Label,
  type Pairs,
  type Result,
  type Sample,
  type Suite,
} from '../harness.js';
import { compileNative, missingCompiler } from '../twin.js';
import type { ServiceSpec } from '../core/cluster.js';
import { missingAgent, startSluiceNode } from './agent.js';
import { sysctl } from './netns.js';
import {
  CLIENT_ADDR,
  SERVER_ADDR,
  startKernelNode,
  type KernelMode,
  type PodNode,
} from './pods.js';
import { missingTools, run, start } from './sh.js';
import { missingNative } from './sluice.js';

const PORT = 80;
const TARGET_PORT = 7100;
const CLIENT_THREADS = 16;
const SERVER_THREADS = 8;
const SECS = 1.5;
const QUICK_SECS = 0.7;
/** Connections that may fail: none should. */
const FAILED_SHARE_MAX = 0.001;
/** 10.100.0.0: within SERVICE_CIDR. */
const SERVICE_NET = 0x0a640000;
/** Endpoints of the services that nobody asks for: of another node. */
const REMOTE_NET = 0x0a800000;

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** The last one has the server. */
function services(count: number): ServiceSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `service-${i}`,
    clusterIP: dotted(SERVICE_NET + i + 1),
    protocol: 'TCP',
    port: PORT,
    targetPort: TARGET_PORT,
    endpoints: [i === count - 1 ? SERVER_ADDR : dotted(REMOTE_NET + i + 1)],
  }));
}

interface Rival {
  readonly who: string;
  readonly node: PodNode;
  readonly address: string;
}

async function serve({ scope }: Context, { server, client }: PodNode): Promise<void> {
  const conn = await compileNative('conn');
  const args = ['server', `${TARGET_PORT}`, `${SERVER_THREADS}`];
  await start(scope, { netns: server }, conn, ...args).nextLine();
  sysctl(client, 'net.ipv4.ip_local_port_range=1024 65535');
}

async function startSluice(
  context: Context,
  who: string,
  all: readonly ServiceSpec[],
): Promise<Rival> {
  const node = await startSluiceNode(context.scope, 'sluice', {
    offload: true,
    trunk: 'xdp',
    services: all,
    serve: (made) => serve(context, made),
  });
  return { who, node, address: all.at(-1)?.clusterIP ?? '' };
}

async function startKernel(
  context: Context,
  mode: KernelMode,
  all: readonly ServiceSpec[],
): Promise<Rival> {
  const node = await startKernelNode(context.scope, mode, { services: all, mode });
  await serve(context, node);
  return { who: mode, node, address: all.at(-1)?.clusterIP ?? '' };
}

async function connectMany(
  context: Context,
  { who, node, address }: Rival,
): Promise<Sample<'cps'>> {
  const conn = await compileNative('conn');
  const secs = context.quick ? QUICK_SECS : SECS;
  const args = ['client', address, `${PORT}`, `${secs}`, `${CLIENT_THREADS}`];
  const said = JSON.parse(await run({ netns: node.client }, conn, ...args)) as {
    readonly connections: number;
    readonly seconds: number;
    readonly failed: number;
  };
  const cps = said.connections / said.seconds;
  context.note(`${who}: ${cps.toFixed(0)} connections/s, ${said.failed} failed`);
  if (said.failed > said.connections * FAILED_SHARE_MAX) {
    throw new Error(`${who}: ${said.failed} of ${said.connections} connections failed`);
  }
  return { cps };
}

/** Samples of each, A B C A B C ..., after one of each that does not count. */
async function inTurn(context: Context, rivals: readonly Rival[]): Promise<Sample<'cps'>[][]> {
  for (const rival of rivals) await connectMany(context, rival);
  const samples: Sample<'cps'>[][] = rivals.map(() => []);
  for (let i = 0; i < context.samples; i++) {
    for (const [k, rival] of rivals.entries()) {
      samples[k]?.push(await connectMany(context, rival));
    }
  }
  return samples;
}

const UNIT = { unit: 'connections/s', better: 'higher' } as const satisfies Omit<Label, 'name'>;
const FLAT = 'net/new-flows/flat';
const FIRST = 'net/first-packets/10k-services';
const NFT = '/usr/sbin/nft';

async function runNewFlows(context: Context, name: string, count: number): Promise<Result[]> {
  const all = services(count);
  const rivals = [
    await startSluice(context, 'sluice', all),
    await startKernel(context, 'nftables', all),
    await startKernel(context, 'iptables', all),
  ];
  if (count > 1000) rivals.push(await startSluice(context, 'sluice, one service', services(1)));
  const [first = [], nft = [], iptables = [], single] = await inTurn(context, rivals);
  const pairs = (theirs: readonly Sample<'cps'>[]): Pairs<'cps'> => ({ ours: first, theirs });
  const nftName = "kube-proxy's nftables rules, conntrack";
  const results = [
    comparison({ ...UNIT, name }, pairs(nft), 'cps', nftName),
    comparison(
      { ...UNIT, name: `${name}/iptables` },
      pairs(iptables),
      'cps',
      "kube-proxy's iptables rules",
    ),
  ];
  if (single === undefined) return results;
  return [
    ...results,
    comparison({ ...UNIT, name: FLAT }, pairs(single), 'cps', 'Sluice with one service'),
  ];
}

/** Source ports a burst takes; each burst goes to a service of its own, so that all flows are new. */
const SYN_COUNT = 48_000;
const DRAIN_MS = 300;
const BURSTS_MAX = 100;
/** From now on the server's pod counts and does not answer. */
const COUNT_SYNS = `table ip first {
  counter syns {
  }
  chain in {
    type filter hook prerouting priority -300;
    tcp dport ${TARGET_PORT}-${TARGET_PORT + BURSTS_MAX} counter name syns drop
  }
}
`;

/** The last ones all lead to the server: one for each burst, to a port of its own. */
function burstServices(count: number, bursts: number): ServiceSpec[] {
  return services(count).map((service, i) =>
    i < count - bursts
      ? service
      : { ...service, endpoints: [SERVER_ADDR], targetPort: TARGET_PORT + count - 1 - i },
  );
}

async function countSyns({ node }: Rival): Promise<number> {
  const text = await run(
    { netns: node.server },
    NFT,
    '-j',
    'list',
    'counter',
    'ip',
    'first',
    'syns',
  );
  const { nftables } = JSON.parse(text) as {
    readonly nftables: readonly { readonly counter?: { readonly packets: number } }[];
  };
  return nftables.find(({ counter }) => counter)?.counter?.packets ?? 0;
}

async function burst(context: Context, rival: Rival, vip: string): Promise<Sample<'pps'>> {
  const syn = await compileNative('syn');
  const before = await countSyns(rival);
  const args = [CLIENT_ADDR, vip, `${PORT}`, `${SYN_COUNT}`];
  const said = JSON.parse(await run({ netns: rival.node.client }, syn, ...args)) as {
    readonly sent: number;
    readonly seconds: number;
  };
  await delay(DRAIN_MS);
  const arrived = (await countSyns(rival)) - before;
  const pps = arrived / said.seconds;
  context.note(`${rival.who}: ${arrived} of ${said.sent} arrived, ${pps.toFixed(0)}/s`);
  return { pps };
}

async function runFirstPackets(context: Context, name: string, count: number): Promise<Result[]> {
  const bursts = context.samples + 1;
  const all = burstServices(count, bursts);
  const rivals = [
    await startSluice(context, 'sluice', all),
    await startKernel(context, 'nftables', all),
    await startKernel(context, 'iptables', all),
  ];
  for (const { who, node } of rivals) {
    await run({ netns: node.server }, NFT, COUNT_SYNS);
    if (who === 'sluice') continue;
    // Flows that nobody answers go at once, or the table fills up with them.
    sysctl(node.node, 'net.netfilter.nf_conntrack_tcp_timeout_syn_sent=1');
  }
  const samples: Sample<'pps'>[][] = rivals.map(() => []);
  for (let i = 0; i < bursts; i++) {
    const vip = all[count - 1 - i]?.clusterIP ?? '';
    for (const [k, rival] of rivals.entries()) {
      const sample = await burst(context, rival, vip);
      if (i > 0) samples[k]?.push(sample);
    }
  }
  const [ours = [], nft = [], iptables = []] = samples;
  const unit = { unit: 'SYN/s', better: 'higher' } as const;
  const nftName = "kube-proxy's nftables rules, conntrack";
  return [
    comparison({ ...unit, name }, { ours, theirs: nft }, 'pps', nftName),
    comparison(
      { ...unit, name: `${name}/iptables` },
      { ours, theirs: iptables },
      'pps',
      "kube-proxy's iptables rules",
    ),
  ];
}

async function missing(): Promise<string | undefined> {
  return (
    missingTools('nft', 'sysctl', 'bash', 'iptables-legacy-restore') ??
    missingNative() ??
    missingAgent() ??
    (await missingCompiler())
  );
}

function suite(label: string, count: number): Suite {
  const name = `net/new-flows/${label}`;
  const extra = count > 1000 ? [FLAT] : [];
  return {
    names: [name, `${name}/iptables`, ...extra],
    missing,
    run: (context) => runNewFlows(context, name, count),
  };
}

export const suites: readonly Suite[] = [
  suite('1-service', 1),
  suite('1k-services', 1000),
  suite('10k-services', 10_000),
  {
    names: [FIRST, `${FIRST}/iptables`],
    missing,
    run: (context) => runFirstPackets(context, FIRST, 10_000),
  },
];
