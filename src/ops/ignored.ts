/**
 * Parts of objects that cannot be used, for the operator: a log line each and a counter by kind.
 */
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Log } from '../log.js';
import { KINDS } from '../model/events.js';
import { formatIgnored } from '../model/ignored.js';
import type { IgnoredPart } from '../model/ignored.js';

/** @returns what takes the parts of one object, as the control plane names them */
export function createIgnoredReport(
  registry: Registry,
  log: Log,
): (parts: readonly IgnoredPart[]) => void {
  const counter = new Counter({
    name: 'sluice_ignored_fields_total',
    help: 'Parts of objects that could not be used, each once while it is there',
    labelNames: ['kind'],
    registers: [registry],
  });
  for (const kind of KINDS) counter.inc({ kind }, 0);
  return (parts) => {
    for (const part of parts) {
      const { kind, key: object, what } = part;
      counter.inc({ kind });
      log.warn({ kind, object, ignored: what }, formatIgnored(part));
    }
  };
}
