/** `sluice dns` without the agent's commands. */
import type { Worker } from 'node:worker_threads';
import { addDnsCommands } from '../dns-commands.js';
import { runProgram } from '../program.js';

/** @param thread  one that has been started for the server, which it may take */
export async function main(thread: Worker | undefined): Promise<void> {
  await runProgram((sluice) => {
    addDnsCommands(sluice, thread);
    return Promise.resolve();
  });
}
