#!/usr/bin/env node
/** The command `sluice`: every sub-command is a few lines that call the piece that does it. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { runAgent } from './agent/agent.js';
import { cleanUpNode } from './agent/cleanup.js';
import { describeConfig, loadConfig } from './config.js';
import type { SluiceConfig } from './config.js';
import { messageOf } from './errors.js';
import { createLog } from './log.js';
import { formatFlows, formatReplayed, formatStatus } from './ops/format.js';
import { readFlows } from './ops/flows.js';
import { readStatus } from './ops/status.js';
import { packageFile } from './package-root.js';
import { replay } from './replay.js';

interface Common {
  readonly config: string;
  readonly json?: boolean;
}

function version(): string {
  const { version: found } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
    version: string;
  };
  return found;
}

function load(options: Common): SluiceConfig {
  return loadConfig(options.config, hostname());
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const configOption = (): Option =>
  new Option('-c, --config <file>', "the agent's configuration").default('/etc/sluice/sluice.yaml');
const jsonOption = (): Option => new Option('--json', 'print JSON');

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

function program(): Command {
  const sluice = new Command('sluice')
    .description('The network of a Kubernetes node: WebAssembly decides once, the kernel repeats.')
    .version(version())
    .showHelpAfterError();
  sluice
    .command('run')
    .description("run the node's agent until SIGTERM; needs root")
    .addOption(configOption())
    .addHelpText('after', () => `\nConfiguration file:\n${describeConfig()}`)
    .action(run);
  sluice
    .command('status')
    .description('what the agent and its tables are doing; works while the agent is stopped')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(status);
  sluice
    .command('flows')
    .description('the flow table as the kernel executes it; works while the agent is stopped')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(flows);
  sluice
    .command('replay')
    .description('a capture through the same engine: a verdict or a named drop per frame; no root')
    .argument('<in.pcap>', 'capture with Ethernet frames')
    .option('-o, --output <out.pcap>', 'write the frames that were not dropped, rewritten')
    .addOption(configOption())
    .addOption(jsonOption())
    .action(runReplay);
  sluice
    .command('cleanup')
    .description('remove everything the agent made on this node: programs, pins, links, routes')
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
  return sluice;
}

try {
  await program().parseAsync();
} catch (error) {
  process.stderr.write(`sluice: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
