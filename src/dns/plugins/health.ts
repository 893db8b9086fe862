/**
 * `health`: where liveness is asked, and how long a server that is told to end goes on serving.
 *
 * Spec  CoreDNS, plugin/health
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needDuration } from '../corefile/values.js';
import { readListenAddress } from './listen-address.js';
import type { ListenAddress } from './listen-address.js';

export interface HealthOptions {
  readonly listen: ListenAddress;
  /** How long queries are still answered after SIGTERM. */
  readonly lameduckMs: number;
}

const DEFAULT: ListenAddress = { host: '', port: 8080 };

/** @throws DataplaneError ERR_CONFIG */
export function readHealth(directive: Directive): HealthOptions {
  const args = argumentsOf(directive);
  const listen = readListenAddress(args, DEFAULT);
  let lameduckMs = 0;
  for (const line of args.lines()) {
    if (line.name !== 'lameduck') line.unknown();
    lameduckMs = needDuration(line, 'a period');
    line.endArguments();
  }
  args.end();
  return { listen, lameduckMs };
}
