/**
 * KubeProxyConfiguration: kube-proxy's own file, taken as it is.
 *
 * Every field that kube-proxy has is one row here, with its rule. What a field means for Sluice is
 * said in the file's own keys (`src/config.ts` takes them as if they stood in a SluiceConfiguration);
 * what means nothing here is accepted and named in a warning.
 *
 * Spec  kubeproxy.config.k8s.io/v1alpha1; kube-proxy, pkg/proxy/apis/config: types, defaults,
 *       validation. As there, `null`, "" and 0s mean the default.
 */
import { z } from 'zod';
import { joinHostPort, parseAddress, parseBindAddress, parseCidr } from '../addr.js';
import { parseGoDuration } from '../go-duration.js';
import { check, findingAt, parsed, throwFindings } from '../validate.js';
import type { Finding } from '../validate.js';
import type { YamlDocument } from '../yaml.js';

export const KUBE_PROXY_API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1';
export const KUBE_PROXY_KIND = 'KubeProxyConfiguration';

const HEALTHZ_PORT = 10256;
const METRICS_PORT = 10249;

const text = z.string().nullish();
const flag = z.boolean({ error: 'expected true or false' }).nullish();
const duration = parsed(parseGoDuration);

const range = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).nullish();
};
const count = range(0, 2 ** 31 - 1);

/** A period that is longer than nothing; 0s is the default. */
const period = duration
  .refine((ms) => ms >= 0, { error: 'expected a duration greater than 0s' })
  .nullish();
const notNegative = duration
  .refine((ms) => ms >= 0, { error: 'expected a duration of at least 0s' })
  .nullish();

/** An address that may go without its port, as kube-proxy's AppendPortIfNeeded takes it. */
const bindAddress = (port: number) =>
  parsed((given: string) => {
    if (given === '') return '';
    const isBare = /^[^:[\]]+$/.test(given) || (given.includes('::') && !given.includes(']'));
    const whole = isBare ? joinHostPort(given, port) : given;
    parseBindAddress(whole);
    return whole;
  }).nullish();

const address = parsed((given: string) => {
  if (given !== '') parseAddress(given);
  return given;
}).nullish();

const NODE_PORT_KEYWORDS = ['primary', 'localhost', 'all'];
const nodePortAddress = parsed((given: string) => {
  if (!NODE_PORT_KEYWORDS.includes(given)) parseCidr(given);
  return given;
});

/** At most two prefixes, of different families, with a comma between them. */
const clusterCidr = parsed((given: string) => {
  if (given === '') return [];
  const cidrs = given.split(',').map((one) => parseCidr(one.trim()));
  const families = new Set(cidrs.map(({ family }) => family));
  if (families.size === cidrs.length) return given.split(',').map((one) => one.trim());
  throw new Error('expected one CIDR, or one of each family with a comma between them');
}).nullish();

const DETECT_MODES = ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'] as const;
const SCHEDULERS = 'rr wrr lc wlc lblc lblcr sh dh sed nq mh'.split(' ');

const periods = { syncPeriod: period, minSyncPeriod: notNegative };
const masquerading = { masqueradeBit: range(0, 31), masqueradeAll: flag };

/** One of a few words, or nothing. */
const choice = <const T extends readonly string[]>(...names: T) => {
  const error = `expected one of ${names.join(', ')}, or ""`;
  return z.enum(['', ...names], { error }).nullish();
};

/** Objects that refuse what they do not know, or let it pass. */
type ObjectOf = <S extends z.ZodRawShape>(shape: S) => z.ZodObject<S>;

/** One row a field. */
function fields(object: ObjectOf) {
  return {
    apiVersion: z.literal(KUBE_PROXY_API_VERSION),
    kind: z.literal(KUBE_PROXY_KIND),
    featureGates: z.record(z.string(), z.boolean()).nullish(),
    clientConnection: object({
      kubeconfig: text,
      acceptContentTypes: text,
      contentType: text,
      qps: z.number().nullish(),
      burst: count,
    }).nullish(),
    logging: z.record(z.string(), z.unknown()).nullish(),
    hostnameOverride: text,
    bindAddress: address,
    healthzBindAddress: bindAddress(HEALTHZ_PORT),
    metricsBindAddress: bindAddress(METRICS_PORT),
    bindAddressHardFail: flag,
    enableProfiling: flag,
    showHiddenMetricsForVersion: text,
    mode: choice('iptables', 'ipvs', 'nftables'),
    iptables: object({ ...masquerading, ...periods, localhostNodePorts: flag }).nullish(),
    ipvs: object({
      ...periods,
      scheduler: choice(...SCHEDULERS),
      excludeCIDRs: z.array(parsed(parseCidr)).nullish(),
      strictARP: flag,
      tcpTimeout: notNegative,
      tcpFinTimeout: notNegative,
      udpTimeout: notNegative,
    }).nullish(),
    nftables: object({ ...masquerading, ...periods }).nullish(),
    winkernel: z.record(z.string(), z.unknown()).nullish(),
    detectLocalMode: choice(...DETECT_MODES),
    detectLocal: object({ bridgeInterface: text, interfaceNamePrefix: text }).nullish(),
    clusterCIDR: clusterCidr,
    nodePortAddresses: z.array(nodePortAddress).nullish(),
    oomScoreAdj: range(-1000, 1000),
    conntrack: object({
      maxPerCore: count,
      min: count,
      tcpEstablishedTimeout: notNegative,
      tcpCloseWaitTimeout: notNegative,
      tcpBeLiberal: flag,
      udpTimeout: notNegative,
      udpStreamTimeout: notNegative,
    }).nullish(),
    configSyncPeriod: period,
    portRange: text,
    udpIdleTimeout: period,
    windowsRunAsService: flag,
  };
}

const strict = z.strictObject(fields(z.strictObject));
const lenient = z.object(fields(z.object));

export type KubeProxyFile = z.output<typeof lenient>;

export interface ReadKubeProxy {
  readonly file: KubeProxyFile;
  /** `config.yaml:3: detectLocal.bridge`, fields that kube-proxy does not know either. */
  readonly unknown: readonly string[];
}

/** Rules that need more than one field. */
function crossChecks(document: YamlDocument, file: KubeProxyFile): Finding[] {
  const found: Finding[] = [];
  for (const section of ['iptables', 'ipvs', 'nftables'] as const) {
    const { syncPeriod, minSyncPeriod } = file[section] ?? {};
    const longest = orDefault(syncPeriod, SYNC_PERIOD_MS);
    if ((minSyncPeriod ?? 0) <= longest) continue;
    const expectation = `expected at most ${section}.syncPeriod, ${longest / 1000}s`;
    found.push(findingAt(document, [section, 'minSyncPeriod'], expectation));
  }
  const needed = { BridgeInterface: 'bridgeInterface', InterfaceNamePrefix: 'interfaceNamePrefix' };
  for (const [mode, key] of Object.entries(needed)) {
    const name = file.detectLocal?.[key as keyof NonNullable<KubeProxyFile['detectLocal']>];
    if (file.detectLocalMode !== mode || (name ?? '') !== '') continue;
    const expectation = `expected an interface for detectLocalMode ${mode}`;
    found.push(findingAt(document, ['detectLocal', key], expectation));
  }
  return found;
}

/** kube-proxy's defaults, milliseconds. */
export const SYNC_PERIOD_MS = 30_000;

/** As Go's defaulting reads a duration: what is not there and what is 0 are the same. */
export function orDefault(ms: number | null | undefined, initial: number): number {
  return ms === undefined || ms === null || ms === 0 ? initial : ms;
}

const UNKNOWN = 'unknown field';

/**
 * Check a document against the rows. Unknown fields pass, as v1alpha1 lets them.
 *
 * @throws DataplaneError ERR_CONFIG  one line a wrong value
 */
export function readKubeProxy(document: YamlDocument): ReadKubeProxy {
  const strictly = check(strict, document);
  const findings = strictly.ok ? [] : strictly.findings;
  const wrong = findings.filter(({ expectation }) => !expectation.startsWith(UNKNOWN));
  if (wrong.length > 0) return throwFindings('ERR_CONFIG', wrong);
  const checked = check(lenient, document);
  if (!checked.ok) return throwFindings('ERR_CONFIG', checked.findings);
  const broken = crossChecks(document, checked.value);
  if (broken.length > 0) return throwFindings('ERR_CONFIG', broken);
  const unknown = findings.map(({ file, line, key }) => `${file}:${line}: ${key}`);
  return { file: checked.value, unknown };
}
