/**
 * A node under a real agent, and pods that the real plugin attaches to it:
 *
 *   pods ── node ── eth0 ── outside   192.0.2.9, fd00:192::9
 *              └─── eth1 ── outside   203.0.113.9
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { stringify } from 'yaml';
import { packageFile } from '../../../src/package-root.js';
import type { Json } from '../../support/libcni/config.js';
import { parseList } from '../../support/libcni/config.js';
import { type Libcni, openLibcni } from '../../support/libcni.js';
import type { Lab, Namespace, RunResult, Running } from '../../support/netns.js';
import { openLab } from '../../support/netns.js';
import { needs } from '../../support/skip.js';

const CLI = packageFile('build/host/src/cli.js');
const NODE_NAME = 'alpha';
const NETWORK = 'pods';
const CLEANUP_MS = 30_000;
const INSTALL_TRIES = 60;
const POLL_MS = 100;

export const NODE = { ipv4: '192.0.2.1', ipv6: 'fd00:192::1' };
export const OUTSIDE = { ipv4: '192.0.2.9', ipv6: 'fd00:192::9' };
export const SECOND = { node: '203.0.113.1', outside: '203.0.113.9' };
export const FAMILIES = ['ipv4', 'ipv6'] as const;

/** What a runtime asks for a pod, beside an interface. */
export interface PodWish {
  readonly portMappings?: readonly Json[];
  /** Keys of the plugin's configuration. */
  readonly plugin?: Json;
  /** Plugins behind ours. */
  readonly chain?: readonly Json[];
  /** In place of `/opt/cni/bin`'s others, when `chain` names some. */
  readonly ips?: readonly string[];
  /** One more interface of this pod, in place of a pod of its own. */
  readonly beside?: Pick<Pod, 'ns' | 'containerId'>;
}

export interface Pod {
  readonly ns: Namespace;
  readonly containerId: string;
  readonly ifname: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** The node's end of its link. */
  readonly hostIfname: string;
  readonly mac: string;
  readonly result: Json;
  check(): Promise<void>;
  remove(): Promise<void>;
}

export interface Site {
  readonly lab: Lab;
  readonly node: Namespace;
  readonly outside: Namespace;
  readonly folder: string;
  /** Ready for pods when it is over. */
  startAgent(): Promise<void>;
  stopAgent(signal?: NodeJS.Signals): Promise<void>;
  /** @throws PluginError of the plugin that refuses; nothing is left then */
  add(wish?: PodWish): Promise<Pod>;
  sluice(...words: string[]): Promise<RunResult>;
  log(): string;
  close(): Promise<void>;
}

function network(lab: Lab): Pick<Site, 'node' | 'outside'> {
  const node = lab.namespace('node');
  const outside = lab.namespace('outside');
  lab.connect(
    { ns: node, ifname: 'eth0', addresses: [`${NODE.ipv4}/24`, `${NODE.ipv6}/64`] },
    { ns: outside, ifname: 'eth0', addresses: [`${OUTSIDE.ipv4}/24`, `${OUTSIDE.ipv6}/64`] },
  );
  lab.connect(
    { ns: node, ifname: 'eth1', addresses: [`${SECOND.node}/24`] },
    { ns: outside, ifname: 'eth1', addresses: [`${SECOND.outside}/24`] },
  );
  node.run(['ip', 'route', 'add', 'default', 'via', OUTSIDE.ipv4]);
  node.run(['ip', 'route', 'add', 'default', 'via', OUTSIDE.ipv6]);
  return { node, outside };
}

const NODE_OBJECT = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: NODE_NAME },
  spec: { podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] },
  status: {
    addresses: [NODE.ipv4, NODE.ipv6].map((address) => ({ type: 'InternalIP', address })),
  },
};

/** @returns the configuration's file */
function writeConfig(folder: string, node: Namespace, keys: object): string {
  mkdirSync(join(folder, 'cluster'));
  writeFileSync(join(folder, 'cluster', 'node.yaml'), stringify(NODE_OBJECT));
  const file = join(folder, 'sluice.yaml');
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: NODE_NAME,
    source: { files: 'cluster' },
    stateDir: 'state',
    pinDir: `/sys/fs/bpf/sluice/${node.name.replaceAll('.', '_')}`,
    uplinks: [{ name: 'eth0' }],
    ipam: { dataDir: join(folder, 'networks') },
    capacities: { flows4: 16384, flows6: 4096, maglevEntries: 65536 },
    metricsBindAddress: '',
    healthzBindAddress: '',
    cni: {
      socket: join(folder, 'cni.sock'),
      dataDir: join(folder, 'data'),
      binDir: join(folder, 'bin'),
      confDir: join(folder, 'net.d'),
      name: 'sluice',
    },
    ...keys,
  };
  writeFileSync(file, stringify(config));
  return file;
}

/** The plugin of the list, and those behind it. */
function listOf({ plugin = {}, chain = [] }: PodWish) {
  const capabilities = { portMappings: true, ips: true };
  const plugins = [{ type: 'sluice', capabilities, ...plugin }, ...chain];
  return parseList(JSON.stringify({ cniVersion: '1.0.0', name: NETWORK, plugins }));
}

interface ResultShape {
  readonly interfaces: readonly { name: string; mac: string; sandbox?: string }[];
  readonly ips: readonly { address: string }[];
}

async function addPod(lab: Lab, libcni: Libcni, count: number, wish: PodWish): Promise<Pod> {
  const { portMappings = [], ips = [], beside } = wish;
  const ns = beside?.ns ?? lab.namespace(`pod-${count}`);
  const containerId = beside?.containerId ?? `container-${count}`;
  const ifname = beside === undefined ? 'eth0' : `eth${count}`;
  const capabilities = { portMappings, ...(ips.length > 0 ? { ips } : {}) };
  const attachment = { containerId, ifname, netns: ns.path, capabilities };
  const list = listOf(wish);
  const result = await libcni.add(list, attachment).catch(async (error: unknown) => {
    await libcni.del(list, attachment);
    throw error;
  });
  const { interfaces, ips: given } = result as unknown as ResultShape;
  const [ipv4 = '', ipv6 = ''] = given.map(({ address }) => address.replace(/\/\d+$/, ''));
  return {
    ...{ ns, containerId, ifname, ipv4, ipv6, result },
    hostIfname: interfaces[0]?.name ?? '',
    mac: interfaces[1]?.mac ?? '',
    check: () => libcni.check(list, attachment),
    remove: () => libcni.del(list, attachment),
  };
}

/**
 * @param keys  of the agent's configuration, beside what every agent has
 * @param path  where other plugins are
 */
function openSite(lab: Lab, keys: object, path: readonly string[]): Site {
  const { node, outside } = network(lab);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-attached-'));
  const config = writeConfig(folder, node, keys);
  const lives: Running[] = [];
  const sluice = (...words: string[]): Promise<RunResult> =>
    node.runAsync([process.execPath, CLI, ...words, '-c', config], { timeoutMs: CLEANUP_MS });
  const libcni = openLibcni({
    path: [join(folder, 'bin'), ...path],
    cacheDir: join(folder, 'cache'),
    wrap: ['nsenter', `--net=${node.path}`, '--'],
  });
  const stopAgent = async (signal?: NodeJS.Signals): Promise<void> => {
    await lives.at(-1)?.stop(signal);
  };
  let count = 0;
  return {
    ...{ lab, node, outside, folder, sluice, stopAgent },
    startAgent: async () => {
      lives.push(node.start([process.execPath, CLI, 'run', '-c', config]));
      // Installing asks for an agent that is ready.
      for (let tries = 1; ; tries += 1) {
        const { status, stderr } = await sluice('cni', 'install');
        if (status === 0) return;
        if (tries === INSTALL_TRIES) throw new Error(`sluice cni install: ${stderr}`);
        await delay(POLL_MS);
      }
    },
    add: (wish = {}) => addPod(lab, libcni, (count += 1), wish),
    log: () => lives.map((life) => life.output()).join(''),
    close: async () => {
      await stopAgent();
      await sluice('cleanup');
      lab.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const TOOLS = ['ip', 'nsenter', 'python3', 'ping'];

export interface SiteOptions {
  readonly keys?: object;
  readonly tools?: readonly string[];
  /** Folders of other plugins. */
  readonly path?: readonly string[];
  /** Beside the agent's configuration, by their names. */
  readonly files?: Readonly<Record<string, string>>;
  /** Why the test cannot run here; undefined: it can. */
  readonly also?: string | undefined;
}

export type SiteBody = (t: ExecutionContext, site: Site) => Promise<void>;

/** A test on a site with an agent that is ready for pods. */
export function siteTest(title: string, body: SiteBody, options: SiteOptions = {}): void {
  const { keys = {}, tools = [], path = [], files = {}, also } = options;
  const declare = needs({
    root: true,
    xdp: true,
    kernel: '6.6',
    tools: [...TOOLS, ...tools],
    also,
  });
  declare(title, async (t) => {
    const site = openSite(openLab(), keys, path);
    try {
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(site.folder, name), text);
      }
      await site.startAgent();
      await body(t, site);
    } finally {
      if (!t.passed) t.log(site.log().slice(-4000));
      await site.close();
    }
  });
}

/** Until a look finds nothing wrong. @returns what was wrong at last; undefined: nothing */
export async function eventually(
  look: () => string | undefined | Promise<string | undefined>,
  withinMs = 10_000,
): Promise<string | undefined> {
  const end = performance.now() + withinMs;
  for (;;) {
    const wrong = await look();
    if (wrong === undefined || performance.now() > end) return wrong;
    await delay(POLL_MS);
  }
}
