/**
 * `health`: where liveness is asked, and how long a server that is told to end goes on serving.
 *
 * Spec  CoreDNS, plugin/health
 */
import { argAt, expectArgs, failUnknown, readDuration } from '../chain/directives.js';
import type { Directive } from '../corefile/corefile.js';
import { readListenAddress } from './listen-address.js';
import type { ListenAddress } from './listen-address.js';

export interface HealthOptions {
  readonly listen: ListenAddress;
  /** How long queries are still answered after SIGTERM. */
  readonly lameduckMs: number;
}

const DEFAULT_PORT = 8080;

/** @throws DataplaneError ERR_CONFIG */
export function readHealth(directive: Directive): HealthOptions {
  expectArgs(directive, 0, 1);
  let lameduckMs = 0;
  for (const line of directive.block ?? []) {
    if (line.name.text !== 'lameduck') failUnknown('health', line);
    expectArgs(line, 1);
    lameduckMs = readDuration(argAt(line, 0));
  }
  return { listen: readListenAddress(directive.args[0], DEFAULT_PORT), lameduckMs };
}
