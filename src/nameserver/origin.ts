/**
 * Which object of the cluster a name comes from, or why it has none: the model asked in the order that
 * names are made in (src/compile/dns).
 */
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import { readyEndpoints } from '../compile/dns/endpoints.js';
import { shownTtl } from '../compile/dns/options.js';
import { serviceRecords } from '../compile/dns/records.js';
import type { NameRecord } from '../compile/dns/rrsets.js';
import { dashed, dashedLabel, isReverseZone, nameFromText } from '../compile/dns/wire-names.js';
import { formatName, isWithin, labelOffsets } from '../dns/wire/name.js';
import { namedKey } from '../model/keys.js';
import type { NamedService } from '../model/named.js';
import type { SliceRecord } from '../model/slices.js';
import { originOfAddress } from './origin-address.js';
import type { Origin } from './origin-address.js';
import type { FedZone } from './zone-feed.js';

const origin = (reason: string, ...objects: string[]): Origin => ({ objects, reason });

/** Labels of a name in lower case, `\.` for a dot in one. */
function labelsOf(name: Uint8Array): string[] {
  return labelOffsets(name)
    .slice(0, -1)
    .map((at) => {
      const label = Uint8Array.of(...name.subarray(at, at + 1 + (name[at] ?? 0)), 0);
      return formatName(label).slice(0, -1).toLowerCase();
    });
}

/** Why there is nothing in a namespace for those who ask. */
function namespaceTrouble({ named, options }: FedZone, name: string): string | undefined {
  if (!named.hasNamespace(name)) return `there is no Namespace ${name}`;
  const { namespaces, namespaceLabels } = options;
  if (namespaces.length > 0 && !namespaces.includes(name)) {
    return `Namespace ${name} is not among those of \`namespaces\``;
  }
  const labels = named.namespaces.get(namedKey(undefined, name))?.labels ?? [];
  if (namespaceLabels?.(labels) === false) {
    return `Namespace ${name} has not the labels of \`namespace_labels\``;
  }
  return undefined;
}

/** The same slices as though all their endpoints were ready. */
function allReady(slices: readonly SliceRecord[]): SliceRecord[] {
  return slices.map((slice) => ({
    ...slice,
    endpoints: slice.endpoints.map((endpoint) => ({ ...endpoint, ready: true })),
  }));
}

/** A Service that exists, and what its names are made from. */
interface Found {
  readonly zone: FedZone;
  readonly service: NamedService;
  readonly slices: readonly SliceRecord[];
}

function emptiness({ slices, zone }: Found): string {
  const { length } = slices.flatMap(({ endpoints }) => endpoints);
  if (zone.options.noEndpoints) return 'endpoints are not looked at (`noendpoints`)';
  return length === 0 ? 'it has no endpoints' : `none of its ${length} endpoints is ready`;
}

/** Why a Service has no names at all. */
function serviceTrouble(found: Found): string | undefined {
  const { zone, service, slices } = found;
  const { options } = zone;
  if (options.labels?.(service.labels) === false) {
    return `Service ${service.key} has not the labels of \`labels\``;
  }
  const hasReady = readyEndpoints(slices, options).length > 0;
  if (service.externalName !== undefined) {
    const isName = nameFromText(service.externalName) !== undefined;
    return isName ? undefined : `externalName ${JSON.stringify(service.externalName)} is no name`;
  }
  if (service.isHeadless && !hasReady) return `the Service is headless, and ${emptiness(found)}`;
  if (!service.isHeadless && service.clusterIPs.length === 0) return 'it has no ClusterIP yet';
  if (!service.isHeadless && !hasReady && options.ignoreEmptyService) {
    return `${emptiness(found)}, and \`ignore empty_service\` hides it`;
  }
  return undefined;
}

/** EndpointSlices and pods behind endpoints with a label; without one, all slices. */
function endpointObjects({ zone, service, slices }: Found, label?: string): string[] {
  const ofLabel = slices.map((slice) => {
    const indices = readyEndpoints([slice], zone.options).map((each) => each.label);
    const ready = slice.endpoints.filter(({ ready: isReady }) => isReady);
    return {
      slice,
      endpoints: ready.filter((_, i) => label === undefined || indices[i] === label),
    };
  });
  const shown = ofLabel.filter(({ endpoints }) => endpoints.length > 0);
  const names = new Set(
    shown.flatMap(({ endpoints }) => endpoints.map(({ targetName }) => targetName)),
  );
  return [
    ...shown.map(({ slice }) => `EndpointSlice ${slice.key}`),
    ...(label === undefined ? [] : [...names]).flatMap((name) =>
      name === undefined ? [] : [`Pod ${service.namespace}/${name}`],
    ),
  ];
}

/** Why there is no such name below a Service that has names. */
function missingBelow(found: Found, below: readonly string[], records: readonly NameRecord[]) {
  const { service, slices, zone } = found;
  if (service.externalName !== undefined) return 'an ExternalName Service has no names below it';
  if (below.length > 2) return 'names below a Service have at most two labels';
  const isPort = below.length === 2 || below[0]?.startsWith('_') === true;
  if (!isPort) {
    const late = readyEndpoints(allReady(slices), zone.options);
    const isLate = late.some(({ label }) => label === below[0]);
    return isLate ? `endpoint ${below[0]} is not ready` : `no endpoint is called ${below[0]}`;
  }
  const ports = records.map(({ key }) => key).filter((key) => /^_[^.]+\._/.test(key));
  const known = ports.length === 0 ? 'it has no named port' : `it has ${ports.join(', ')}`;
  return `the Service has no port ${below.join('.')}: ${known}`;
}

function serviceOrigin(zone: FedZone, labels: readonly string[]): Origin {
  const [name = '', namespace = ''] = labels.slice(-2);
  const below = labels.slice(0, -2);
  const key = namedKey(namespace, name);
  const service = zone.named.services.get(key);
  if (service === undefined) return origin(`there is no Service ${key}`);
  const found: Found = { zone, service, slices: [...zone.named.slicesOf(key)] };
  const itself = `Service ${key}`;
  const trouble = serviceTrouble(found);
  if (trouble !== undefined) return origin(trouble, itself);
  const endpoints = readyEndpoints(found.slices, zone.options);
  const scope = { zone: new Uint8Array(1), ttl: shownTtl(zone.options.ttl, zone.options) };
  const records = serviceRecords(service, endpoints, scope);
  if (!records.some((record) => record.key === below.join('.'))) {
    return origin(missingBelow(found, below, records), itself);
  }
  const ofEndpoint = below.length === 1 && endpoints.some(({ label }) => label === below[0]);
  if (ofEndpoint) {
    return origin('a ready endpoint', itself, ...endpointObjects(found, below[0]));
  }
  if (service.externalName !== undefined) {
    return origin(`ExternalName ${service.externalName}`, itself);
  }
  const what = service.isHeadless
    ? `headless: ${endpoints.length} ready endpoints`
    : `ClusterIP ${service.clusterIPs.map(formatAddress).join(', ')}`;
  const slices = service.isHeadless ? endpointObjects(found) : [];
  if (below.length === 0) return origin(what, itself, ...slices);
  const isPort = below.length === 2;
  return origin(isPort ? `a named port; ${what}` : 'the name above its ports', itself, ...slices);
}

function podOrigin(zone: FedZone, label: string, namespace: string): Origin {
  const { pods } = zone.options;
  const holds = (address: Address): boolean =>
    dashed(address) === label || dashedLabel(address) === label;
  const holders = [...zone.named.pods.values()]
    .filter((pod) => pod.namespace === namespace && pod.addresses.some(holds))
    .map(({ key }) => `Pod ${key}`);
  if (pods === 'disabled') return origin('names of pods are not served (`pods disabled`)');
  if (pods === 'insecure') {
    const what = 'the address that the name spells, if it spells one; no pod is looked at';
    return origin(`${what} (\`pods insecure\`)`, ...holders);
  }
  if (holders.length > 0) return origin('a pod that has the address', ...holders);
  return origin(`no pod of Namespace ${namespace} has the address that the name spells`);
}

const FIXED: Readonly<Record<string, string>> = {
  '': 'the zone itself',
  svc: 'what Services are below',
  pod: 'what pods are below',
  'dns-version': 'the version of the specification',
  'ns.dns': 'this server',
};

function below(zone: FedZone, labels: readonly string[]): Origin {
  const fixed = FIXED[labels.join('.')];
  if (fixed !== undefined) return origin(fixed);
  const kind = labels.at(-1);
  if (kind !== 'svc' && kind !== 'pod') {
    return origin(`directly below a zone there are svc, pod, dns-version and ns.dns only`);
  }
  const namespace = labels.at(-2) ?? '';
  const trouble = namespaceTrouble(zone, namespace);
  if (trouble !== undefined) return origin(trouble);
  const itself = `Namespace ${namespace}`;
  if (labels.length === 2) {
    const isHidden = kind === 'pod' && zone.options.pods === 'disabled';
    return isHidden ? podOrigin(zone, '', namespace) : origin('a namespace', itself);
  }
  if (kind === 'svc') return serviceOrigin(zone, labels.slice(0, -1));
  if (labels.length > 3) return origin('there is nothing below the name of a pod');
  return podOrigin(zone, labels[0] ?? '', namespace);
}

/**
 * Where a name comes from.
 *
 * @param name  wire name
 * @returns     undefined when no zone of the cluster has it
 */
export function originOf(name: Uint8Array, zones: readonly FedZone[]): Origin | undefined {
  const all = zones.flatMap((zone) =>
    zone.zones.flatMap((text) => {
      const apex = nameFromText(text);
      return apex !== undefined && isWithin(name, apex) ? [{ zone, apex }] : [];
    }),
  );
  const [longest] = all.sort((a, b) => b.apex.length - a.apex.length);
  if (longest === undefined) return undefined;
  const { zone, apex } = longest;
  if (isReverseZone(name)) return originOfAddress(labelsOf(name), zone);
  return below(zone, labelsOf(name).slice(0, -labelsOf(apex).length || undefined));
}
