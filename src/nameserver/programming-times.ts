/**
 * How long it takes from a change of endpoints to the answer that has it.
 *
 * As in CoreDNS, of headless Services only: the names of others do not change with their endpoints.
 *
 * Spec  Kubernetes SIG Scalability, DNS programming latency; CoreDNS, plugin/kubernetes/object/metrics.go
 */
import type { Metrics } from '../dns/chain/setup.js';
import type { SourceEvent } from '../model/events.js';
import { namedKey, objectKey } from '../model/keys.js';
import type { NameKey, Named } from '../model/named.js';
import { SERVICE_NAME_LABEL } from '../model/slices.js';
import { triggerOf } from '../ops/backlog.js';

const MS_PER_SEC = 1000;
const SERIES = 'coredns_kubernetes_dns_programming_duration_seconds';
/** The only kind that CoreDNS knows, too: who changes slices by a selector says when. */
const LABELS = { service_kind: 'headless_with_selector' };

export interface ProgrammingTimes {
  /** Take note of an event before the cluster does. */
  noticed(event: SourceEvent): void;
  /** These are the names that it has changed. */
  touched(keys: readonly NameKey[]): void;
  /** What was touched is on its way. @returns  to be called when everybody has it */
  flushing(): () => void;
}

/** @param nowMs  Unix time, milliseconds */
export function createProgrammingTimes(
  named: Pick<Named, 'services'>,
  metrics: Metrics,
  nowMs: () => number,
): ProgrammingTimes {
  const startMs = nowMs();
  /** By slice: a change that keeps the time is no change of its endpoints. */
  const known = new Map<string, number>();
  let latest: { readonly service: NameKey; readonly triggerMs: number } | undefined;
  let waiting: number[] = [];
  let isSynced = false;
  return {
    noticed: (event) => {
      latest = undefined;
      if (event.type === 'synced') isSynced = true;
      else if (event.kind !== 'EndpointSlice') return;
      else if (event.type === 'delete') known.delete(event.key);
      else {
        const { metadata } = event.object;
        const triggerMs = triggerOf(event.object);
        const service = namedKey(metadata?.namespace, metadata?.labels?.[SERVICE_NAME_LABEL] ?? '');
        if (triggerMs === undefined || named.services.get(service)?.isHeadless !== true) return;
        const key = objectKey(metadata);
        const isNew = known.get(key) !== triggerMs;
        known.set(key, triggerMs);
        // What was there before us has waited for us, not for the names.
        if (isNew && isSynced && triggerMs >= startMs)
          latest = { service: `service:${service}`, triggerMs };
      }
    },
    touched: (keys) => {
      if (latest !== undefined && keys.includes(latest.service)) waiting.push(latest.triggerMs);
    },
    flushing: () => {
      const underway = waiting;
      waiting = [];
      return () => {
        for (const triggerMs of underway) {
          metrics.observe(SERIES, Math.max(0, nowMs() - triggerMs) / MS_PER_SEC, LABELS);
        }
      };
    },
  };
}
