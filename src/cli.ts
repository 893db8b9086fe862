#!/usr/bin/env -S node --max-semi-space-size=4
/**
 * The command `sluice`: every sub-command is a few lines that call the piece that does it.
 *
 * A small young generation: collecting it is the longest pause between an event and its rows.
 */
import { addDnsCommands } from './dns-commands.js';
import { runProgram } from './program.js';

await runProgram(async (sluice) => {
  // A DNS server that starts again has clients waiting: it loads nothing of the agent.
  if (process.argv[2] !== 'dns') {
    const { addAgentCommands } = await import('./agent-commands.js');
    addAgentCommands(sluice);
  }
  addDnsCommands(sluice, { words: process.argv.slice(3) });
});
