/**
 * Directives that are read, so that they are right, and change nothing here.
 *
 * `multisocket`: each thread has its sockets as it is. `debug`: an error in a plugin never ends the
 * process, and the log's level is the command's. `pprof`: there is no Go to profile. `metadata`: what
 * there is to know of a query is known without it.
 *
 * Spec  CoreDNS, plugins of these names
 */
import {
  argAt,
  expectArgs,
  expectNoBlock,
  failUnknown,
  readInteger,
  readZones,
} from '../chain/directives.js';
import type { Directive } from '../corefile/corefile.js';
import { readListenAddress } from './listen-address.js';

const SOCKETS_RANGE = { min: 1, max: 1024 };
const RATE_RANGE = { min: 0, max: 0x7fffffff };
const PPROF_PORT = 6053;

function checkMultisocket(directive: Directive): void {
  expectArgs(directive, 0, 1);
  expectNoBlock(directive);
  if (directive.args.length > 0) readInteger(argAt(directive, 0), SOCKETS_RANGE);
}

function checkDebug(directive: Directive): void {
  expectArgs(directive, 0);
  expectNoBlock(directive);
}

function checkPprof(directive: Directive): void {
  expectArgs(directive, 0, 1);
  readListenAddress(directive.args[0], PPROF_PORT);
  for (const line of directive.block ?? []) {
    if (line.name.text !== 'block') failUnknown('pprof', line);
    expectArgs(line, 0, 1);
    if (line.args.length > 0) readInteger(argAt(line, 0), RATE_RANGE);
  }
}

function checkMetadata(directive: Directive): void {
  readZones(directive.args, []);
  expectNoBlock(directive);
}

/** By name; each throws DataplaneError ERR_CONFIG. */
export const WITHOUT_EFFECT: ReadonlyMap<string, (directive: Directive) => void> = new Map([
  ['multisocket', checkMultisocket],
  ['debug', checkDebug],
  ['pprof', checkPprof],
  ['metadata', checkMetadata],
]);
