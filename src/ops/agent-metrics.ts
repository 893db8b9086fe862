/**
 * Metrics of the agent as a program: what it is, how it gets on with its API server, and whether it
 * is well, under the names that component-base gives the last (KEP-3466).
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { ABI_VERSION } from '../../assembly/abi.js';
import type { Counters } from '../sources/counters.js';

export function registerBuildInfo(registry: Registry, version: string): void {
  const info = new Gauge({
    name: 'sluice_build_info',
    help: 'What runs: always 1',
    labelNames: ['version', 'abi', 'node_version'],
    registers: [registry],
  });
  info.set({ version, abi: String(ABI_VERSION), node_version: process.version }, 1);
}

const SOURCE_HELP: Readonly<Record<keyof Counters, string>> = {
  lists: 'Lists asked of the API server',
  watches: 'Watches begun at the API server',
  expired: 'Lists because the API server no longer had our version',
  failures: 'Requests to the API server and streams that failed',
  stale: 'Events that were repeated or came late',
  malformed: 'Objects that could not be used, once a mistake',
};

export function registerSource(registry: Registry, counters: Counters): void {
  for (const [name, help] of Object.entries(SOURCE_HELP)) {
    new Counter({
      name: `sluice_source_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(counters[name as keyof Counters]);
      },
    });
  }
}

/** What is checked, as `type` of the series. */
export type Probe = 'healthz' | 'livez';

export interface Slis {
  readonly registry: Registry;
  answered(probe: Probe, status: number): void;
}

/** The name of the one check behind each probe. */
const CHECK = 'proxy';

/** @param isHealthy  asked at every scrape */
export function createSlis(isHealthy: () => boolean): Slis {
  const registry = new Registry();
  const last = new Map<Probe, boolean>();
  new Gauge({
    name: 'kubernetes_healthcheck',
    help: 'This metric records the result of a single healthcheck.',
    labelNames: ['name', 'type'],
    registers: [registry],
    collect() {
      for (const type of ['healthz', 'livez'] as const) {
        this.set({ name: CHECK, type }, (last.get(type) ?? isHealthy()) ? 1 : 0);
      }
    },
  });
  const results = new Counter({
    name: 'kubernetes_healthchecks_total',
    help: 'This metric records the results of all healthcheck.',
    labelNames: ['name', 'type', 'status'],
    registers: [registry],
  });
  return {
    registry,
    answered: (type, code) => {
      const isGood = code === 200;
      last.set(type, isGood);
      results.inc({ name: CHECK, type, status: isGood ? 'success' : 'error' });
    },
  };
}
