/** The names of a model as master files, and the configuration of a knotd that serves them. */
import { join } from 'node:path';
import { zoneOf } from './expect.js';
import type { Model, ModelRecord } from './model.js';

const SERIAL = 1;

/** A name in a record's data is absolute. */
function dataOf({ type, data }: ModelRecord): string {
  if (type === 'TXT') return JSON.stringify(data);
  return type === 'A' || type === 'AAAA' ? data : `${data}.`;
}

/** One zone, by the names of a model that are in it. Names without records cannot be told. */
export function zoneFileOf(model: Model, zone: string): string {
  const { ttl, domain } = model.cluster;
  const soaTtl = Math.min(ttl, 300);
  const soa = `ns.dns.${zone}. hostmaster.${zone}. ${SERIAL} 7200 1800 86400 ${ttl}`;
  const head = [
    `${zone}. ${soaTtl} IN SOA ${soa}`,
    `${zone}. ${ttl} IN NS ns.dns.${domain}.`,
    ...(zone === domain ? [`ns.dns.${zone}. ${ttl} IN A 127.0.0.1`] : []),
  ];
  const records = [...model.names]
    .filter(([name]) => zoneOf(model, name) === zone)
    .flatMap(([name, list]) =>
      list.map((record) => `${name}. ${record.ttl} IN ${record.type} ${dataOf(record)}`),
    );
  return `${[...head, ...records].join('\n')}\n`;
}

/** @param dir  where the master files are, as `ZONE.zone`, and where knotd may write */
export function knotConfOf({ zones }: Model, dir: string, port: number): string {
  const zoneLines = zones.map(
    (zone) =>
      `  - domain: ${zone}\n    file: ${join(dir, `${zone}.zone`)}\n    zonefile-sync: -1\n`,
  );
  return `server:
    rundir: ${dir}
    listen: 127.0.0.1@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 4096
database:
    storage: ${dir}
log:
  - target: stderr
    any: warning
zone:
${zoneLines.join('')}`;
}
