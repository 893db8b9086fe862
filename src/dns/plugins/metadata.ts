/**
 * What is known of a query besides what it says, by labels such as `kubernetes/client-namespace`.
 *
 * The pod that asks is known where the dataplane has vouched for it. Parts of a name of the cluster
 * are read from the name, whether there is such a thing or not. Which upstream has answered, and
 * labels of other plugins, are not known.
 *
 * Spec  CoreDNS, plugin/metadata; plugin/kubernetes: metadata.go, parse.go
 */
import type { SetupContext } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import type { Query, WireName } from '../plugin.js';
import { foldName, formatName, labelOffsets } from '../wire/name.js';
import { readZones, zoneOf } from './zones.js';

/** @returns the empty string for what is not known */
export type Metadata = (label: string, query: Query) => string;

type Read = (query: Query) => string;

/** Labels that need no server block. */
export const CLIENT_LABELS: ReadonlyMap<string, Read> = new Map([
  ['kubernetes/client-namespace', ({ client }: Query) => client.pod?.namespace ?? ''],
  ['kubernetes/client-pod-name', ({ client }: Query) => client.pod?.name ?? ''],
]);

/** Whether a text can be a label: a plugin, a slash, a name. */
export function isLabel(text: string): boolean {
  return /^[^/]+\/./.test(text);
}

/** Labels of a name in front of its zone, the first one first. */
function labelsBefore(name: WireName, zone: WireName): string[] {
  return labelOffsets(name)
    .filter((at) => name.length - at > zone.length)
    .map((at) => formatName(Uint8Array.of(...name.subarray(at, at + 1 + (name[at] ?? 0)), 0)))
    .map((label) => label.slice(0, -1));
}

/** `[_PORT._PROTOCOL.|ENDPOINT.]SERVICE.NAMESPACE.{svc|pod}` */
function partsOf(name: WireName, zone: WireName): Readonly<Record<string, string>> {
  const [kind = '', namespace = '', service = '', ...front] = labelsBefore(
    foldName(name),
    zone,
  ).reverse();
  if ((kind !== 'svc' && kind !== 'pod') || front.length > 2) return {};
  const [first = '', second] = front;
  const parts = { kind, namespace, service };
  if (second === undefined) return { ...parts, endpoint: first };
  return { ...parts, protocol: first.replace(/^_/, ''), 'port-name': second.replace(/^_/, '') };
}

/** Labels as a server block has them. */
export function createMetadata({ block, zones }: Pick<SetupContext, 'block' | 'zones'>): Metadata {
  const directiveOf = (plugin: string) => block.find(({ name }) => name.text === plugin);
  const kubernetes = directiveOf('kubernetes');
  const ofCluster = kubernetes === undefined ? [] : readZones(argumentsOf(kubernetes), zones);
  const view = directiveOf('view')?.args[0]?.text ?? '';
  return (label, query) => {
    const client = CLIENT_LABELS.get(label);
    if (client !== undefined) return client(query);
    if (label === 'view/name') return view;
    const zone = zoneOf(query.name, ofCluster);
    const [plugin, part = ''] = label.split('/');
    if (zone === undefined || plugin !== 'kubernetes') return '';
    const parts = partsOf(query.name, zone);
    return Object.hasOwn(parts, part) ? (parts[part] ?? '') : '';
  };
}
