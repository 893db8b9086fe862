/**
 * What a KubeProxyConfiguration means for Sluice: keys as they would stand in a SluiceConfiguration,
 * and what to warn of.
 */
import { dirname, resolve } from 'node:path';
import { canonicalCidr, parseAddress, sameBytes } from '../addr.js';
import { SYNC_PERIOD_MS, orDefault } from './kube-proxy.js';
import type { KubeProxyFile, ReadKubeProxy } from './kube-proxy.js';

/** In the words of `src/config.ts`; what is left out has Sluice's default. */
export interface SluiceKeys {
  readonly source: { readonly kubernetes: { readonly kubeconfig?: string } };
  readonly nodeName?: string;
  readonly nodeAddresses?: readonly string[];
  readonly healthzBindAddress: string;
  readonly metricsBindAddress: string;
  readonly clusterCIDRs?: readonly string[];
  readonly detectLocal?: {
    readonly mode: string;
    readonly bridgeInterface?: string;
    readonly interfaceNamePrefix?: string;
  };
  readonly masqueradeAll: boolean;
  readonly nodePortAddresses: readonly string[];
  /** Seconds. */
  readonly timeouts: Readonly<Record<string, number>>;
}

export interface SyncPeriods {
  /** From one pass to the next without a cause, ms. */
  readonly periodMs: number;
  /** From one pass to the next at least, ms. */
  readonly minPeriodMs: number;
}

export interface KubeProxySettings {
  readonly keys: SluiceKeys;
  readonly sync: SyncPeriods;
  readonly oomScoreAdj: number;
  /** Flow rows that conntrack.maxPerCore and min ask for, two a connection; 0 = they do not. */
  readonly flowRows: number;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

export interface Surroundings {
  /** Path of the file: relative paths start from its folder. */
  readonly file: string;
  readonly cores: number;
}

/** kube-proxy's defaults. */
const OOM_SCORE_ADJ = -999;
const TCP_ESTABLISHED_MS = 24 * 3_600_000;
const TCP_CLOSE_WAIT_MS = 3_600_000;
const HEALTHZ_PORT = 10256;
const METRICS_PORT = 10249;
/** Linux's, where kube-proxy is told to leave the kernel's (net.netfilter.nf_conntrack_*). */
const LINUX_ESTABLISHED_SEC = 432_000;
const LINUX_CLOSE_WAIT_SEC = 60;
/** What a key of `timeouts` takes at most, seconds. */
const TIMEOUT_MAX_SEC = 2_147_483;
const FLOW_ROWS_MAX = 1 << 24;

/** `mode`: "" is iptables. */
function modeOf({ mode }: KubeProxyFile): 'iptables' | 'ipvs' | 'nftables' {
  return mode === 'ipvs' || mode === 'nftables' ? mode : 'iptables';
}

function textOf(value: string | null | undefined): string | undefined {
  return value === null || value === '' ? undefined : value;
}

/** Whole seconds, upwards. */
function secondsOf(ms: number): number {
  return Math.min(TIMEOUT_MAX_SEC, Math.ceil(ms / 1000));
}

function timeoutsOf({ conntrack }: KubeProxyFile): Record<string, number> {
  const established = secondsOf(conntrack?.tcpEstablishedTimeout ?? TCP_ESTABLISHED_MS);
  const closeWait = secondsOf(conntrack?.tcpCloseWaitTimeout ?? TCP_CLOSE_WAIT_MS);
  const udp = secondsOf(conntrack?.udpTimeout ?? 0);
  const udpStream = secondsOf(conntrack?.udpStreamTimeout ?? 0);
  return {
    tcpEstablished: established === 0 ? LINUX_ESTABLISHED_SEC : established,
    tcpCloseWait: closeWait === 0 ? LINUX_CLOSE_WAIT_SEC : closeWait,
    ...(udp === 0 ? {} : { udp }),
    ...(udpStream === 0 ? {} : { udpStream }),
  };
}

/** Whether a prefix has 127.0.0.1 in it. */
function hasLocalhost(cidr: string): boolean {
  const asked = canonicalCidr(cidr);
  const around = asked && canonicalCidr(`127.0.0.1/${asked.prefixLen}`);
  return (
    asked !== undefined && around?.family === asked.family && sameBytes(asked.bytes, around.bytes)
  );
}

/** Of iptables and ipvs every address is the default, of nftables the primary one. */
function nodePortAddressesOf(file: KubeProxyFile): string[] {
  const mode = modeOf(file);
  const given = file.nodePortAddresses ?? [];
  const servesLocalhost = mode === 'iptables' && (file.iptables?.localhostNodePorts ?? true);
  const localhost = servesLocalhost ? ['localhost'] : [];
  if (given.length === 0) return mode === 'nftables' ? ['primary'] : ['all', ...localhost];
  return given.some(hasLocalhost) ? [...new Set([...given, ...localhost])] : [...given];
}

function detectLocalOf(file: KubeProxyFile, warnings: string[]): Partial<SluiceKeys> {
  const { detectLocal } = file;
  const clusterCIDRs = file.clusterCIDR ?? [];
  const ranges = clusterCIDRs.length > 0 ? { clusterCIDRs } : {};
  const mode =
    textOf(file.detectLocalMode) ?? (clusterCIDRs.length > 0 ? 'ClusterCIDR' : undefined);
  // Sluice knows its pods by their links, where kube-proxy would know nothing.
  if (mode === undefined) return ranges;
  if (mode === 'ClusterCIDR' && clusterCIDRs.length === 0) {
    warnings.push('detectLocalMode ClusterCIDR without a clusterCIDR: no pod is told from others');
    return { detectLocal: { mode: 'None' } };
  }
  const bridgeInterface = textOf(detectLocal?.bridgeInterface);
  const interfaceNamePrefix = textOf(detectLocal?.interfaceNamePrefix);
  return {
    ...ranges,
    detectLocal: {
      mode,
      ...(mode === 'BridgeInterface' && bridgeInterface !== undefined ? { bridgeInterface } : {}),
      ...(mode === 'InterfaceNamePrefix' && interfaceNamePrefix !== undefined
        ? { interfaceNamePrefix }
        : {}),
    },
  };
}

/** nf_conntrack_max as kube-proxy would set it, in rows of a table that is a power of two. */
function flowRowsOf({ conntrack }: KubeProxyFile, cores: number): number {
  const { maxPerCore, min } = conntrack ?? {};
  if ((maxPerCore ?? undefined) === undefined && (min ?? undefined) === undefined) return 0;
  const connections = maxPerCore === 0 ? 0 : Math.max((maxPerCore ?? 0) * cores, min ?? 0);
  if (connections === 0) return 0;
  return Math.min(FLOW_ROWS_MAX, 2 ** Math.ceil(Math.log2(2 * connections)));
}

function isBlank(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  if (value === '' || value === '0' || value === 0) return true;
  return typeof value === 'object' && Object.values(value).every(isBlank);
}

/** Fields that have no counterpart here. */
function meaningless(file: KubeProxyFile): string[] {
  const own = modeOf(file) === 'nftables' ? 'nftables' : 'iptables';
  const { clientConnection: client, conntrack } = file;
  const all: Record<string, unknown> = {
    'clientConnection.acceptContentTypes': client?.acceptContentTypes,
    'clientConnection.contentType': client?.contentType,
    'clientConnection.qps': client?.qps,
    'clientConnection.burst': client?.burst,
    logging: file.logging,
    bindAddressHardFail: file.bindAddressHardFail,
    enableProfiling: file.enableProfiling,
    showHiddenMetricsForVersion: file.showHiddenMetricsForVersion,
    [`${own}.masqueradeBit`]: file[own]?.masqueradeBit,
    'conntrack.tcpBeLiberal': conntrack?.tcpBeLiberal,
    configSyncPeriod: file.configSyncPeriod,
    portRange: file.portRange,
    udpIdleTimeout: file.udpIdleTimeout,
    windowsRunAsService: file.windowsRunAsService,
  };
  return Object.keys(all).filter((key) => !isBlank(all[key]));
}

function warningsOf({ file, unknown }: ReadKubeProxy): string[] {
  const mode = modeOf(file);
  // What ipvs masquerades is in the section of iptables.
  const used = mode === 'ipvs' ? ['ipvs', 'iptables'] : [mode];
  const sections = ['iptables', 'ipvs', 'nftables', 'winkernel'] as const;
  const others = sections.filter((name) => !used.includes(name) && !isBlank(file[name]));
  const gates = Object.keys(file.featureGates ?? {});
  const nothing = meaningless(file);
  const say = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${what}: ${names.join(', ')}`];
  return [
    ...say('unknown fields are ignored', unknown),
    ...say('sections of other modes are ignored', others),
    ...say('fields without a meaning here are ignored', nothing),
    ...say('feature gates are ignored', gates),
  ];
}

function keysOf(file: KubeProxyFile, around: Surroundings, warnings: string[]): SluiceKeys {
  const kubeconfig = textOf(file.clientConnection?.kubeconfig);
  const folder = dirname(resolve(around.file));
  const nodeName = textOf(file.hostnameOverride)?.trim().toLowerCase();
  const bind = textOf(file.bindAddress);
  const isUnspecified = bind === undefined || bind === '0.0.0.0' || bind === '::';
  const isIpv6 = bind !== undefined && parseAddress(bind).family === 6;
  const own = modeOf(file) === 'nftables' ? file.nftables : file.iptables;
  return {
    source: {
      kubernetes: kubeconfig === undefined ? {} : { kubeconfig: resolve(folder, kubeconfig) },
    },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(isUnspecified ? {} : { nodeAddresses: [bind] }),
    healthzBindAddress:
      textOf(file.healthzBindAddress) ?? `${isIpv6 ? '[::]' : '0.0.0.0'}:${HEALTHZ_PORT}`,
    metricsBindAddress:
      textOf(file.metricsBindAddress) ?? `${isIpv6 ? '[::1]' : '127.0.0.1'}:${METRICS_PORT}`,
    ...detectLocalOf(file, warnings),
    masqueradeAll: own?.masqueradeAll ?? false,
    nodePortAddresses: nodePortAddressesOf(file),
    timeouts: timeoutsOf(file),
  };
}

export function settingsOf(read: ReadKubeProxy, around: Surroundings): KubeProxySettings {
  const { file } = read;
  const warnings = warningsOf(read);
  const { syncPeriod, minSyncPeriod } = file[modeOf(file)] ?? {};
  return {
    keys: keysOf(file, around, warnings),
    // kube-proxy's second between two runs is for runs that cost; a pass here costs what changed.
    sync: { periodMs: orDefault(syncPeriod, SYNC_PERIOD_MS), minPeriodMs: minSyncPeriod ?? 0 },
    oomScoreAdj: file.oomScoreAdj ?? OOM_SCORE_ADJ,
    flowRows: flowRowsOf(file, around.cores),
    warnings,
  };
}
