/** What metrics call the zones and views of a program, and whose counters of the core each zone has. */
import { DNS_ZONE_MAX, DNS_ZONE_NONE } from '../../../assembly/abi-dns.js';
import type { ServerBlock } from '../corefile/corefile.js';
import type { Query } from '../plugin.js';
import { foldName, formatName } from '../wire/name.js';
import type { ListenerPlan } from './listeners.js';
import { blockFor, zoneOf } from './server-blocks.js';
import type { BlocksByZone } from './server-blocks.js';
import type { Labels, Metrics, ZoneLabels } from './setup.js';

/** Counters of the core: those of one zone of a server. */
export interface ZoneCounters {
  /** 1 to DNS_ZONE_MAX - 1. Of many zones, those that come last share the last one. */
  readonly index: number;
  readonly server: string;
  /** `example.org.` */
  readonly zone: string;
}

/** Counters of each zone of each listener. */
export function assignCounters(plans: readonly ListenerPlan[]): ZoneCounters[] {
  const all = plans.flatMap((plan) =>
    plan.blocks.flatMap(({ zones }) =>
      zones.map((zone) => ({ server: plan.server, zone: formatName(zone) })),
    ),
  );
  const distinct = new Map(all.map((each) => [`${each.server} ${each.zone}`, each]));
  return [...distinct.values()].map((each, i) => ({
    ...each,
    index: Math.min(i + 1, DNS_ZONE_MAX - 1),
  }));
}

/** Index of the counters of a zone of a server; DNS_ZONE_NONE: it has none. */
export function counterIndex(
  counters: readonly ZoneCounters[],
  { server, zone }: Pick<ZoneLabels, 'server' | 'zone'>,
): number {
  const isMeant = (each: ZoneCounters): boolean => each.server === server && each.zone === zone;
  return counters.find(isMeant)?.index ?? DNS_ZONE_NONE;
}

/** Of what no server block has (CoreDNS's word). */
export const DROPPED: ZoneLabels = { server: '', zone: 'dropped', view: '' };

/** What metrics call the zone and the view that have a query. */
export function zoneLabels(server: string, byZone: BlocksByZone, query: Query): ZoneLabels {
  const zone = zoneOf(byZone, query.name)?.zone;
  if (zone === undefined) return DROPPED;
  const view = blockFor(byZone, query)?.view?.name ?? '';
  return { server, zone: formatName(foldName(zone)), view };
}

/** A directive of a server block, as it is served. */
export interface EnabledPlugin extends ZoneLabels {
  readonly name: string;
}

/** @param viewOf  name of a block's view */
export function pluginsEnabled(
  plans: readonly ListenerPlan[],
  viewOf: (block: ServerBlock) => string | undefined,
): EnabledPlugin[] {
  return plans.flatMap(({ server, blocks }) =>
    blocks.flatMap(({ block, zones }) => {
      const names = [...new Set(block.directives.map(({ name }) => name.text))];
      const view = viewOf(block) ?? '';
      return zones
        .map(formatName)
        .flatMap((zone) => names.map((name) => ({ server, zone, view, name })));
    }),
  );
}

/** Metrics of a server block: those with a label `view` have its name there. */
export function metricsOfView(metrics: Metrics, view: string | undefined): Metrics {
  if (view === undefined) return metrics;
  const named = (labels: Labels = {}): Labels => ('view' in labels ? { ...labels, view } : labels);
  return {
    count: (name, labels) => {
      metrics.count(name, named(labels));
    },
    set: (name, value, labels) => {
      metrics.set(name, value, named(labels));
    },
    observe: (name, value, labels) => {
      metrics.observe(name, value, named(labels));
    },
  };
}
