/**
 * The metrics of kube-proxy that mean something here, under kube-proxy's names: dashboards and the
 * network programming latency objective go on working.
 *
 * Spec  kube-proxy, pkg/proxy/metrics/metrics.go
 */
import { Counter, exponentialBuckets, Gauge, Histogram, linearBuckets } from 'prom-client';
import type { Registry } from 'prom-client';
import type { WithoutLocal } from '../compile/local-policy.js';
import { IP_FAMILIES } from './backlog.js';
import type { Backlog, FamilyBacklog, IpFamily } from './backlog.js';

const PREFIX = 'kubeproxy_';
const MS_PER_SEC = 1000;

const SYNC_BUCKETS = exponentialBuckets(0.001, 2, 15);
const PROGRAMMING_BUCKETS = [
  0.25,
  0.5,
  ...linearBuckets(1, 1, 59),
  ...linearBuckets(60, 5, 12),
  ...linearBuckets(120, 30, 7),
];

export interface ProxyMetricsOptions {
  readonly registry: Registry;
  readonly backlog: Backlog;
  readonly withoutLocal: (family: IpFamily) => WithoutLocal;
}

export interface ProxyMetrics {
  /** A pass is over, whether it succeeded or not; it served both families. */
  passed(durationMs: number): void;
  /** @param delaysMs  from the change in the cluster to now */
  programmed(family: IpFamily, delaysMs: readonly number[]): void;
  answered(endpoint: 'healthz' | 'livez', status: number): void;
}

/** A gauge of each family's backlog; no series where there is no value. */
function backlogGauge(
  { registry, backlog }: ProxyMetricsOptions,
  name: string,
  help: string,
  read: (state: FamilyBacklog) => number | undefined,
): Gauge {
  return new Gauge({
    name: `${PREFIX}${name}`,
    help,
    labelNames: ['ip_family'],
    registers: [registry],
    collect() {
      for (const family of IP_FAMILIES) {
        const value = read(backlog.family(family));
        if (value !== undefined) this.set({ ip_family: family }, value);
      }
    },
  });
}

function backlogCounter(
  { registry, backlog }: ProxyMetricsOptions,
  name: string,
  help: string,
  read: (state: FamilyBacklog) => number,
): Counter {
  return new Counter({
    name: `${PREFIX}${name}`,
    help,
    labelNames: ['ip_family'],
    registers: [registry],
    collect() {
      this.reset();
      for (const family of IP_FAMILIES) {
        this.inc({ ip_family: family }, read(backlog.family(family)));
      }
    },
  });
}

function registerBacklog(options: ProxyMetricsOptions): void {
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / MS_PER_SEC);
  backlogGauge(
    options,
    'sync_proxy_rules_last_timestamp_seconds',
    'The last time proxy rules were successfully synced',
    (state) => seconds(state.lastUpdatedMs),
  );
  backlogGauge(
    options,
    'sync_proxy_rules_last_queued_timestamp_seconds',
    'The last time a sync of proxy rules was queued',
    (state) => seconds(state.lastQueuedMs),
  );
  backlogGauge(
    options,
    'sync_proxy_rules_endpoint_changes_pending',
    'Pending proxy rules Endpoint changes',
    (state) => state.slicesPending,
  );
  backlogCounter(
    options,
    'sync_proxy_rules_endpoint_changes_total',
    'Cumulative proxy rules Endpoint changes',
    (state) => state.slicesTotal,
  );
  backlogGauge(
    options,
    'sync_proxy_rules_service_changes_pending',
    'Pending proxy rules Service changes',
    (state) => state.servicesPending,
  );
  backlogCounter(
    options,
    'sync_proxy_rules_service_changes_total',
    'Cumulative proxy rules Service changes',
    (state) => state.servicesTotal,
  );
}

function registerWithoutLocal({ registry, withoutLocal }: ProxyMetricsOptions): void {
  new Gauge({
    name: `${PREFIX}sync_proxy_rules_no_local_endpoints_total`,
    help: 'Number of services with a Local traffic policy and no endpoints',
    labelNames: ['ip_family', 'traffic_policy'],
    registers: [registry],
    collect() {
      for (const family of IP_FAMILIES) {
        const { internal, external } = withoutLocal(family);
        this.set({ ip_family: family, traffic_policy: 'internal' }, internal);
        this.set({ ip_family: family, traffic_policy: 'external' }, external);
      }
    },
  });
}

export function registerProxyMetrics(options: ProxyMetricsOptions): ProxyMetrics {
  const { registry } = options;
  const labelled = { labelNames: ['ip_family'] as const, registers: [registry] };
  const duration = new Histogram({
    ...labelled,
    name: `${PREFIX}sync_proxy_rules_duration_seconds`,
    help: 'SyncProxyRules latency in seconds',
    buckets: SYNC_BUCKETS,
  });
  const programming = new Histogram({
    ...labelled,
    name: `${PREFIX}network_programming_duration_seconds`,
    help: 'In Cluster Network Programming Latency in seconds',
    buckets: PROGRAMMING_BUCKETS,
  });
  registerBacklog(options);
  registerWithoutLocal(options);
  const answers = (endpoint: string, what: string) =>
    new Counter({
      name: `${PREFIX}proxy_${endpoint}_total`,
      help: `Cumulative ${what} HTTP status`,
      labelNames: ['code'],
      registers: [registry],
    });
  const counted = {
    healthz: answers('healthz', 'proxy healthz'),
    livez: answers('livez', 'proxy livez'),
  };
  return {
    passed: (durationMs) => {
      for (const family of IP_FAMILIES) {
        duration.observe({ ip_family: family }, durationMs / MS_PER_SEC);
      }
    },
    programmed: (family, delaysMs) => {
      for (const ms of delaysMs) {
        programming.observe({ ip_family: family }, Math.max(0, ms) / MS_PER_SEC);
      }
    },
    answered: (endpoint, status) => counted[endpoint].inc({ code: String(status) }),
  };
}
