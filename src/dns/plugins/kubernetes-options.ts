/**
 * What the lines of a `kubernetes` plugin say.
 *
 * How the API server is reached is set for the whole node, so `endpoint`, `tls`, `kubeconfig` and the
 * limits of the API client are read and change nothing.
 *
 * Spec  CoreDNS, plugin/kubernetes: setup.go
 */
import { argAt, expectArgs, expectNoBlock, failUnknown } from '../chain/directives.js';
import { readInteger, readWord, readZones } from '../chain/directives.js';
import { readFallthrough } from '../chain/fallthrough.js';
import type { KubernetesOptions } from '../chain/zone-options.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import type { WireName } from '../plugin.js';

const DEFAULT_TTL_SEC = 5;
const TTL_RANGE = { min: 0, max: 3600 };
const PODS_MODES = ['disabled', 'insecure', 'verified'] as const;
const IGNORED = ['empty_service'] as const;
/** Of the client that asks the API server. */
const CLIENT_OPTIONS: ReadonlySet<string> = new Set([
  'endpoint',
  'tls',
  'kubeconfig',
  'apiserver_qps',
  'apiserver_burst',
  'apiserver_max_inflight',
  'startup_timeout',
]);

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type ReadOption = (line: Directive, options: Mutable<KubernetesOptions>) => void;

function expectBare(line: Directive): void {
  expectArgs(line, 0);
  expectNoBlock(line);
}

const wordsOf = ({ args }: Directive): string[] => args.map(({ text }) => text);

const OPTIONS: Readonly<Record<string, ReadOption>> = {
  ttl: (line, options) => {
    expectArgs(line, 1);
    options.ttl = readInteger(argAt(line, 0), TTL_RANGE);
  },
  pods: (line, options) => {
    expectArgs(line, 1);
    options.pods = readWord(argAt(line, 0), PODS_MODES);
  },
  endpoint_pod_names: (line, options) => {
    expectBare(line);
    options.isEndpointPodNames = true;
  },
  noendpoints: (line, options) => {
    expectBare(line);
    options.isWithoutEndpoints = true;
  },
  zonal: ({ name }) => failAt(name, 'kubernetes: zonal names are not part of this server'),
  ignore: (line, options) => {
    expectArgs(line, 1);
    readWord(argAt(line, 0), IGNORED);
    options.isEmptyServiceHidden = true;
  },
  namespaces: (line, options) => {
    expectArgs(line, 1, Infinity);
    options.namespaces = [...(options.namespaces ?? []), ...wordsOf(line)];
  },
  namespace_labels: (line, options) => {
    expectArgs(line, 1, Infinity);
    options.namespaceLabels = wordsOf(line).join(' ');
  },
  labels: (line, options) => {
    expectArgs(line, 1, Infinity);
    options.labels = wordsOf(line).join(' ');
  },
  multicluster: ({ name }) =>
    failAt(name, 'kubernetes: names of several clusters are not part of this server'),
  fallthrough: (line, options) => {
    options.fallthrough = readFallthrough(line, options.zones);
  },
};

function checkTogether(directive: Directive, options: KubernetesOptions): void {
  const { name } = directive;
  if (options.namespaces !== undefined && options.namespaceLabels !== undefined) {
    failAt(name, 'kubernetes: namespaces and namespace_labels: expected one of them, not both');
  }
}

/**
 * Read a `kubernetes` directive.
 *
 * @param ofBlock  zones of the server block
 * @throws DataplaneError ERR_CONFIG
 */
export function readKubernetes(
  directive: Directive,
  ofBlock: readonly WireName[],
): KubernetesOptions {
  const options: Mutable<KubernetesOptions> = {
    zones: readZones(directive.args, ofBlock),
    ttl: DEFAULT_TTL_SEC,
    ttlMax: Infinity,
    pods: 'disabled',
    isEndpointPodNames: false,
    isWithoutEndpoints: false,
    isEmptyServiceHidden: false,
    namespaces: undefined,
    namespaceLabels: undefined,
    labels: undefined,
    fallthrough: [],
  };
  for (const line of directive.block ?? []) {
    const key = line.name.text;
    if (CLIENT_OPTIONS.has(key)) continue;
    const read = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (read === undefined) failUnknown('kubernetes', line);
    read(line, options);
  }
  checkTogether(directive, options);
  return options;
}
