/** Configuration keys of the cluster's DNS on this node. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { SAMPLE_EVERY, SAMPLE_EVERY_MAX } from '../core/query-log.js';
import { namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import { count, path, row, rowOr } from './rows.js';

const serviceError = 'expected NAMESPACE/NAME of a Service';

const dnsSchema = z.strictObject({
  corefile: row(
    path.optional(),
    'FILE',
    "CoreDNS's configuration, relative to this file; default as kubeadm has it",
  ),
  service: rowOr(
    z.string({ error: serviceError }).regex(/^[a-z0-9-]+\/[a-z0-9-]+$/, { error: serviceError }),
    'kube-system/kube-dns',
    'NAMESPACE/NAME',
    'Service whose addresses are answered here, on port 53',
  ),
  port: rowOr(
    count(1, 65535),
    53,
    'PORT',
    "of the host's server, on an address of the trunk that nobody else reaches",
  ),
  sample: rowOr(
    count(0, SAMPLE_EVERY_MAX),
    SAMPLE_EVERY,
    'N',
    'one query in N is kept for `sluice dns top`; 0: none',
  ),
});

/** A key of the document itself. */
export const dnsRows = {
  dns: row(
    dnsSchema.optional(),
    'mapping',
    "answer the cluster's DNS, {} as described here; default not at all",
  ),
};

export interface DnsConfig {
  /** Undefined: as kubeadm has it. */
  readonly corefile: string | undefined;
  readonly service: ObjectKey;
  readonly port: number;
  /** One query in so many is kept for a while; 0: none. */
  readonly sample: number;
}

/** Fill in what depends on other keys. @param folder  what relative paths start from */
export function completeDns(
  parsedRows: z.output<z.ZodObject<typeof dnsRows>>,
  folder: string,
): { readonly dns: DnsConfig | undefined } {
  if (parsedRows.dns === undefined) return { dns: undefined };
  const { corefile, service, port, sample } = parsedRows.dns;
  const [namespace, name = ''] = service.split('/');
  return {
    dns: {
      corefile: corefile === undefined ? undefined : resolve(folder, corefile),
      service: namedKey(namespace, name),
      port,
      sample,
    },
  };
}
