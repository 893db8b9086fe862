/** A node that pods are added to and deleted from, by one of two plugins. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mountBpffs, unmount } from '../../src/native.js';
import { packageRoot } from '../../src/package-root.js';
import type { Scope } from '../scope.js';
import { createNetns, createVeth, ip, netnsPath, type Netns } from './netns.js';
import { delay, run, start } from './sh.js';

export interface CniNodeSpec {
  /** The configuration list. */
  readonly list: Readonly<Record<string, unknown>>;
  /** CNI_PATH. */
  readonly path: readonly string[];
  readonly cacheDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Paths of the pods' namespaces. */
  readonly pods: readonly string[];
}

export interface CniOrder {
  readonly verb: 'add' | 'del' | 'check' | 'status';
  /** Makes the containers' identifiers new. */
  readonly round: number;
  readonly isAtOnce: boolean;
}

export interface CniNode {
  /** One call for each pod. @returns milliseconds of each */
  order(order: CniOrder): Promise<number[]>;
}

const CHILD = fileURLToPath(new URL('cni-child.ts', import.meta.url));
/** Debian's package containernetworking-plugins. */
const DEBIAN_PLUGINS = '/usr/lib/cni';
const PLUGIN = 'build/native/sluice-cni';
const CLI = 'build/host/src/cli.js';
const NAME = 'sluice';
const NODE_NAME = 'bench';
const NODE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' };
/** Room for every pod of a run: addresses that were given back rest for a while. */
const SUBNETS = ['10.88.0.0/16', 'fd00:88::/64'];
const READY_TRIES = 200;
const READY_WAIT_MS = 100;

/** Why there is no reference to compare with, or undefined. */
export function missingReference(): string | undefined {
  return existsSync(path.join(DEBIAN_PLUGINS, 'bridge'))
    ? undefined
    : 'not installed: containernetworking-plugins';
}

/** Why our plugin cannot run, or undefined. */
export function missingPlugin(): string | undefined {
  const absent = [PLUGIN, CLI].filter((file) => !existsSync(path.join(packageRoot(), file)));
  return absent.length > 0 ? `not built: ${absent.join(', ')} (npm run build)` : undefined;
}

interface Site {
  readonly netns: Netns;
  readonly folder: string;
  readonly pods: readonly string[];
}

function createSite(scope: Scope, label: string, podCount: number): Site {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const netns = createNetns(scope, label);
  const far = createNetns(scope, `${label}-wire`);
  createVeth(
    { netns, name: 'eth0', address: `${NODE.ipv4}/24` },
    { netns: far, name: 'eth0', address: '192.0.2.9/24' },
  );
  ip(netns, `addr add ${NODE.ipv6}/64 dev eth0 nodad`);
  ip(netns, 'route add default via 192.0.2.9');
  const pods = Array.from({ length: podCount }, (_, i) =>
    netnsPath(createNetns(scope, `${label}-pod${i}`)),
  );
  return { netns, folder, pods };
}

async function startCaller(
  scope: Scope,
  { netns, folder, pods }: Site,
  spec: Pick<CniNodeSpec, 'list' | 'path' | 'env'>,
): Promise<CniNode> {
  const whole: CniNodeSpec = { ...spec, pods, cacheDir: path.join(folder, 'cache') };
  const loader = `--import=${import.meta.resolve('tsx')}`;
  const child = start(scope, { netns }, process.execPath, loader, CHILD, JSON.stringify(whole));
  await child.nextLine();
  return {
    async order(order) {
      child.send(JSON.stringify(order));
      return JSON.parse(await child.nextLine()) as number[];
    },
  };
}

/** bridge, host-local and portmap: masquerading and one published port a pod, both families. */
export async function startReferenceNode(
  scope: Scope,
  label: string,
  podCount: number,
): Promise<CniNode> {
  const site = createSite(scope, label, podCount);
  const ipam = {
    type: 'host-local',
    dataDir: path.join(site.folder, 'networks'),
    ranges: SUBNETS.map((subnet) => [{ subnet }]),
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  };
  const list = {
    cniVersion: '1.0.0',
    name: 'bench',
    plugins: [
      { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
  return startCaller(scope, site, { list, path: [DEBIAN_PLUGINS], env: {} });
}

function writeAgentConfig({ folder }: Site): string {
  const objects = path.join(folder, 'objects');
  mkdirSync(objects);
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: NODE_NAME },
    spec: { podCIDR: SUBNETS[0], podCIDRs: SUBNETS },
    status: { addresses: Object.values(NODE).map((address) => ({ type: 'InternalIP', address })) },
  };
  writeFileSync(path.join(objects, 'node.yaml'), JSON.stringify(node));
  const file = path.join(folder, 'sluice.yaml');
  const config = {
    apiVersion: 'sluice/v1alpha1',
    kind: 'SluiceConfiguration',
    nodeName: NODE_NAME,
    source: { files: 'objects' },
    stateDir: path.join(folder, 'state'),
    pinDir: path.join(folder, 'bpf/sluice'),
    uplinks: [{ name: 'eth0' }],
    logLevel: 'warn',
    cni: {
      socket: path.join(folder, 'cni.sock'),
      dataDir: path.join(folder, 'data'),
      binDir: path.join(folder, 'bin'),
      confDir: path.join(folder, 'net.d'),
      name: NAME,
    },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** Installing waits for an agent that is ready; it is told to as soon as there is one. */
async function install({ netns }: Site, cli: string, config: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await run({ netns }, process.execPath, cli, 'cni', 'install', '--config', config);
      return;
    } catch (error) {
      if (tries === READY_TRIES) throw error;
      await delay(READY_WAIT_MS);
    }
  }
}

/** Our plugin and its agent, as `sluice cni install` leaves them. */
export async function startSluiceCniNode(
  scope: Scope,
  label: string,
  podCount: number,
): Promise<CniNode> {
  const site = createSite(scope, label, podCount);
  const pins = path.join(site.folder, 'bpf');
  mkdirSync(pins);
  mountBpffs(pins);
  scope.defer(() => unmount(pins));
  const cli = path.join(packageRoot(), CLI);
  const config = writeAgentConfig(site);
  start(scope, { netns: site.netns }, process.execPath, cli, 'run', '--config', config);
  await install(site, cli, config);
  const capabilities = { portMappings: true };
  const list = { cniVersion: '1.1.0', name: 'bench', plugins: [{ type: NAME, capabilities }] };
  return startCaller(scope, site, { list, path: [path.join(site.folder, 'bin')], env: {} });
}
