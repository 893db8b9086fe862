/** Real clients in namespaces: curl, dig, ping, iperf3. Each is bounded in time. */
import type { Watch } from './losses.js';
import type { Command, Namespace, RunOptions, RunResult, Running } from './netns.js';
import { POD_NAMES } from './topology.js';
import type { PodName } from './topology.js';

const CURL_SEC = '8';
/** What a wordy curl says about a failure: which one, and the system's own error for a connection. */
const WHY = /^(curl: |\* (connect to |Immediate connect fail))/;
/** Below the limit of a proof, so that the proof tells what curl said. */
const HTTP_TIMEOUT_MS = 40_000;

/** Bytes. */
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const ICMP_HEADER = 8;

export type Family = 4 | 6;

/** An address; or a name, and what it is to be resolved to. */
export type Target = string | { readonly name: string; readonly family: Family };

/** Answers by pod, and the source address the pods saw. */
export interface Answers {
  readonly pods: ReadonlyMap<PodName, number>;
  readonly saw: ReadonlySet<string>;
  /** Datagrams sent again because no answer came in time; 0 of TCP, which does so by itself. */
  readonly retries: number;
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
  http(from: Namespace, to: Target, port: number, count: number): Promise<Answers>;
  /**
   * DNS questions over UDP, each from a port of its own, asked again as resolvers do: on a busy
   * machine a server may be late. What Sluice itself has lost is no such case.
   *
   * @throws Error when a question stays without an answer, or was asked again while an agent
   *         counted a loss
   */
  dns(from: Namespace, to: Target, count: number, port?: number): Promise<Answers>;
  /** One HTTP request. @returns what answered it and whom that saw; curl's exit code otherwise */
  once(from: Namespace, host: string, port: number, maxTimeSec?: string): Promise<Once>;
  /** The same by one question over UDP; whoever is asked has to answer. */
  onceByUdp(from: Namespace, host: string, port: number): Promise<Once>;
  /** One echo request that nobody may cut. @param size  bytes with all headers. @returns '' or why not */
  pingWhole(from: Namespace, host: string, size: number): Promise<string>;
  /** @returns milliseconds, round trip, average */
  ping(from: Namespace, host: string, count: number): Promise<number>;
  /** Packets with a source address of the caller's choice. @returns how many were answered */
  pingAs(from: Namespace, source: string, host: string, count: number): Promise<number>;
  iperf(from: Namespace, host: string, port: number, seconds: number): Promise<IperfResult>;
  /** A download into a file. @param rate  as curl takes it: 8M */
  download(from: Namespace, url: string, file: string, rate: string): Running;
}

function failure(command: Command, { status, stdout, stderr }: RunResult): Error {
  const said = (stderr.trim() || stdout.trim()).split('\n').at(-1) ?? '';
  return new Error(`${command[0]}: exit code ${status}: ${said}`);
}

async function output(from: Namespace, command: Command, options?: RunOptions): Promise<string> {
  const result = await from.runAsync(command, options);
  if (result.status !== 0) throw failure(command, result);
  return result.stdout;
}

/** Host and options as curl and dig take them. */
function aim(to: Target): [string, string[]] {
  return typeof to === 'string' ? [to, []] : [to.name, [`-${to.family}`]];
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

/** @param said  by the client about those that are missing */
function expectCount(what: string, got: number, wanted: number, said = ''): void {
  const why = said === '' ? '' : `: ${said}`;
  if (got !== wanted) throw new Error(`${got} of ${wanted} ${what} answered${why}`);
}

interface IperfSums {
  readonly end: {
    readonly sum_sent: { readonly retransmits?: number };
    readonly sum_received: { readonly bytes: number; readonly bits_per_second: number };
  };
}

/** What dig prints about itself; the older ones say nothing of a question they ask again. */
const isRemark = (line: string): boolean => line.startsWith(';');

/** @param onAnswer  told of every pod that answers; @param watch  begins to count losses */
export function createClients(onAnswer: (pod: PodName) => void, watch: () => Watch): Clients {
  const http: Clients['http'] = async (from, to, port, count) => {
    const [host, only] = aim(to);
    // curl asks once for each number of the range, on a new connection since the server closes.
    const url = `http://${bracketed(host)}:${port}/who?[1-${count}]`;
    const options = ['-sSv', '--max-time', CURL_SEC, ...only];
    const command: Command = ['curl', ...options, url];
    const result = await from.runAsync(command, { timeoutMs: HTTP_TIMEOUT_MS });
    const answers = lines(result.stdout).map((line) => line.split(' saw '));
    const names = answers.map(([name = '']) => podOf(name));
    // curl's exit code is that of its last transfer: the others' failures stand in stderr only.
    const failures = lines(result.stderr).filter((line) => WHY.test(line));
    expectCount('requests', names.length, count, [...new Set(failures)].join('; '));
    if (result.status !== 0) throw failure(command, result);
    names.forEach(onAnswer);
    return { pods: tally(names), saw: new Set(answers.map(([, saw = '']) => saw)), retries: 0 };
  };

  const dns: Clients['dns'] = async (from, to, count, port = 53) => {
    const [host, only] = aim(to);
    const questions = Array.from({ length: count }, (_, i) => [`q${i}.demo`, 'TXT']).flat();
    const options = ['+short', '+tries=3', '+time=2', '+noedns', '+nocookie'];
    const at = [...only, `@${host}`, '-p', String(port)];
    const command: Command = ['dig', ...at, ...options, ...questions];
    const losses = watch();
    const said = lines(await output(from, command, { timeoutMs: 20_000 }));
    const remarks = said.filter(isRemark);
    const answers = said.filter((line) => !isRemark(line));
    const names = answers.map((line) => podOf(line.replaceAll('"', '')));
    expectCount('questions', names.length, count, remarks.join('; '));
    const lost = losses.since();
    if (remarks.length > 0 && lost !== '') throw new Error(`${remarks.join('; ')}; lost: ${lost}`);
    names.forEach(onAnswer);
    return { pods: tally(names), saw: new Set(), retries: remarks.length };
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
    onceByUdp: async (from, host, port) => {
      const options = ['+short', '+tries=3', '+time=2', '+noedns', '+nocookie'];
      const question = ['-p', String(port), ...options, 'saw.demo', 'TXT'];
      const said = lines(await output(from, ['dig', `@${host}`, ...question]));
      const [answer = ''] = said.filter((line) => !isRemark(line));
      const [who = '', saw = ''] = answer.replaceAll('"', '').split(' saw ');
      return { who, saw };
    },
    pingWhole: async (from, host, size) => {
      const headers = ICMP_HEADER + (host.includes(':') ? IPV6_HEADER : IPV4_HEADER);
      const options = ['-n', '-M', 'do', '-W', '2', '-c', '1', '-s', String(size - headers)];
      const { status, stdout, stderr } = await from.runAsync(['ping', ...options, host]);
      return status === 0 ? '' : `${stderr.trim()} ${stdout.trim()}`;
    },
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
