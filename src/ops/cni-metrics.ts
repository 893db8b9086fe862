/** Metrics of the CNI side: what runtimes ask for, and what is attached and given out. */
import { Counter, exponentialBuckets, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

const MS_PER_SEC = 1000;
/** From a millisecond to the plugin's own patience. */
const OP_BUCKETS = exponentialBuckets(0.001, 2, 16);

export interface CniGauges {
  /** Asked at every scrape, like the others. */
  readonly attachments: () => number;
  readonly leaked: () => number;
  readonly reclaimed: () => number;
}

/** An operation that is over. */
export interface CniOperation {
  /** Undefined: the request could not be read so far. */
  readonly verb: string | undefined;
  /** 0 is success. */
  readonly code: number;
  readonly durationMs: number;
}

/** @returns counts an operation */
export function registerCniMetrics(
  registry: Registry,
  { attachments, leaked, reclaimed }: CniGauges,
): (operation: CniOperation) => void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const operations = new Counter({
    name: 'sluice_cni_ops_total',
    help: 'CNI operations, by verb and code; code 0 is success',
    labelNames: ['verb', 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'sluice_cni_op_seconds',
    help: 'How long CNI operations take, from the request to the answer',
    labelNames: ['verb'],
    buckets: OP_BUCKETS,
    registers,
  });
  gauge('sluice_attachments', 'Attachments of containers, complete or under way', attachments);
  gauge('sluice_ipam_leaked', 'Attachments and addresses that look leaked now', leaked);
  new Counter({
    name: 'sluice_ipam_reclaimed_total',
    help: 'Attachments and addresses that were taken back because nobody used them',
    registers,
    collect() {
      this.reset();
      this.inc(reclaimed());
    },
  });
  return ({ verb = 'unknown', code, durationMs }) => {
    operations.inc({ verb, code: String(code) });
    seconds.observe({ verb }, durationMs / MS_PER_SEC);
  };
}
