/**
 * `/healthz` and `/livez`, to the byte of kube-proxy.
 *
 * Healthy: no family has waited longer than the limit for a change to be programmed, and the lane
 * turns. `/healthz` asks also whether the node is to be kept: load balancers drain by it. `/livez`
 * does not, and is the one for liveness probes.
 *
 * Spec  kube-proxy, pkg/proxy/healthcheck/proxy_health.go; KEP-3836
 */
import type { NodeRecord } from '../model/nodes.js';
import { IP_FAMILIES } from './backlog.js';
import type { Backlog, IpFamily } from './backlog.js';
import { NOT_FOUND } from '../http-server.js';
import type { Answer, Handler } from '../http-server.js';

/** Twice kube-proxy's default syncPeriod. */
export const HEALTH_LIMIT_MS = 60_000;

export interface HealthOptions {
  readonly backlog: Backlog;
  /** Whether the lane's heartbeat is fresh. */
  readonly isLaneAlive: () => boolean;
  /** Milliseconds of Unix time. */
  readonly now: () => number;
  /** A change waits at most this long. */
  readonly limitMs?: number;
  /** Told the status of every answer. */
  readonly answered?: (endpoint: 'healthz' | 'livez', status: number) => void;
}

export interface Health {
  /** The node aside. */
  isHealthy(): boolean;
  /**
   * This node's object as it is now. A node that was never seen is kept (a source need not have
   * it); one that has gone is not.
   */
  setNode(node: NodeRecord | undefined): void;
  readonly handler: Handler;
}

/** As Go writes it: RFC 3339, no trailing zeros of the fraction. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
}

export function createHealth(options: HealthOptions): Health {
  const { backlog, isLaneAlive, now, limitMs = HEALTH_LIMIT_MS } = options;
  let wasSeen = false;
  let isEligible = true;

  const isOnTime = (family: IpFamily): boolean => {
    const { oldestMs } = backlog.family(family);
    return oldestMs === undefined || now() - oldestMs < limitMs;
  };

  const report = (endpoint: 'healthz' | 'livez', isKept: boolean): Answer => {
    const isAlive = isLaneAlive();
    const families = IP_FAMILIES.map((family) => ({
      family,
      lastUpdatedMs: backlog.family(family).lastUpdatedMs,
      healthy: isAlive && isOnTime(family),
    }));
    const healthy = families.every((family) => family.healthy);
    const isGood = healthy && isKept;
    const currentTime = now();
    const lastMs = isGood ? currentTime : Math.max(...families.map((f) => f.lastUpdatedMs));
    const status = isGood ? 200 : 503;
    options.answered?.(endpoint, status);
    const body = {
      lastUpdated: formatTime(lastMs),
      currentTime: formatTime(currentTime),
      ...(endpoint === 'healthz' ? { nodeEligible: isKept } : {}),
      healthy,
      status: Object.fromEntries(
        families.map((f) => [
          f.family,
          { lastUpdated: formatTime(f.lastUpdatedMs), healthy: f.healthy },
        ]),
      ),
    };
    const headers = { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' };
    return { status, headers, body: JSON.stringify(body) };
  };

  return {
    isHealthy: () => isLaneAlive() && IP_FAMILIES.every(isOnTime),
    setNode: (node) => {
      wasSeen ||= node !== undefined;
      isEligible = node ? !node.isLeaving : !wasSeen;
    },
    handler: (path) => {
      if (path === '/healthz') return report('healthz', isEligible);
      if (path === '/livez') return report('livez', true);
      return NOT_FOUND;
    },
  };
}
