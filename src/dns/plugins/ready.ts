/**
 * `ready`: where readiness is asked, and whether a server that was ready can stop being so.
 *
 * Spec  CoreDNS, plugin/ready
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needChoice } from '../corefile/values.js';
import { readListenAddress } from './listen-address.js';
import type { ListenAddress } from './listen-address.js';

const MONITORS = ['until-ready', 'continuously'] as const;
const DEFAULT: ListenAddress = { host: '', port: 8181 };

export interface ReadyOptions {
  readonly listen: ListenAddress;
  readonly monitor: (typeof MONITORS)[number];
}

/** @throws DataplaneError ERR_CONFIG */
export function readReady(directive: Directive): ReadyOptions {
  const args = argumentsOf(directive);
  const listen = readListenAddress(args, DEFAULT);
  let monitor: ReadyOptions['monitor'] = 'until-ready';
  for (const line of args.lines()) {
    if (line.name !== 'monitor') line.unknown();
    monitor = needChoice(line, MONITORS);
    line.endArguments();
  }
  args.end();
  return { listen, monitor };
}
