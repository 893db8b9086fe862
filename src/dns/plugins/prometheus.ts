/**
 * `prometheus`: where metrics are asked.
 *
 * Spec  CoreDNS, plugin/metrics
 */
import { expectArgs, expectNoBlock } from '../chain/directives.js';
import type { Directive } from '../corefile/corefile.js';
import { readListenAddress } from './listen-address.js';
import type { ListenAddress } from './listen-address.js';

const DEFAULT = { host: 'localhost', port: 9153 };

export interface PrometheusOptions {
  readonly listen: ListenAddress;
}

/** @throws DataplaneError ERR_CONFIG */
export function readPrometheus(directive: Directive): PrometheusOptions {
  expectArgs(directive, 0, 1);
  expectNoBlock(directive);
  const [address] = directive.args;
  return { listen: address === undefined ? DEFAULT : readListenAddress(address, DEFAULT.port) };
}
