/**
 * What an agent tells the world while it runs: metrics, health, health checks of Services.
 */
import { collectDefaultMetrics } from 'prom-client';
import type { Registry } from 'prom-client';
import type { BindAddress } from '../addr.js';
import type { Control } from '../compile/control.js';
import type { SluiceConfig } from '../config/config.js';
import type { Log } from '../log.js';
import type { SourceEvent } from '../model/events.js';
import type { IgnoredPart } from '../model/ignored.js';
import { createSlis, registerBuildInfo, registerSource } from '../ops/agent-metrics.js';
import { createBacklog, IP_FAMILIES } from '../ops/backlog.js';
import { formatConfigz } from '../ops/configz.js';
import { createHealthCheckPorts, FAILED_TO_START } from '../ops/health-check-node-port.js';
import { createHealth } from '../ops/health.js';
import { createIgnoredReport } from '../ops/ignored.js';
import { keepListening } from '../http-server.js';
import type { Handler, Standing } from '../http-server.js';
import { createMetrics, metricsHandler } from '../ops/metrics.js';
import type { TableUse } from '../ops/metrics.js';
import { registerProxyMetrics } from '../ops/proxy-metrics.js';
import { laneStateOf, mapPinned } from '../ops/tables.js';
import type { Counters } from '../sources/counters.js';
import type { ClusterEvent } from '../sources/kubernetes/events.js';
import type { Outcome } from './reconcile.js';

/** As kube-proxy: a port that is taken is tried again. */
const BIND_RETRY_MS = 5_000;
/** As kube-proxy: a change may wait for so many sync periods. */
const HEALTH_PERIODS = 2;
/** Milliseconds between two samples of the event loop's delay: each wakes the agent. */
const LOOP_SAMPLE_MS = 1_000;

export interface Operations {
  /** What `/metrics` shows. */
  readonly registry: Registry;
  /** The control plane has taken an event in, but for parts of its object. */
  noticed(event: SourceEvent, ignored: readonly IgnoredPart[]): void;
  /** A pass: what is said about it is true of all events noticed before. */
  observe(pass: () => Promise<Outcome>): Promise<Outcome>;
  close(): Promise<void>;
}

export interface OperationsOptions {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly log: Log;
  readonly version: string;
  /** What happens between source and API server. */
  readonly source: Counters;
  /** Tell the cluster; what is told is logged in any case. */
  readonly post: (event: ClusterEvent) => void;
}

function tablesOf(config: SluiceConfig, control: Control, words: DataView): TableUse[] {
  const { capacities } = config;
  const lane = (): ReturnType<typeof laneStateOf> => laneStateOf(words);
  return [
    { table: 'flows4', capacity: capacities.flows4, used: () => lane().rows4 },
    { table: 'flows6', capacity: capacities.flows6, used: () => lane().rows6 },
    ...(['services', 'backends', 'setEntries', 'maglevEntries'] as const).map((table) => ({
      table,
      capacity: capacities[table],
      used: () => control.used()[table],
    })),
  ];
}

/** What kube-proxy calls trying to serve a Service's health checks. */
const LISTEN = 'Listen';

function checkEvent(service: string, note: string): ClusterEvent {
  const slash = service.indexOf('/');
  const [namespace, name] = [service.slice(0, Math.max(slash, 0)), service.slice(slash + 1)];
  return {
    regarding: { kind: 'Service', namespace, name },
    reason: FAILED_TO_START,
    action: LISTEN,
    note,
  };
}

export function createOperations(options: OperationsOptions): Operations {
  const { config, control, log, post } = options;
  const now = (): number => Date.now();
  const backlog = createBacklog(now);
  const { words: controlWords } = mapPinned(config.pinDir, 'control');
  let last: Outcome | undefined;
  const registry = createMetrics({
    control: controlWords,
    counters: mapPinned(config.pinDir, 'counters').words,
    tables: tablesOf(config, control, controlWords),
    pods: () => last?.pods ?? 0,
    problems: () => last?.problems.length ?? 0,
  });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS });
  const metrics = registerProxyMetrics({
    registry,
    backlog,
    withoutLocal: (family) => control.withoutLocal(family === 'IPv4' ? 4 : 6),
  });
  registerBuildInfo(registry, options.version);
  registerSource(registry, options.source);
  const reportIgnored = createIgnoredReport(registry, log);
  const slis = createSlis(() => health.isHealthy());
  const health = createHealth({
    backlog,
    isLaneAlive: () => laneStateOf(controlWords).alive,
    now,
    limitMs: HEALTH_PERIODS * config.sync.periodMs,
    answered: (endpoint, status) => {
      metrics.answered(endpoint, status);
      slis.answered(endpoint, status);
    },
  });
  const checks = createHealthCheckPorts({
    nodeName: config.nodeName,
    isHealthy: health.isHealthy,
  });
  const stand = (what: string, address: BindAddress | undefined, handler: Handler): Standing[] => {
    if (address === undefined) return [];
    const failed = (reason: string): void => {
      log.error({ address }, `${what} is not served, it will be tried again: ${reason}`);
    };
    return [keepListening(address, handler, BIND_RETRY_MS, failed)];
  };
  const extras = { slis: slis.registry, configz: () => formatConfigz(config) };
  const standing = [
    ...stand('metrics', config.metricsBindAddress, metricsHandler(registry, extras)),
    ...stand('healthz', config.healthzBindAddress, health.handler),
  ];

  const syncChecks = async (): Promise<string[]> => {
    if (!control.isSynced()) return [];
    const problems = await checks.sync(control.healthChecks());
    for (const { service, message } of problems) {
      log.warn({ kind: 'Service', service, reason: FAILED_TO_START }, message);
      post(checkEvent(service, message));
    }
    return problems.map(({ message }) => message);
  };

  return {
    registry,
    noticed: (event, ignored) => {
      reportIgnored(ignored);
      backlog.add(event);
      health.setNode(control.ownNode());
    },
    observe: async (pass) => {
      const startMs = performance.now();
      backlog.begin();
      const done = await pass();
      const programmed = backlog.settle(done.isProgrammed ? IP_FAMILIES : []);
      metrics.passed(performance.now() - startMs);
      for (const family of IP_FAMILIES) {
        const delays = programmed[family].map((triggerMs) => now() - triggerMs);
        metrics.programmed(family, delays);
      }
      const problems = [...done.problems, ...(await syncChecks())];
      last = { ...done, problems };
      return last;
    },
    close: async () => {
      await Promise.all(standing.map((server) => server.close()));
      await checks.close();
      registry.clear();
    },
  };
}
