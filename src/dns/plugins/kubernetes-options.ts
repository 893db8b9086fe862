/**
 * What the lines of a `kubernetes` plugin say.
 *
 * How the API server is reached is set for the whole node, so `endpoint`, `tls`, `kubeconfig` and the
 * limits of the API client are read and change nothing.
 *
 * Spec  CoreDNS, plugin/kubernetes: setup.go
 */
import type { KubernetesOptions } from '../chain/zone-options.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Arguments } from '../corefile/arguments.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice, needEach, needInteger } from '../corefile/values.js';
import type { WireName } from '../plugin.js';
import { readFallthrough, readZones } from './zones.js';

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
type ReadOption = (line: Arguments, options: Mutable<KubernetesOptions>) => void;

const needWords = (line: Arguments, what: string): string[] =>
  needEach(line, () => line.need(what));

const OPTIONS: Readonly<Record<string, ReadOption>> = {
  ttl: (line, options) => {
    options.ttl = needInteger(line, 'a TTL', TTL_RANGE);
    line.endArguments();
  },
  pods: (line, options) => {
    options.pods = needChoice(line, PODS_MODES);
    line.endArguments();
  },
  endpoint_pod_names: (line, options) => {
    options.isEndpointPodNames = true;
    line.end();
  },
  noendpoints: (line, options) => {
    options.isWithoutEndpoints = true;
    line.end();
  },
  zonal: (line) => line.fail('zonal names are not part of this server'),
  ignore: (line, options) => {
    needChoice(line, IGNORED);
    options.isEmptyServiceHidden = true;
    line.endArguments();
  },
  namespaces: (line, options) => {
    options.namespaces = [...(options.namespaces ?? []), ...needWords(line, 'a namespace')];
  },
  namespace_labels: (line, options) => {
    options.namespaceLabels = needWords(line, 'a selector').join(' ');
  },
  labels: (line, options) => {
    options.labels = needWords(line, 'a selector').join(' ');
  },
  multicluster: (line) => line.fail('names of several clusters are not part of this server'),
  fallthrough: (line, options) => {
    options.fallthrough = readFallthrough(line, options.zones);
    line.end();
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
  const args = argumentsOf(directive);
  const options: Mutable<KubernetesOptions> = {
    zones: readZones(args, ofBlock),
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
  for (const line of args.lines()) {
    const { name } = line;
    if (CLIENT_OPTIONS.has(name)) continue;
    const read = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (read === undefined) line.unknown();
    else read(line, options);
  }
  checkTogether(directive, options);
  return options;
}
