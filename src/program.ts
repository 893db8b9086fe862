/** The command line: its commands, and how it ends when one fails. */
import type { Command } from 'commander';
import { sluiceCommand } from './command-parts.js';
import { messageOf } from './errors.js';

/** Run what the command line says. @param addCommands  those it may say */
export async function runProgram(addCommands: (sluice: Command) => Promise<void>): Promise<void> {
  try {
    const sluice = sluiceCommand();
    await addCommands(sluice);
    await sluice.parseAsync();
  } catch (error) {
    process.stderr.write(`sluice: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
