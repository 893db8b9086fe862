/** What the ratios were on a quiet machine, and what they must reach: baseline.json. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Result } from './harness.js';
import type { Machine } from './machine.js';

/** One ratio as it was. */
export interface BaselineEntry {
  readonly ratio: number;
  readonly spread: number;
}

/** Worst ratios that are good enough; what is not here is only reported. */
export const BARS: Readonly<Record<string, number>> = {
  'net/flow-udp64/1': 4.5,
  'net/flow-udp64/10k': 4.5,
  'net/tcp-stream': 0.97,
  'net/tcp-stream/cpu': 1,
  'net/tcp-rr': 1.1,
  'net/tcp-stream-vxlan': 1,
  'net/lane': 1,
  'net/tcp-stream-lane': 0.5,
  'core/flow-hit/1M': 1.3,
  'core/dns/answer/a': 0.05,
  'core/dns/answer/nxdomain': 0.05,
  'core/dns/answer/srv': 0.05,
  'core/dns/answer/a/c': 1.3,
  'core/dns/answer/nxdomain/c': 1.3,
  'core/dns/answer/srv/c': 1.3,
  'net/new-flows/1-service': 1,
  'net/new-flows/10k-services/iptables': 5,
  'net/new-flows/flat': 0.9,
  'net/first-packets/10k-services': 1,
  'net/egress/tcp': 1,
  'net/egress/new-flows': 1,
  'net/first-packets/10k-services/iptables': 5,
  'dns/udp/one': 0.9,
  'dns/udp/5k': 0.9,
  'dns/udp/mix': 0.9,
  'dns/xdp/int': 1,
  'dns/xdp/mix': 1,
  'dns/xdp/int/cpu': 1,
  'dns/xdp/mix/cpu': 1,
  'dns/xdp/int/1M': 1,
  'dns/xdp/mix/1M': 1,
  'cni/add/p50': 0.5,
  'cni/add/p95': 0.5,
  'cni/del/p50': 0.5,
  'cni/del/p95': 0.5,
  'cni/add/20-at-once/p50': 0.5,
  'cni/add/20-at-once/p95': 0.5,
  'cni/del/20-at-once/p50': 0.5,
  'cni/del/20-at-once/p95': 0.5,
};

/** Worst values of results without a rival that are good enough, in the result's own unit. */
export const LIMITS: Readonly<Record<string, number>> = {
  'control/one-change/10k/p99': 5,
  'control/one-change/250k-endpoints/p99': 5,
  'control/one-change/agent/10k/p99': 5,
  'control/one-change/agent/250k-endpoints/p99': 5,
  'cni/check/p50': 5,
  'cni/check/p95': 5,
  'cni/status/p50': 3,
  'cni/status/p95': 3,
};

/** Two quiet runs on one machine differ by less. */
const BAND = 0.25;

export interface Baseline {
  readonly machine: Machine;
  /** Relative deviation from `ratio`, to the worse, that is still noise. */
  readonly band: number;
  readonly results: Readonly<Record<string, BaselineEntry>>;
}

const FILE = fileURLToPath(new URL('baseline.json', import.meta.url));

/** The baseline; undefined while none has been saved. */
export function readBaseline(): Baseline | undefined {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Baseline) : undefined;
}

/** Replace the entries that this run measured; the others stay. */
export function saveBaseline(machine: Machine, results: readonly Result[]): void {
  const kept = readBaseline()?.results ?? {};
  const measured = results.flatMap(({ name, ratio, spread }) =>
    ratio === null ? [] : [[name, { ratio: round(ratio), spread: round(spread) }] as const],
  );
  const merged = Object.entries({ ...kept, ...Object.fromEntries(measured) }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const baseline: Baseline = { machine, band: BAND, results: Object.fromEntries(merged) };
  writeFileSync(FILE, `${JSON.stringify(baseline, undefined, 2)}\n`);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** What is wrong with a value that stands alone. */
function judgeValue({ name, value, unit }: Result): string | undefined {
  const limit = LIMITS[name];
  if (limit === undefined || value <= limit) return undefined;
  return `${name}: ${value.toFixed(3)} ${unit} is more than the ${limit} that are good enough`;
}

/**
 * What is wrong with a result: a ratio, or a value that has a limit.
 *
 * @returns a sentence; undefined when nothing is, or when there is nothing to compare with
 */
export function judge(result: Result, baseline: Baseline | undefined): string | undefined {
  const { name, ratio } = result;
  if (ratio === null) return judgeValue(result);
  const isWorse = (limit: number): boolean =>
    result.better === 'higher' ? ratio < limit : ratio > limit;
  const bar = BARS[name];
  if (bar !== undefined && isWorse(bar)) {
    return `${name}: ratio ${ratio.toFixed(3)} misses its bar ${bar}`;
  }
  const entry = baseline?.results[name];
  if (baseline === undefined || entry === undefined) return undefined;
  const sign = result.better === 'higher' ? -1 : 1;
  if (!isWorse(entry.ratio * (1 + sign * baseline.band))) return undefined;
  const band = `${baseline.band * 100} %`;
  return `${name}: ratio ${ratio.toFixed(3)} is worse than the baseline's ${entry.ratio} by more than ${band}`;
}
