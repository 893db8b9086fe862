/** What commands share: options, and how they print. */
import { Option } from 'commander';

/** Of every command that is about the agent. */
export interface Common {
  readonly config: string;
  readonly json?: boolean;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export const configOption = (): Option =>
  new Option('-c, --config <file>', "the agent's configuration").default('/etc/sluice/sluice.yaml');

export const jsonOption = (): Option => new Option('--json', 'print JSON');
