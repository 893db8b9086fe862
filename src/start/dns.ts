/** `sluice dns` without the agent's commands. */
import { addDnsCommands } from '../dns-commands.js';
import type { Started } from '../dns-commands.js';
import { runProgram } from '../program.js';

/** @param started  what has been started for the server, which it may take */
export async function main(started: Started): Promise<void> {
  await runProgram((sluice) => {
    addDnsCommands(sluice, started);
    return Promise.resolve();
  });
}
