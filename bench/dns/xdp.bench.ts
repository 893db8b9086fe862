/**
 * Queries through a veth, answered in the frame by AF_XDP on both sides; `kxdpgun` asks:
 *
 *   dns/xdp/int, /mix        replies a second where 400 000 are asked for, against Knot in XDP mode
 *   dns/xdp/NAME/cpu         replies a second of the server's processor, in the same runs
 *   dns/xdp/NAME/1M          replies a second where a million are asked for: more than there can be
 *
 * Two pairs of namespaces made alike, one with our lane, one with knotd; samples are taken from one
 * at a time. The server has one processor, kxdpgun the other. What the veths do is done by both, in
 * soft interrupts that no process is charged for.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { comparison, type Context, type Result, type Suite } from '../harness.js';
import { createNetns, createVeth, ip, type Device } from '../net/netns.js';
import { missingTools, run, start } from '../net/sh.js';
import { missingNative } from '../net/sluice.js';
import { deviceOf, startNode } from '../net/uplink.js';
import { GENERATOR_CPU, SUBJECT_CPU, pinThreads } from '../pin.js';
import type { Scope } from '../scope.js';
import { cpuSeconds } from './load.js';
import { writeKnotConf, workDir } from './servers.js';
import { writeQueries, type QueryFiles } from './zone.js';
import { untilServes } from './wait.js';

const NODE_ADDR = '10.99.0.1';
const CLIENT_ADDR = '10.99.0.2';
/** Of the service; the client's neighbour all the same. */
const DNS_ADDR = '10.99.0.10';
const DNS_PORT = 53;
const RATE = 400_000;
const OVERLOAD = 1_000_000;
const SECONDS = 4;
const QUICK_SECONDS = 2;
/** Frames of one system call of the generator. */
const BATCH = 32;
const CASES = { int: 'all', mix: 'mix' } as const satisfies Record<string, keyof QueryFiles>;

interface Link {
  readonly client: Device;
  readonly node: Device;
}

/** A client and a node, and what the client sends to the service is the node's. */
function createLink(scope: Scope, label: string): Link {
  const c = createNetns(scope, `${label}-c`);
  const d = createNetns(scope, `${label}-d`);
  const { a, b } = createVeth(
    { netns: c, name: 'c0', address: `${CLIENT_ADDR}/24` },
    { netns: d, name: 'd0', address: `${NODE_ADDR}/24` },
  );
  for (const address of [NODE_ADDR, DNS_ADDR]) {
    ip(c, `neigh replace ${address} lladdr ${b.mac} dev c0 nud permanent`);
  }
  ip(d, `neigh replace ${CLIENT_ADDR} lladdr ${a.mac} dev d0 nud permanent`);
  return { client: a, node: b };
}

interface XdpServer {
  readonly name: 'sluice' | 'knot';
  readonly pid: number;
  readonly client: Device;
}

async function startSluice(scope: Scope): Promise<XdpServer> {
  const { client, node } = createLink(scope, 'sluice');
  const device = deviceOf(node);
  const uplink = await startNode(scope, node.netns, {
    near: device,
    far: device,
    nodeAddress: NODE_ADDR,
    serverMac: client.mac,
    service: {
      ...{ name: 'dns', clusterIP: DNS_ADDR, protocol: 'UDP', port: DNS_PORT },
      ...{ targetPort: DNS_PORT, endpoints: [] },
    },
    remotePods: '10.244.9.0/24',
    offload: true,
    laneCpu: SUBJECT_CPU,
    isDns: true,
  });
  await uplink.on();
  return { name: 'sluice', pid: uplink.pid, client };
}

function startKnot(scope: Scope, dir: string): XdpServer {
  const { client, node } = createLink(scope, 'knot');
  const conf = writeKnotConf(dir, { xdp: `d0@${DNS_PORT}` });
  const { pid } = start(scope, { netns: node.netns, cpu: SUBJECT_CPU }, 'knotd', '-c', conf);
  return { name: 'knot', pid, client };
}

interface XdpSample {
  readonly perSec: number;
  readonly perCpu: number;
}

function countAfter(text: string, words: string): number {
  const found = new RegExp(`${words}:\\s+(\\d+)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`kxdpgun does not say "${words}"`);
  return Number(found);
}

async function ask(
  { pid, client }: XdpServer,
  load: { readonly queries: string; readonly rate: number; readonly seconds: number },
): Promise<XdpSample> {
  const { queries, rate, seconds } = load;
  const how = `-t ${seconds} -Q ${rate} -b ${BATCH} -F ${GENERATOR_CPU} -i ${queries} ${DNS_ADDR}`;
  const before = cpuSeconds(pid);
  const out = await run({ netns: client.netns }, 'kxdpgun', ...how.split(' '));
  const replies = countAfter(out, 'total replies');
  return { perSec: replies / seconds, perCpu: replies / (cpuSeconds(pid) - before) };
}

interface Rig {
  readonly sluice: XdpServer;
  readonly knot: XdpServer;
  readonly queries: QueryFiles;
}

interface Taken {
  readonly ours: XdpSample[];
  readonly theirs: XdpSample[];
}

async function compare(
  context: Context,
  { sluice, knot }: Rig,
  load: { readonly queries: string; readonly rate: number },
): Promise<Taken> {
  const seconds = context.quick ? QUICK_SECONDS : SECONDS;
  const taken: Taken = { ours: [], theirs: [] };
  for (let i = 0; i <= context.samples; i++) {
    for (const server of [sluice, knot]) {
      const sample = await ask(server, { ...load, seconds });
      const thousands = (n: number): string => `${(n / 1e3).toFixed(0)} k`;
      context.note(
        `${server.name}: ${thousands(sample.perSec)} of ${thousands(load.rate)} a second, ` +
          `${thousands(sample.perCpu)} a CPU second`,
      );
      // The first of each does not count.
      if (i > 0) taken[server === sluice ? 'ours' : 'theirs'].push(sample);
    }
  }
  return taken;
}

const PARTS = ['', '/cpu', '/1M', '/1M/cpu'];
const RIVAL = 'knotd in XDP mode, one queue';

async function runCase(context: Context, rig: Rig, name: keyof typeof CASES): Promise<Result[]> {
  context.note(`dns/xdp/${name}`);
  const queries = rig.queries[CASES[name]];
  const label = (suffix: string, unit: string) =>
    ({ name: `dns/xdp/${name}${suffix}`, unit, better: 'higher' }) as const;
  const usual = await compare(context, rig, { queries, rate: RATE });
  const flood = await compare(context, rig, { queries, rate: OVERLOAD });
  return [
    comparison(label('', 'replies/s'), usual, 'perSec', RIVAL),
    comparison(label('/cpu', 'replies/CPU s'), usual, 'perCpu', RIVAL),
    comparison(label('/1M', 'replies/s'), flood, 'perSec', RIVAL),
    comparison(label('/1M/cpu', 'replies/CPU s'), flood, 'perCpu', RIVAL),
  ];
}

const names = Object.keys(CASES) as (keyof typeof CASES)[];

export const suites: readonly Suite[] = [
  {
    names: [
      'dns/xdp/int',
      ...names.flatMap((name) => PARTS.map((part) => `dns/xdp/${name}${part}`)),
    ],
    missing: () => Promise.resolve(missingTools('knotd', 'kdig', 'kxdpgun') ?? missingNative()),
    run: async (context) => {
      const { scope } = context;
      const dir = workDir(scope);
      const knotDir = path.join(dir, 'knot');
      mkdirSync(knotDir);
      const queries = writeQueries(dir);
      const rig = { sluice: await startSluice(scope), knot: startKnot(scope, knotDir), queries };
      for (const server of [rig.sluice, rig.knot])
        await untilServes(server.name, server.client.netns, DNS_ADDR);
      pinThreads(rig.knot.pid, SUBJECT_CPU);
      const results: Result[] = [];
      for (const name of names) results.push(...(await runCase(context, rig, name)));
      return results;
    },
  },
];
