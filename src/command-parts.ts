/** What commands share: options, and how they print. */
import { Command, InvalidArgumentError, Option } from 'commander';
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

const PORT_MAX = 65_535;

/** 0 is any that is free. @throws InvalidArgumentError */
export function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= PORT_MAX) return port;
  throw new InvalidArgumentError(`expected a port from 0 to ${PORT_MAX}`);
}

export const jsonOption = (): Option => new Option('--json', 'print JSON');
