/**
 * `prometheus`: where metrics are asked.
 *
 * Spec  CoreDNS, plugin/metrics
 */
import { argumentsOf } from '../corefile/arguments.js';
import type { Directive } from '../corefile/corefile.js';
import { readListenAddress } from './listen-address.js';
import type { ListenAddress } from './listen-address.js';

const DEFAULT: ListenAddress = { host: 'localhost', port: 9153 };

export interface PrometheusOptions {
  readonly listen: ListenAddress;
}

/** @throws DataplaneError ERR_CONFIG */
export function readPrometheus(directive: Directive): PrometheusOptions {
  const args = argumentsOf(directive);
  const listen = readListenAddress(args, DEFAULT);
  args.end();
  return { listen };
}
