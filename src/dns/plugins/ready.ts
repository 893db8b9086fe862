/**
 * `ready`: where readiness is asked, and whether a server that was ready can stop being so.
 *
 * Spec  CoreDNS, plugin/ready
 */
import { argAt, expectArgs, failUnknown, readWord } from '../chain/directives.js';
import type { Directive } from '../corefile/corefile.js';
import { readListenAddress } from './listen-address.js';
import type { ListenAddress } from './listen-address.js';

const MONITORS = ['until-ready', 'continuously'] as const;
const DEFAULT_PORT = 8181;

export interface ReadyOptions {
  readonly listen: ListenAddress;
  readonly monitor: (typeof MONITORS)[number];
}

/** @throws DataplaneError ERR_CONFIG */
export function readReady(directive: Directive): ReadyOptions {
  expectArgs(directive, 0, 1);
  let monitor: ReadyOptions['monitor'] = 'until-ready';
  for (const line of directive.block ?? []) {
    if (line.name.text !== 'monitor') failUnknown('ready', line);
    expectArgs(line, 1);
    monitor = readWord(argAt(line, 0), MONITORS);
  }
  return { listen: readListenAddress(directive.args[0], DEFAULT_PORT), monitor };
}
