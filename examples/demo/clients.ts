/** Real clients in namespaces: curl, dig, ping, iperf3. Each is bounded in time. */
import type { Command, Namespace, RunOptions, Running } from './netns.js';
import { POD_NAMES } from './topology.js';
import type { PodName } from './topology.js';

const CURL_SEC = '8';

/** Answers by pod, and the source address the pods saw. */
export interface Answers {
  readonly pods: ReadonlyMap<PodName, number>;
  readonly saw: ReadonlySet<string>;
}

/** curl's exit codes that tell one refusal from another (curl(1)). */
export const CURL_REFUSED = 7;
export const CURL_TIMED_OUT = 28;

export type Once = { readonly who: string; readonly saw: string } | { readonly exitCode: number };

export interface IperfResult {
  readonly bytes: number;
  readonly gbitPerSec: number;
  readonly retransmits: number;
}

export interface Clients {
  /** New HTTP connections, one after the other. @throws Error with what curl said */
  http(from: Namespace, host: string, port: number, count: number): Promise<Answers>;
  /** DNS questions over UDP, each from a port of its own. */
  dns(from: Namespace, host: string, count: number, port?: number): Promise<Answers>;
  /** One HTTP request. @returns what answered it and whom that saw; curl's exit code otherwise */
  once(from: Namespace, host: string, port: number, maxTimeSec?: string): Promise<Once>;
  /** @returns milliseconds, round trip, average */
  ping(from: Namespace, host: string, count: number): Promise<number>;
  /** Packets with a source address of the caller's choice. @returns how many were answered */
  pingAs(from: Namespace, source: string, host: string, count: number): Promise<number>;
  iperf(from: Namespace, host: string, port: number, seconds: number): Promise<IperfResult>;
  /** A download into a file. @param rate  as curl takes it: 8M */
  download(from: Namespace, url: string, file: string, rate: string): Running;
}

async function output(from: Namespace, command: Command, options?: RunOptions): Promise<string> {
  const { status, stdout, stderr } = await from.runAsync(command, options);
  if (status === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).split('\n').at(-1) ?? '';
  throw new Error(`${command[0]}: exit code ${status}: ${said}`);
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function podOf(text: string): PodName {
  const name = POD_NAMES.find((pod) => pod === text);
  if (name === undefined) throw new Error(`answered by ${JSON.stringify(text)}, expected a pod`);
  return name;
}

function lines(text: string): string[] {
  return text.split('\n').filter(Boolean);
}

function tally(names: readonly PodName[]): Map<PodName, number> {
  const counts = new Map<PodName, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function expectCount(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`${got} of ${wanted} ${what} answered`);
}

interface IperfSums {
  readonly end: {
    readonly sum_sent: { readonly retransmits?: number };
    readonly sum_received: { readonly bytes: number; readonly bits_per_second: number };
  };
}

/** @param onAnswer  told of every pod that answers */
export function createClients(onAnswer: (pod: PodName) => void): Clients {
  const http: Clients['http'] = async (from, host, port, count) => {
    // curl asks once for each number of the range, on a new connection since the server closes.
    const url = `http://${bracketed(host)}:${port}/who?[1-${count}]`;
    const text = await output(from, ['curl', '-sS', '--max-time', CURL_SEC, url], {
      timeoutMs: 20_000,
    });
    const answers = lines(text).map((line) => line.split(' saw '));
    const names = answers.map(([name = '']) => podOf(name));
    expectCount('requests', names.length, count);
    names.forEach(onAnswer);
    return { pods: tally(names), saw: new Set(answers.map(([, saw = '']) => saw)) };
  };

  const dns: Clients['dns'] = async (from, host, count, port = 53) => {
    const questions = Array.from({ length: count }, (_, i) => [`q${i}.demo`, 'TXT']).flat();
    const options = ['+short', '+tries=1', '+time=2', '+noedns', '+nocookie'];
    const text = await output(
      from,
      ['dig', `@${host}`, '-p', String(port), ...options, ...questions],
      {
        timeoutMs: 20_000,
      },
    );
    const names = lines(text).map((line) => podOf(line.replaceAll('"', '')));
    expectCount('questions', names.length, count);
    names.forEach(onAnswer);
    return { pods: tally(names), saw: new Set() };
  };

  const once: Clients['once'] = async (from, host, port, maxTimeSec = CURL_SEC) => {
    const url = `http://${bracketed(host)}:${port}/who`;
    const { status, stdout } = await from.runAsync(['curl', '-sS', '--max-time', maxTimeSec, url]);
    const [who = '', saw = ''] = stdout.trim().split(' saw ');
    return status === 0 ? { who, saw } : { exitCode: status };
  };

  return {
    http,
    dns,
    once,
    ping: async (from, host, count) => {
      const command: Command = ['ping', '-n', '-i', '0.05', '-W', '2', '-c', String(count), host];
      const text = await output(from, command);
      const [, received = '0'] = /(\d+) received/.exec(text) ?? [];
      expectCount('echo requests', Number(received), count);
      const [, average = 'NaN'] = /= [\d.]+\/([\d.]+)\//.exec(text) ?? [];
      return Number(average);
    },
    pingAs: async (from, source, host, count) => {
      const options = ['-n', '-i', '0.05', '-W', '1', '-I', source, '-c', String(count)];
      const { stdout, stderr } = await from.runAsync(['ping', ...options, host]);
      const [, received] = /(\d+) received/.exec(stdout) ?? [];
      if (received === undefined) throw new Error(`ping: ${(stderr || stdout).trim()}`);
      return Number(received);
    },
    iperf: async (from, host, port, seconds) => {
      const options = ['--json', '--time', String(seconds), '--port', String(port)];
      const text = await output(from, ['iperf3', '--client', host, ...options], {
        timeoutMs: (seconds + 10) * 1000,
      });
      const { sum_sent, sum_received } = (JSON.parse(text) as IperfSums).end;
      return {
        bytes: sum_received.bytes,
        gbitPerSec: sum_received.bits_per_second / 1e9,
        retransmits: sum_sent.retransmits ?? 0,
      };
    },
    download: (from, url, file, rate) =>
      from.start(['curl', '-sS', '--max-time', '45', '--limit-rate', rate, '-o', file, url], {
        timeoutMs: 50_000,
      }),
  };
}
