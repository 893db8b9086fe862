/** What runs between two pods: an iperf3 stream, requests and responses, pings. */
import { GENERATOR_CPU, SUBJECT_CPU } from '../pin.js';
import type { Scope } from '../scope.js';
import { compileNative } from '../twin.js';
import { busySeconds } from './cpu.js';
import type { Netns } from './netns.js';
import { RR_SERVICE, SERVER_ADDR, STREAM_PORT, STREAM_SERVICE, type PodNode } from './pods.js';
import { delay, run, start } from './sh.js';

/** Time for a server to listen that does not say so. */
const LISTEN_MS = 300;

/** Start the server of `streamOnce`. */
export function startStreamServer(scope: Scope, { server }: PodNode): Promise<void> {
  return startStreamServerIn(scope, server, STREAM_PORT);
}

/** Start an iperf3 server in a pod. */
export async function startStreamServerIn(
  scope: Scope,
  server: Netns,
  port: number,
): Promise<void> {
  const place = { netns: server, cpu: SUBJECT_CPU };
  start(scope, place, 'iperf3', '--server', '--port', String(port), '--logfile', '/dev/null');
  await delay(LISTEN_MS);
}

/** The part of iperf3's report that is read. */
interface StreamReport {
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number; readonly bytes: number };
  };
}

/** Gigabits a second, and seconds of processor time of the whole machine for each gigabit. */
export type StreamKey = 'gbps' | 'cpu';

/** One TCP stream, pod → ClusterIP → pod; the sender on one processor, the receiver on the other. */
export function streamOnce({ client }: PodNode, secs: number): Promise<Record<StreamKey, number>> {
  const { clusterIP, port } = STREAM_SERVICE;
  return streamTo(client, { address: clusterIP, port }, secs);
}

/** One TCP stream to wherever an iperf3 server is. */
export async function streamTo(
  client: Netns,
  { address, port }: { readonly address: string; readonly port: number },
  secs: number,
): Promise<Record<StreamKey, number>> {
  const place = { netns: client, cpu: GENERATOR_CPU };
  const args = ['--client', address, '--port', String(port), '--time', String(secs), '--json'];
  const before = busySeconds();
  const report = JSON.parse(await run(place, 'iperf3', ...args)) as StreamReport;
  const busy = busySeconds() - before;
  const { bits_per_second: bps, bytes } = report.end.sum_received;
  return { gbps: bps / 1e9, cpu: busy / ((bytes * 8) / 1e9) };
}

/** Transactions a second, and latencies in microseconds. */
export type RrKey = 'tps' | 'p50' | 'p99';

/**
 * Requests and responses of 64 bytes on one connection.
 *
 * Client and server share a processor: on a virtual machine waking another one costs the
 * hypervisor's exits, several times what all of the network does.
 */
export async function rrOnce({ client }: PodNode, secs: number): Promise<Record<RrKey, number>> {
  const rr = await compileNative('rr');
  const place = { netns: client, cpu: SUBJECT_CPU };
  const { clusterIP, port } = RR_SERVICE;
  const said = await run(place, rr, 'client', clusterIP, String(port), String(secs));
  const { transactions, seconds, p50, p99 } = JSON.parse(said) as {
    readonly transactions: number;
    readonly seconds: number;
    readonly p50: number;
    readonly p99: number;
  };
  return { tps: transactions / seconds, p50, p99 };
}

export type RttKey = 'p50' | 'p99';

/** @param sorted  ascending */
function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('no round trip was measured');
  return value;
}

/** Pings from pod to pod in quick succession, microseconds. */
export async function pingOnce(
  { client }: PodNode,
  count: number,
): Promise<Record<RttKey, number>> {
  const place = { netns: client, cpu: SUBJECT_CPU };
  const said = await run(place, 'ping', '-n', '-i', '0.002', '-c', String(count), SERVER_ADDR);
  const times = [...said.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1e3);
  const sorted = times.sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** Time to connect through the ClusterIP, microseconds: the first packets of `count` flows. */
export async function connectOnce(
  { client }: PodNode,
  count: number,
): Promise<Record<RttKey, number>> {
  const rr = await compileNative('rr');
  const place = { netns: client, cpu: SUBJECT_CPU };
  const { clusterIP, port } = RR_SERVICE;
  const said = await run(place, rr, 'connect', clusterIP, String(port), String(count));
  const { p50, p99 } = JSON.parse(said) as { readonly p50: number; readonly p99: number };
  return { p50, p99 };
}
