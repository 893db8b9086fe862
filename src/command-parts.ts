/** What commands share: options, and how they print. */
import { Command, Option } from 'commander';
import { packageVersion } from './package-root.js';

/** Of every command that is about the agent. */
export interface Common {
  readonly config: string;
  readonly json?: boolean;
}

/** The command without its sub-commands. */
export function sluiceCommand(): Command {
  return new Command('sluice')
    .description('The network of a Kubernetes node: WebAssembly decides once, the kernel repeats.')
    .version(packageVersion())
    .showHelpAfterError();
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export const configOption = (): Option =>
  new Option('-c, --config <file>', "the agent's configuration").default('/etc/sluice/sluice.yaml');

export const jsonOption = (): Option => new Option('--json', 'print JSON');
