/**
 * A node's services from Kubernetes objects: the same model and the same compiler that the agent has,
 * over links that are made up (replay/world.ts).
 */
import { parseCidr } from '../addr.js';
import type { Core } from '../core/core.js';
import type { Capacities } from '../core/regions.js';
import { DataplaneError } from '../errors.js';
import type { PutEvent } from '../model/events.js';
import type { ObjectKey } from '../model/keys.js';
import { makeNode } from '../replay/node.js';
import type { MadeNode } from '../replay/node.js';
import { readManifests } from '../sources/manifests.js';

export interface ClusterConfig {
  /** Name of the node whose network this is. */
  readonly node: string;
  /**
   * All Services, EndpointSlices, Nodes, Pods and Namespaces: YAML or JSON, or parsed objects. What was
   * there the last time and is not any more is taken away.
   */
  readonly objects: string | readonly object[];
  /** Service ranges: what no Service has there is dropped. */
  readonly serviceCIDRs?: readonly string[];
  /** `namespace/name` of the Service whose addresses answer DNS; default kube-system/kube-dns. */
  readonly dnsService?: string;
  /** Unix time in seconds: the serial of the zones; default: now. */
  readonly nowSec?: number;
}

/** A link that was made up. */
export interface ConfiguredLink {
  readonly ifindex: number;
  readonly kind: 'pod' | 'host' | 'uplink';
  /** `namespace/name` */
  readonly pod?: string;
}

export interface Configured {
  readonly links: readonly ConfiguredLink[];
  /** What of the objects cannot be used, or does not fit, a sentence each. */
  readonly notes: readonly string[];
  /** Names that DNS queries are answered for. */
  readonly names: number;
}

export type Configure = (config: ClusterConfig) => Configured;

const MS_PER_SEC = 1000;

/** @throws DataplaneError ERR_YAML, or ERR_OBJECT naming object and key */
function readObjects(objects: ClusterConfig['objects']): readonly PutEvent[] {
  const text =
    typeof objects === 'string' ? objects : objects.map((o) => JSON.stringify(o)).join('\n---\n');
  const { events, bad } = readManifests(text, 'objects');
  const [first] = bad;
  if (first === undefined) return events;
  const [finding] = first.findings;
  const where =
    finding === undefined ? '' : `: ${finding.key} is ${finding.value}: ${finding.expectation}`;
  throw new DataplaneError('ERR_OBJECT', `${first.name}${where}`);
}

interface State {
  readonly made: MadeNode;
  readonly node: string;
}

export function createConfigure(core: Core, capacities: Capacities): Configure {
  let state: State | undefined;

  const begin = ({ node, serviceCIDRs = [], dnsService }: ClusterConfig): State => {
    const made = makeNode(core, {
      nodeName: node,
      capacities,
      serviceCIDRs: serviceCIDRs.map(parseCidr),
      dnsService: dnsService as ObjectKey | undefined,
    });
    return { made, node };
  };

  return (config) => {
    const events = readObjects(config.objects);
    state ??= begin(config);
    if (state.node !== config.node) {
      const message = `this core is node ${state.node}: another node, here ${config.node}, needs a core of its own`;
      throw new DataplaneError('ERR_CONFIG', message);
    }
    const nowSec = config.nowSec ?? Math.floor(Date.now() / MS_PER_SEC);
    const { world, notes, names } = state.made.settle(events, nowSec);
    const links = world.links.map(({ ifindex, kind, pod }) => ({
      ifindex,
      kind,
      ...(pod === undefined ? {} : { pod }),
    }));
    return { links, notes, names };
  };
}
