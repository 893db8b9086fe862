/**
 * A pod asks the cluster's DNS at its ClusterIP:
 *
 *   dns/pod       answers a second; ours by the node's agent, in the frame that the lane got
 *   dns/pod/cpu   answers a second of the processor time of who answers: the agent, or knotd
 *
 * The rival is a node with the kernel's routing and kube-proxy's rules, where knotd is a pod of the
 * node itself: the shortest way there is to a server that is not the node's. What the kernel does on
 * the way to that pod and back is in no process's processor time; what the lane does is.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { NAMESPACE, type ServiceSpec } from '../core/cluster.js';
import { comparePairs, comparison, type Context, type Result, type Suite } from '../harness.js';
import { missingAgent, startSluiceNode } from '../net/agent.js';
import { SERVER_ADDR, SERVICES, startKernelNode, type PodNode } from '../net/pods.js';
import { missingTools, start } from '../net/sh.js';
import { missingNative } from '../net/sluice.js';
import { GENERATOR_CPU, SUBJECT_CPU, pinThreads } from '../pin.js';
import { ask, type LoadSample } from './load.js';
import { workDir, writeKnotConf } from './servers.js';
import { untilServes } from './wait.js';
import { writeQueries, type NamedService } from './zone.js';

const SECONDS = 4;
const QUICK_SECONDS = 1;
const DNS_PORT = 53;
const DNS: ServiceSpec = {
  name: 'dns',
  clusterIP: '10.96.0.53',
  protocol: 'UDP',
  port: DNS_PORT,
  targetPort: DNS_PORT,
  endpoints: [SERVER_ADDR],
};
const NAMES = 1_000;
/** Services whose names are asked for. */
const NAMED: readonly NamedService[] = Array.from({ length: NAMES }, (_, i) => ({
  name: `svc${i}`,
  namespace: NAMESPACE,
  address: `10.97.${i >> 8}.${i & 255}`,
}));

function serviceOf({ name, address }: NamedService): ServiceSpec {
  return { name, clusterIP: address, protocol: 'TCP', port: 80, targetPort: 80, endpoints: [] };
}

interface Answering {
  readonly name: string;
  readonly pid: number;
  readonly pods: PodNode;
}

async function startKnotNode({ scope }: Context, dir: string): Promise<Answering> {
  const pods = await startKernelNode(scope, 'kernel', { services: [DNS, ...SERVICES] });
  const conf = writeKnotConf(dir, { listen: `${SERVER_ADDR}@${DNS_PORT}`, services: NAMED });
  const place = { netns: pods.server, cpu: SUBJECT_CPU };
  const { pid } = start(scope, place, 'knotd', '-c', conf);
  return { name: 'knot', pid, pods };
}

async function startOurNode({ scope }: Context): Promise<Answering> {
  const pods = await startSluiceNode(scope, 'sluice', {
    offload: true,
    trunk: 'xdp',
    services: [...NAMED.map(serviceOf), DNS, ...SERVICES],
    dns: `${NAMESPACE}/${DNS.name}`,
    cpu: SUBJECT_CPU,
  });
  return { name: 'sluice', pid: pods.pid, pods };
}

async function runPods(context: Context): Promise<Result[]> {
  const dir = workDir(context.scope);
  const knotDir = path.join(dir, 'knot');
  mkdirSync(knotDir);
  const { mix } = writeQueries(dir, NAMED);
  const theirs = await startKnotNode(context, knotDir);
  const ours = await startOurNode(context);
  for (const { name, pods } of [theirs, ours]) {
    await untilServes(name, pods.client, DNS.clusterIP, NAMED);
  }
  pinThreads(theirs.pid, SUBJECT_CPU);
  const seconds = context.quick ? QUICK_SECONDS : SECONDS;
  const sampler = (who: Answering) => async (): Promise<Readonly<LoadSample>> => {
    const asked = { ...who, host: DNS.clusterIP, port: DNS_PORT };
    const client = { netns: who.pods.client, cpu: GENERATOR_CPU };
    const sample = await ask(asked, { queries: mix, seconds, client });
    const { perSec, perCpu } = sample;
    context.note(`${who.name}: ${perSec.toFixed(0)} a second, ${perCpu.toFixed(0)} a CPU second`);
    return sample;
  };
  const samplers = { ours: sampler(ours), theirs: sampler(theirs) };
  const pairs = await comparePairs<keyof LoadSample>(samplers, context.samples);
  const rival = 'knotd in a pod, kernel routing, conntrack, kube-proxy nftables rules';
  const better = 'higher' as const;
  return [
    comparison({ name: 'dns/pod', unit: 'answers/s', better }, pairs, 'perSec', rival),
    comparison({ name: 'dns/pod/cpu', unit: 'answers/CPU s', better }, pairs, 'perCpu', rival),
  ];
}

export const suites: readonly Suite[] = [
  {
    names: ['dns/pod', 'dns/pod/cpu'],
    missing: () =>
      Promise.resolve(
        missingTools('nft', 'knotd', 'kdig', 'dnsperf') ?? missingNative() ?? missingAgent(),
      ),
    run: runPods,
  },
];
