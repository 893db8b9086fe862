/**
 * Connections a second, pod → ClusterIP → pod on one node, through the last of N services:
 *
 *   net/new-flows/N-services            against kube-proxy's nftables rules
 *   net/new-flows/N-services/iptables   against its iptables rules (iptables-legacy)
 *   net/new-flows/flat                  Sluice with ten thousand services against itself with one
 *
 * Every connection is a new flow: SYN, SYN-ACK, both FINs and what is reset take the lane; the
 * packets between them do not. Samples are taken from one node at a time, in turn.
 */
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
import { SERVER_ADDR, startKernelNode, type KernelMode, type PodNode } from './pods.js';
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
];
