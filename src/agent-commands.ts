/** The commands of the agent and of its tables: all but `sluice dns`. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { runAgent } from './agent/agent.js';
import { cleanUpNode } from './agent/cleanup.js';
import { addCniCommands, addIpamCommands } from './cni-commands.js';
import { configOption, jsonOption, print } from './command-parts.js';
import type { Common } from './command-parts.js';
import { describeConfig, loadConfig } from './config/config.js';
import type { SluiceConfig } from './config/config.js';
import { DataplaneError } from './errors.js';
import { createLog } from './log.js';
import { askAgent } from './ops/admin.js';
import { formatFlows, formatReplayed, formatStatus } from './ops/format.js';
import { readFlows } from './ops/flows.js';
import { formatServices, readServices, selectServices } from './ops/services.js';
import { readStatus } from './ops/status.js';
import { formatTrace } from './ops/trace.js';
import type { TraceReport } from './ops/trace.js';
import { replay } from './replay.js';

function load(options: Common): SluiceConfig {
  return loadConfig(options.config, hostname());
}

async function run(options: Common): Promise<void> {
  const config = load(options);
  const log = createLog(config.logLevel);
  const over = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log.info(`${signal}: the lane stops, established flows stay with the kernel`);
      over.abort();
    });
  }
  await runAgent(config, log, over.signal);
}

function status(options: Common): void {
  const found = readStatus(load(options));
  print(options.json ? JSON.stringify(found) : formatStatus(found));
}

function flows(options: Common): void {
  const found = readFlows(load(options).pinDir);
  if (options.json) for (const flow of found) print(JSON.stringify(flow));
  else print(formatFlows(found));
}

async function services(name: string | undefined, options: Common): Promise<void> {
  const found = await readServices(load(options));
  const selected = selectServices(found.services, name);
  print(options.json ? JSON.stringify(selected) : formatServices(selected, found.leftBy));
}

interface TraceOptions extends Common {
  readonly from: string;
  readonly to: string;
  readonly in?: string;
}

async function trace(options: TraceOptions): Promise<void> {
  const { from, to, in: link } = options;
  const query = new URLSearchParams({ from, to, ...(link === undefined ? {} : { in: link }) });
  const { stateDir, nodeName } = load(options);
  const answer = await askAgent(stateDir, `/trace?${query.toString()}`);
  if (answer === undefined) {
    const message = `no agent runs on ${nodeName}: a trace needs its tables`;
    throw new DataplaneError('ERR_STATE', message);
  }
  print(options.json ? JSON.stringify(answer) : formatTrace(answer as TraceReport));
}

async function runReplay(input: string, options: Common & { output?: string }): Promise<void> {
  const config = load(options);
  const log = createLog('error');
  const files = { input, output: options.output };
  const totals = await replay(config, files, log, (frame) => {
    print(options.json ? JSON.stringify(frame) : formatReplayed(frame));
  });
  if (options.json) return;
  for (const [verdict, count] of Object.entries(totals)) print(`${String(count)} ${verdict}`);
}

export function addAgentCommands(sluice: Command): void {
  sluice
    .command('run')
    .description("run the node's agent until SIGTERM; needs root")
    .addOption(configOption())
    .addHelpText('after', () => `\nConfiguration file:\n${describeConfig()}`)
    .action(run);
  sluice
    .command('status')
    .description(
      'what the agent and its tables are doing; needs root, works while the agent is stopped',
    )
    .addOption(configOption())
    .addOption(jsonOption())
    .action(status);
  sluice
    .command('flows')
    .description(
      'the flow table as the kernel executes it; needs root, works while the agent is stopped',
    )
    .addOption(configOption())
    .addOption(jsonOption())
    .action(flows);
  sluice
    .command('services')
    .description(
      'services as this node programmes them: frontends, endpoints, and why; needs root, works while the agent is stopped',
    )
    .argument('[name]', 'NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT; default all')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(services);
  sluice
    .command('trace')
    .description(
      'what every stage would decide about a packet; it is not sent, nothing changes; needs root and an agent',
    )
    .requiredOption('--from <ip[:port]>', 'who would send it')
    .requiredOption('--to <ip:port/proto>', 'to whom; TCP, UDP, SCTP or ICMP')
    .option('--in <ifname>', 'the link it would come by; default by its source')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(trace);
  sluice
    .command('replay')
    .description(
      'a capture through the same engine: a verdict or a named drop per frame; needs no root',
    )
    .argument('<in.pcap>', 'pcap or pcapng with Ethernet frames')
    .option('-o, --output <out.pcap>', 'write the frames that were not dropped, rewritten')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(runReplay);
  sluice
    .command('cleanup')
    .description(
      'remove everything the agent made on this node: programs, pins, links, routes; needs root',
    )
    .addOption(configOption())
    .action((options: Common) => {
      for (const line of cleanUpNode(load(options))) print(line);
    });
  sluice
    .command('config')
    .description('describe every key of the configuration file')
    .action(() => {
      print(describeConfig());
    });
  const parts = { configOption, jsonOption, load, print };
  addCniCommands<Common>(sluice, parts);
  addIpamCommands<Common>(sluice, parts);
}
