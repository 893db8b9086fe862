/**
 * The server's metrics under CoreDNS's names, so that dashboards keep working.
 *
 * What plugins count is here; queries and replies are in dns-series.ts, what caches have in
 * cache-series.ts, what the process is in nameserver/own-series.ts.
 *
 * Source  CoreDNS, plugin/metrics and the README of each plugin
 */
import type { Metrics } from '../chain/setup.js';
import { createHistograms, createSums } from './series.js';
import type { Family } from './series.js';

interface Definition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

/** 0.25 ms, doubled fifteen times. */
export const DURATION_BUCKETS = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i);

const counter = (help: string, ...labels: string[]): Definition => ({
  type: 'counter',
  help,
  labels,
});
const gauge = (help: string, ...labels: string[]): Definition => ({ type: 'gauge', help, labels });
const seconds = (help: string, ...labels: string[]): Definition => ({
  type: 'histogram',
  help,
  labels,
  buckets: DURATION_BUCKETS,
});

/** What plugins may count. */
const DEFINITIONS: Readonly<Record<string, Definition>> = {
  coredns_panics_total: counter('Failures of a plugin that nobody had foreseen'),
  coredns_reload_failed_total: counter('Corefiles that were refused'),
  coredns_cache_misses_total: counter('Queries not in the cache', 'server', 'zones', 'view'),
  coredns_cache_requests_total: counter(
    'Queries that came by the cache',
    'server',
    'zones',
    'view',
  ),
  coredns_forward_healthcheck_broken_total: counter('Queries when every upstream was down'),
  coredns_forward_max_concurrent_rejects_total: counter('Queries above max_concurrent'),
  coredns_proxy_request_duration_seconds: seconds(
    'Time an upstream took',
    'proxy_name',
    'to',
    'rcode',
  ),
  coredns_proxy_healthcheck_failures_total: counter('Failed health checks', 'proxy_name', 'to'),
  coredns_proxy_conn_cache_hits_total: counter(
    'Connections used again',
    'proxy_name',
    'to',
    'proto',
  ),
  coredns_proxy_conn_cache_misses_total: counter('Connections made', 'proxy_name', 'to', 'proto'),
  coredns_kubernetes_dns_programming_duration_seconds: {
    type: 'histogram',
    help: 'From a change in the cluster to its answer',
    labels: ['service_kind'],
    // 1 ms, doubled nineteen times.
    buckets: Array.from({ length: 20 }, (_, i) => 0.001 * 2 ** i),
  },
  coredns_hosts_entries: gauge('Entries of hosts', 'server', 'zones', 'view'),
  coredns_hosts_reload_timestamp_seconds: gauge('When hosts were read last'),
  coredns_autopath_success_total: counter('Names found by the search list', 'server'),
  coredns_template_matches_total: counter(
    'Queries a template matched',
    ...['server', 'zone', 'view', 'class', 'type'],
  ),
  coredns_template_template_failures_total: counter(
    'Templates that failed',
    ...['server', 'zone', 'view', 'class', 'type', 'section', 'template'],
  ),
  coredns_template_rr_failures_total: counter(
    'Templates that gave no record',
    ...['server', 'zone', 'view', 'class', 'type', 'section', 'template'],
  ),
  coredns_acl_blocked_requests_total: counter('Queries refused', 'server', 'zone', 'view'),
  coredns_acl_filtered_requests_total: counter(
    'Queries answered without data',
    'server',
    'zone',
    'view',
  ),
  coredns_acl_allowed_requests_total: counter('Queries let pass', 'server', 'view'),
  coredns_acl_dropped_requests_total: counter('Queries not answered', 'server', 'zone', 'view'),
  coredns_dns64_requests_translated_total: counter('AAAA made from A', 'server', 'view'),
  coredns_health_request_duration_seconds: seconds('Time the own health check took'),
  coredns_health_request_failures_total: counter('Own health checks that failed'),
  coredns_local_localhost_requests_total: counter('Queries for localhost'),
  sluice_dns_refused_pending_total: counter('Queries for which there was no room to wait'),
};

export interface ServerMetrics extends Metrics {
  /** What has been counted so far; a counter without labels is there from the beginning. */
  families(): Family[];
}

export function createServerMetrics(): ServerMetrics {
  const sums = new Map<string, ReturnType<typeof createSums>>();
  const histograms = new Map<string, ReturnType<typeof createHistograms>>();

  const expectType = (name: string, type: Definition['type']): Definition => {
    const definition = DEFINITIONS[name];
    if (definition?.type !== type) throw new RangeError(`there is no ${type} ${name}`);
    return definition;
  };
  const once = <M>(known: Map<string, M>, name: string, make: () => M): M => {
    const metric = known.get(name) ?? make();
    known.set(name, metric);
    return metric;
  };
  for (const [name, { type, labels }] of Object.entries(DEFINITIONS)) {
    if (type === 'counter' && labels.length === 0) once(sums, name, createSums).set({}, 0);
  }

  return {
    count: (name, labels = {}) => {
      expectType(name, 'counter');
      once(sums, name, createSums).add(labels, 1);
    },
    set: (name, value, labels = {}) => {
      expectType(name, 'gauge');
      once(sums, name, createSums).set(labels, value);
    },
    observe: (name, value, labels = {}) => {
      const { buckets = [] } = expectType(name, 'histogram');
      once(histograms, name, () => createHistograms(name, buckets)).observe(labels, value);
    },
    families: () =>
      Object.entries(DEFINITIONS).flatMap(([name, { type, help }]) => {
        const values = (sums.get(name) ?? histograms.get(name))?.values() ?? [];
        const aggregator = type === 'gauge' ? 'max' : 'sum';
        return values.length === 0 ? [] : [{ name, help, type, aggregator, values }];
      }),
  };
}
