/**
 * Directives that are read, so that they are right, and change nothing here.
 *
 * `multisocket`: each thread has its sockets as it is. `debug`: an error in a plugin never ends the
 * process, and the log's level is the command's. `pprof`: there is no Go to profile. `metadata`: what
 * there is to know of a query is known without it.
 *
 * Spec  CoreDNS, plugins of these names
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { needInteger } from '../corefile/values.js';
import { readListenAddress } from './listen-address.js';
import { readZones } from './zones.js';

const SOCKETS_RANGE = { min: 1, max: 1024 };
const RATE_RANGE = { min: 0, max: 0x7fffffff };
const PPROF_LISTEN = { host: 'localhost', port: 6053 };

function checkMultisocket(directive: Directive): void {
  const args = argumentsOf(directive);
  if (args.left > 0) needInteger(args, 'a count', SOCKETS_RANGE);
  args.end();
}

function checkDebug(directive: Directive): void {
  argumentsOf(directive).end();
}

function checkPprof(directive: Directive): void {
  const args = argumentsOf(directive);
  readListenAddress(args, PPROF_LISTEN);
  for (const line of args.lines()) {
    if (line.name !== 'block') line.unknown();
    if (line.left > 0) needInteger(line, 'a rate', RATE_RANGE);
    line.endArguments();
  }
  args.end();
}

function checkMetadata(directive: Directive): void {
  const args = argumentsOf(directive);
  readZones(args, []);
  args.end();
}

/** By name; each throws DataplaneError ERR_CONFIG. */
export const WITHOUT_EFFECT: ReadonlyMap<string, (directive: Directive) => void> = new Map([
  ['multisocket', checkMultisocket],
  ['debug', checkDebug],
  ['pprof', checkPprof],
  ['metadata', checkMetadata],
]);
