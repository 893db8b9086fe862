/** `sluice dns` and what is below it. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Worker } from 'node:worker_threads';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { configOption, jsonOption, print, readPort } from './command-parts.js';
import type { Common } from './command-parts.js';
import { SAMPLE_EVERY_MAX } from './core/query-log.js';
import { DataplaneError } from './errors.js';
import { LOG_LEVELS, createLog } from './log.js';
import type { LogLevel } from './log.js';
import type { Early } from './nameserver/early/early.js';
import { formatQuery } from './nameserver/explain.js';
import type { QueryReport } from './nameserver/explain.js';
import { serveDns } from './nameserver/serve.js';
import { SECONDS_MAX, formatTop } from './nameserver/top.js';
import type { TopReport } from './nameserver/top.js';
import { askAgent } from './ops/admin.js';

interface DnsOptions {
  readonly conf?: string;
  readonly port?: number;
  readonly bind: readonly string[];
  readonly stateDir?: string;
  readonly files?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
  readonly sample?: number;
}

/** What a server takes over that is being started. */
export interface Started {
  /** The command line behind `dns`. */
  readonly words: readonly string[];
  /** A thread that nobody has told yet what it is to be. */
  readonly thread?: Worker | undefined;
  /** Who answers already. */
  readonly early?: Early | undefined;
}

/** What a sub-command asks a running server with. */
interface AskOptions extends Common {
  readonly stateDir?: string;
}

const DEFAULT_CONF = 'Corefile';

function readSample(text: string): number {
  const every = Number(text);
  if (/^\d+$/.test(text) && every <= SAMPLE_EVERY_MAX) return every;
  throw new InvalidArgumentError(`expected a number from 0 to ${SAMPLE_EVERY_MAX}`);
}

async function serve(options: DnsOptions, started: Started): Promise<void> {
  const log = createLog(options.logLevel);
  const over = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      over.abort();
    });
  }
  const conf = options.conf ?? (existsSync(DEFAULT_CONF) ? DEFAULT_CONF : undefined);
  await serveDns(
    {
      corefile: conf,
      port: options.port,
      hosts: options.bind,
      stateDir: options.stateDir,
      files: options.files,
      kubeconfig: options.kubeconfig,
      logLevel: options.logLevel,
      sampleEvery: options.sample,
      ...started,
    },
    log,
    over.signal,
  );
}

/** Of the agent. The server itself has no use for its configuration, nor for the time it takes to load. */
async function stateDirOf({ config }: Common): Promise<string> {
  const { loadConfig } = await import('./config/config.js');
  return loadConfig(config, hostname()).stateDir;
}

/** Ask the server of a folder, or of the agent. @throws DataplaneError ERR_STATE when there is none */
async function askServer(options: AskOptions, path: string): Promise<unknown> {
  const stateDir = options.stateDir ?? (await stateDirOf(options));
  const answer = await askAgent(stateDir, path);
  if (answer !== undefined) return answer;
  const message = `${stateDir}: no DNS server listens there: expected an agent with dns, or sluice dns with this --state-dir`;
  throw new DataplaneError('ERR_STATE', message);
}

interface QueryOptions extends AskOptions {
  readonly from?: string;
}

function addQuery(dns: Command): void {
  dns
    .command('query')
    .description(
      'what the running server would answer, who of it, and from which object; needs root with an agent',
    )
    .argument('<name>', 'absolute, with or without the last dot')
    .argument('[type]', 'A, AAAA, SRV, PTR, ... or TYPE65', 'A')
    .option('--from <ip>', 'whose query it would be; default 127.0.0.1')
    .option('--state-dir <dir>', 'of sluice dns; default the agent')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (name: string, type: string, options: QueryOptions) => {
      const { from } = options;
      const query = new URLSearchParams({ name, type, ...(from === undefined ? {} : { from }) });
      const report = await askServer(options, `/dns/query?${query.toString()}`);
      print(options.json ? JSON.stringify(report) : formatQuery(report as QueryReport));
    });
}

function addTop(dns: Command): void {
  const seconds = new Option('--seconds <n>', `how long to look, up to ${SECONDS_MAX}; 0: back`);
  dns
    .command('top')
    .description(
      'names, types, RCODEs and clients, from a sample of the queries; needs root with an agent',
    )
    .addOption(seconds.default('5'))
    .option('--state-dir <dir>', 'of sluice dns; default the agent')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: AskOptions & { readonly seconds: string }) => {
      const query = new URLSearchParams({ seconds: options.seconds });
      const report = await askServer(options, `/dns/top?${query.toString()}`);
      print(options.json ? JSON.stringify(report) : formatTop(report as TopReport));
    });
}

export function addDnsCommands(sluice: Command, started: Started): void {
  // What stands behind a sub-command is the sub-command's: both have --state-dir.
  sluice.enablePositionalOptions();
  const dns = sluice
    .command('dns')
    .enablePositionalOptions()
    .description('the DNS server by itself, from a Corefile, until SIGTERM; SIGUSR1 reads it again')
    .option('--conf <Corefile>', 'what to serve; default Corefile, if it is there')
    .addOption(new Option('--port <port>', 'instead of port 53').argParser(readPort))
    .option('--bind <address...>', 'instead of all addresses, where the Corefile has no bind', [])
    .option('--state-dir <dir>', 'keep names here, to answer at once after a restart')
    .addOption(
      new Option('--files <dir>', 'Kubernetes YAML or JSON, instead of an API server').conflicts(
        'kubeconfig',
      ),
    )
    .option('--kubeconfig <file>', 'the API server; default the service account of the pod')
    .addOption(
      new Option('--log-level <level>', 'what is told').choices(LOG_LEVELS).default('info'),
    )
    .addOption(
      new Option(
        '--sample <n>',
        'keep one query in n for `sluice dns top`; default 64, 0: none',
      ).argParser(readSample),
    )
    .action((options: DnsOptions) => serve(options, started));
  addQuery(dns);
  addTop(dns);
}
