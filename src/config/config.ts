/**
 * The agent's configuration file.
 *
 * One YAML document. Every key is one row here: type, default and doc stand together, and
 * `describeConfig` prints them. An unknown field or a bad value is one line that names file,
 * line, document, key, value and what was expected.
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { parseAddress, parseBindAddress, parseCidr } from '../addr.js';
import type { Address, BindAddress, Cidr } from '../addr.js';
import { describeKeys, formatKeys } from './describe.js';
import type { ConfigKey } from './describe.js';
import { CONFIG_API_VERSION, CONFIG_KIND, openDocument, readText } from './file.js';
import { SYNC_PERIOD_MS } from './kube-proxy.js';
import type { KubeProxySettings, SyncPeriods } from './kube-proxy-settings.js';
import { cniRows, completeCni } from './cni.js';
import type { CniConfig } from './cni.js';
import { completeDns, dnsRows } from './dns.js';
import type { DnsConfig } from './dns.js';
import { completeOverlay, overlayRows } from './overlay.js';
import type { OverlayConfig } from './overlay.js';
import { completeProxy, proxyChecks, proxyRows } from './proxy.js';
import type { Broken, ProxyConfig } from './proxy.js';
import { completeMasquerade, masqueradeRows } from './masquerade.js';
import type { MasqueradeConfig } from './masquerade.js';
import { completeIpam, ipamChecks, ipamRows } from './ipam.js';
import type { IpamConfig } from './ipam.js';
import { IFNAME_MAX, count, ifname, onOff, path, powerOfTwo, row, rowOr } from './rows.js';
import { LOG_LEVELS } from '../log.js';
import type { LogLevel } from '../log.js';
import { check, findingAt, parsed, throwFindings } from '../validate.js';

const ETH_HLEN = 14;
/** Room the lane keeps before a frame (assembly/abi.ts, FRAME_HEADROOM). */
const FRAME_ROOM = 256;
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const nodeNameError = 'expected a node name: lower-case letters, digits, "-" and "."';
const nodeName = z
  .string({ error: nodeNameError })
  .max(253)
  .regex(NODE_NAME, { error: nodeNameError });

const capacities = z.strictObject({
  flows4: rowOr(powerOfTwo(1024, 1 << 24), 262144, 'rows', 'IPv4 flow rows, two a flow'),
  flows6: rowOr(powerOfTwo(1024, 1 << 23), 65536, 'rows', 'IPv6 flow rows, two a flow'),
  frames: rowOr(count(256, 1 << 20), 16384, 'frames', 'frames in the packet memory'),
  frameSize: rowOr(
    powerOfTwo(2048, 1 << 17),
    2048,
    'bytes',
    'one frame; AF_XDP takes 2048 or 4096',
  ),
  links: rowOr(count(8, 1 << 16), 1024, 'rows', 'pod links, trunk and uplinks'),
  frontends: rowOr(count(8, 1 << 20), 16384, 'rows', 'service addresses with their ports'),
  services: rowOr(count(8, 1 << 20), 8192, 'rows', 'service ports, per address family'),
  backends: rowOr(count(8, 1 << 20), 32768, 'rows', 'endpoints of all services'),
  setEntries: rowOr(count(64, 1 << 22), 131072, 'entries', 'memberships of endpoints in services'),
  maglevEntries: rowOr(count(1024, 1 << 26), 4194304, 'entries', 'slots of all Maglev tables'),
  routes: rowOr(count(8, 1 << 20), 8192, 'rows', 'pods, other nodes and node addresses'),
  ranges: rowOr(count(8, 1 << 20), 16384, 'rows', 'loadBalancerSourceRanges of all services'),
  affinity: rowOr(count(8, 1 << 20), 65536, 'rows', 'clients with a session affinity'),
  fragments: rowOr(
    count(8, 1 << 16),
    1024,
    'rows',
    'datagrams whose fragments are followed at a time',
  ),
  names: rowOr(count(8, 1 << 22), 131072, 'rows', 'DNS names of services, endpoints and pods'),
  rrsetBytes: rowOr(count(4096, 1 << 30), 1 << 26, 'bytes', 'their records'),
  cache: rowOr(count(8, 1 << 20), 16384, 'rows', 'answers of other DNS servers that are kept'),
  replyBytes: rowOr(count(4096, 1 << 28), 1 << 23, 'bytes', 'for these answers'),
});

const kubernetesSchema = z.strictObject({
  kubeconfig: row(
    path.optional(),
    'FILE',
    'API server and credentials, relative to this file; default the service account of the pod',
  ),
});

const sourceSchema = z.strictObject({
  files: row(
    path.optional(),
    'DIR',
    'folder of Kubernetes YAML or JSON, hot-reloaded; relative to this file',
  ),
  kubernetes: row(kubernetesSchema.optional(), 'mapping', 'a Kubernetes API server, instead'),
});

const trunkSchema = z.strictObject({
  kind: rowOr(
    z.enum(['auto', 'xdp', 'packet']),
    'auto',
    'auto|xdp|packet',
    'how frames reach the lane; auto is xdp when offload is on, packet when it is off',
  ),
  name: rowOr(ifname(IFNAME_MAX - 1), 'slc', 'NAME', 'stem of the trunk: NAME0 and NAME1 are made'),
});

const uplinkSchema = z.strictObject({
  name: row(ifname(IFNAME_MAX), 'IFNAME', 'interface to other nodes and clients'),
  mode: rowOr(
    z.enum(['auto', 'xdp', 'tc']),
    'auto',
    'auto|xdp|tc',
    'hook of the uplink program; auto is xdp where the driver has it',
  ),
});

const schema = z.strictObject({
  apiVersion: row(z.literal(CONFIG_API_VERSION), CONFIG_API_VERSION, 'version of this format'),
  kind: row(z.literal(CONFIG_KIND), CONFIG_KIND, 'what this file is'),
  kubeProxyConfiguration: row(
    path.optional(),
    'FILE',
    "kube-proxy's own configuration, relative to this file; keys of this file win over it",
  ),
  nodeName: row(nodeName.optional(), 'NAME', "this node's name; default the host name"),
  source: rowOr(
    sourceSchema,
    {},
    'mapping',
    'where Services, EndpointSlices, Nodes and Pods come from; default nowhere',
  ),
  stateDir: row(path.optional(), 'DIR', 'sockets and state; default /run/sluice/<nodeName>'),
  pinDir: row(
    path.optional(),
    'DIR',
    'pinned BPF objects; default /sys/fs/bpf/sluice/<nodeName>, its dots as _',
  ),
  offload: rowOr(onOff, 'on', 'on|off', 'let the kernel programs execute flow rows'),
  failMode: rowOr(
    z.enum(['open', 'closed']),
    'open',
    'open|closed',
    'what new flows meet while the lane is silent: kernel routing, or nothing',
  ),
  trunk: rowOr(trunkSchema, {}, 'mapping', 'the veth pair between pods and lane'),
  uplinks: rowOr(
    z.array(uplinkSchema),
    [],
    'list',
    'interfaces to other nodes, the first one preferred',
  ),
  serviceCIDRs: rowOr(
    z.array(parsed(parseCidr)),
    [],
    'list of CIDR',
    'ranges of service addresses',
  ),
  ...proxyRows,
  ...ipamRows,
  ...cniRows,
  ...dnsRows,
  ...masqueradeRows,
  ...overlayRows,
  podMTU: row(
    count(1280, 65535).optional(),
    'bytes',
    "MTU of pod links; default the uplinks' least, less what VXLAN needs",
  ),
  nodeAddresses: rowOr(
    z.array(parsed(parseAddress)),
    [],
    'list of IP',
    "the node's own addresses, at most one a family; default its Node's InternalIPs",
  ),
  capacities: rowOr(capacities, {}, 'mapping', 'how much the tables hold'),
  cpu: row(count(0, 4095).optional(), 'CPU', 'pin the lane to this CPU; default unpinned'),
  metricsBindAddress: rowOr(
    parsed(parseBindAddress),
    '127.0.0.1:10249',
    'IP:PORT',
    'where /metrics is served; empty for nowhere',
  ),
  healthzBindAddress: rowOr(
    parsed(parseBindAddress),
    '0.0.0.0:10256',
    'IP:PORT',
    'where /healthz and /livez are served; empty for nowhere',
  ),
  logLevel: rowOr(z.enum(LOG_LEVELS), 'info', LOG_LEVELS.join('|'), 'least level that is logged'),
});

type Parsed = z.output<typeof schema>;

export type Capacities = z.output<typeof capacities>;
export type UplinkConfig = z.output<typeof uplinkSchema>;

/** Where the objects come from: one of the two, or there are none. */
export type SourceConfig =
  | { readonly files: string; readonly kubernetes?: undefined }
  | { readonly files?: undefined; readonly kubernetes: KubernetesConfig }
  | { readonly files?: undefined; readonly kubernetes?: undefined };

export interface KubernetesConfig {
  /** undefined is the service account of the pod. */
  readonly kubeconfig: string | undefined;
}

/** The configuration with every default filled in and every path absolute. */
export interface SluiceConfig extends ProxyConfig, MasqueradeConfig, IpamConfig {
  readonly nodeName: string;
  readonly source: SourceConfig;
  readonly stateDir: string;
  readonly pinDir: string;
  readonly offload: boolean;
  readonly failMode: 'open' | 'closed';
  readonly trunk: { readonly kind: 'xdp' | 'packet'; readonly name: string };
  readonly uplinks: readonly UplinkConfig[];
  readonly serviceCIDRs: readonly Cidr[];
  /** Undefined: not served. */
  readonly cni: CniConfig | undefined;
  /** Undefined: not answered. */
  readonly dns: DnsConfig | undefined;
  readonly overlay: OverlayConfig;
  /** Undefined: what the uplinks allow. */
  readonly podMTU: number | undefined;
  readonly nodeAddresses: readonly Address[];
  readonly capacities: Capacities;
  readonly cpu: number | undefined;
  /** Undefined: not served. */
  readonly metricsBindAddress: BindAddress | undefined;
  readonly healthzBindAddress: BindAddress | undefined;
  readonly logLevel: LogLevel;
  /** How often everything is looked at; a KubeProxyConfiguration may say it. */
  readonly sync: SyncPeriods;
  /** For /proc/self/oom_score_adj, when a KubeProxyConfiguration is there to say it. */
  readonly oomScoreAdj: number | undefined;
  /** What was accepted and does not count, one sentence each. */
  readonly warnings: readonly string[];
}

/** Rules that need more than one key: path and expectation of each broken one. */
function crossChecks(config: Parsed): Broken[] {
  const broken = [...proxyChecks(config), ...ipamChecks(config)];
  const { files, kubernetes } = config.source;
  if (files !== undefined && kubernetes !== undefined) {
    broken.push({ path: ['source'], expectation: 'expected either files or kubernetes' });
  }
  config.uplinks.forEach((uplink, i) => {
    const trunkEnds = [`${config.trunk.name}0`, `${config.trunk.name}1`];
    if (trunkEnds.includes(uplink.name)) {
      broken.push({ path: ['uplinks', i, 'name'], expectation: 'expected no end of the trunk' });
    }
    if (config.uplinks.findIndex((other) => other.name === uplink.name) < i) {
      broken.push({ path: ['uplinks', i, 'name'], expectation: 'expected each uplink once' });
    }
  });
  config.nodeAddresses.forEach((address, i) => {
    if (config.nodeAddresses.findIndex((other) => other.family === address.family) < i) {
      broken.push({ path: ['nodeAddresses', i], expectation: 'expected one address a family' });
    }
  });
  const room = config.capacities.frameSize - FRAME_ROOM - ETH_HLEN;
  if ((config.podMTU ?? 0) > room) {
    const expectation = `expected at most ${room} with capacities.frameSize ${config.capacities.frameSize}`;
    broken.push({ path: ['podMTU'], expectation });
  }
  return broken;
}

/** A node name as a BPF file system takes it: dots are reserved there, and `_` is in no node name. */
function pinName(nodeName: string): string {
  return nodeName.replaceAll('.', '_');
}

function completeSource({ files, kubernetes }: Parsed['source'], folder: string): SourceConfig {
  if (files !== undefined) return { files: resolve(folder, files) };
  if (kubernetes === undefined) return {};
  const { kubeconfig } = kubernetes;
  return {
    kubernetes: { kubeconfig: kubeconfig === undefined ? undefined : resolve(folder, kubeconfig) },
  };
}

/** Fill in what depends on other keys. */
function complete(
  parsedConfig: Parsed,
  hostname: string,
  folder: string,
  kube: KubeProxySettings | undefined,
): SluiceConfig {
  const name = parsedConfig.nodeName ?? hostname;
  const { kind } = parsedConfig.trunk;
  const proxy = completeProxy(parsedConfig);
  const autoKind = parsedConfig.offload ? 'xdp' : 'packet';
  const stateDir = resolve(folder, parsedConfig.stateDir ?? `/run/sluice/${name}`);
  return {
    nodeName: name,
    source: completeSource(parsedConfig.source, folder),
    stateDir,
    pinDir: resolve(folder, parsedConfig.pinDir ?? `/sys/fs/bpf/sluice/${pinName(name)}`),
    offload: parsedConfig.offload,
    failMode: parsedConfig.failMode,
    trunk: { kind: kind === 'auto' ? autoKind : kind, name: parsedConfig.trunk.name },
    uplinks: parsedConfig.uplinks,
    serviceCIDRs: parsedConfig.serviceCIDRs,
    ...proxy,
    ...completeCni(parsedConfig, { nodeName: name, stateDir, folder }),
    ...completeDns(parsedConfig, folder),
    ...completeMasquerade(parsedConfig, folder),
    overlay: completeOverlay(parsedConfig, proxy.clusterCIDRs, folder),
    ...completeIpam(parsedConfig, (path) => resolve(folder, path)),
    podMTU: parsedConfig.podMTU,
    nodeAddresses: parsedConfig.nodeAddresses,
    capacities: parsedConfig.capacities,
    cpu: parsedConfig.cpu,
    metricsBindAddress: parsedConfig.metricsBindAddress,
    healthzBindAddress: parsedConfig.healthzBindAddress,
    logLevel: parsedConfig.logLevel,
    sync: kube?.sync ?? { periodMs: SYNC_PERIOD_MS, minPeriodMs: 0 },
    oomScoreAdj: kube?.oomScoreAdj,
    warnings: [...(kube?.warnings ?? []), ...capacityWarning(parsedConfig, kube)],
  };
}

function capacityWarning({ capacities }: Parsed, kube: KubeProxySettings | undefined): string[] {
  const rows = kube?.flowRows ?? 0;
  if (rows <= capacities.flows4) return [];
  return [
    `conntrack.maxPerCore and conntrack.min ask for more flows than there is room for: set capacities.flows4 to ${rows}`,
  ];
}

/**
 * Read a configuration.
 *
 * @param text      contents of the file
 * @param file      its path: for messages, and what relative paths start from
 * @param hostname  the node's name when the file gives none
 * @throws DataplaneError ERR_YAML, ERR_CONFIG  one line per problem
 */
export function parseConfig(text: string, file: string, hostname: string): SluiceConfig {
  const { document, kube } = openDocument(text, file);
  const checked = check(schema, document);
  if (!checked.ok) return throwFindings('ERR_CONFIG', checked.findings);
  const broken = crossChecks(checked.value);
  if (broken.length > 0) {
    const findings = broken.map((b) => findingAt(document, b.path, b.expectation));
    throwFindings('ERR_CONFIG', findings);
  }
  return complete(checked.value, hostname, dirname(resolve(file)), kube);
}

/** Read a configuration from its file. @throws DataplaneError ERR_CONFIG, ERR_YAML */
export function loadConfig(file: string, hostname: string): SluiceConfig {
  return parseConfig(readText(file), file, hostname);
}

/** Every key of the file. */
export function configKeys(): ConfigKey[] {
  return describeKeys(schema);
}

/** The reference of all keys that `--help` prints. */
export function describeConfig(): string {
  return formatKeys(configKeys());
}
