#!/usr/bin/env -S node --max-semi-space-size=4
/**
 * The command `sluice`: every sub-command is a few lines that call the piece that does it.
 *
 * A small young generation: collecting it is the longest pause between an event and its rows.
 */
import { Command } from 'commander';
import { addDnsCommands } from './dns-commands.js';
import { messageOf } from './errors.js';
import { packageVersion } from './package-root.js';

async function program(): Promise<Command> {
  const sluice = new Command('sluice')
    .description('The network of a Kubernetes node: WebAssembly decides once, the kernel repeats.')
    .version(packageVersion())
    .showHelpAfterError();
  // A DNS server that starts again has clients waiting: it loads nothing of the agent.
  if (process.argv[2] !== 'dns') {
    const { addAgentCommands } = await import('./agent-commands.js');
    addAgentCommands(sluice);
  }
  addDnsCommands(sluice);
  return sluice;
}

try {
  const sluice = await program();
  await sluice.parseAsync();
} catch (error) {
  process.stderr.write(`sluice: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
