/** The cluster's names as a lane takes them: compiled by the real control plane. */
import { SPACE_FIRST } from '../../assembly/abi-dns.js';
import { cutValue } from '../../src/compile/dns/cuts.js';
import { ZONE_DEFAULTS } from '../../src/compile/dns/options.js';
import { nameBelow } from '../../src/compile/dns/wire-names.js';
import { createZone } from '../../src/compile/dns/zone.js';
import { createNamesWriter, refusedNames } from '../../src/core/names-writer.js';
import { createCluster } from '../../src/model/cluster.js';
import { NAMED_SERVICES, ZONE } from './zone.js';

/** Room for them. */
export const NAME_CAPACITIES = { names: 1 << 15, rrsetBytes: 1 << 23 };
/** Whose cuts lead to them. */
export const LISTENER = 1;
const COUNTERS_ZONE = 1;
const ROOT = Uint8Array.of(0);

/**
 * Have all names applied.
 *
 * @param apply  applies a batch of records, and returns them with their results
 * @throws Error when there is no room for one
 */
export async function applyNames(
  apply: (records: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  const cluster = createCluster('');
  const zone = createZone({
    space: SPACE_FIRST,
    zones: [ZONE],
    options: ZONE_DEFAULTS,
    named: cluster.named,
  });
  for (const { name, namespace, address } of NAMED_SERVICES) {
    const spec = { clusterIP: address, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] };
    const namespaceObject = { metadata: { name: namespace } };
    const service = { metadata: { name, namespace }, spec };
    zone.apply(cluster.apply({ type: 'put', kind: 'Namespace', object: namespaceObject }).names);
    zone.apply(cluster.apply({ type: 'put', kind: 'Service', object: service }).names);
  }
  for (;;) {
    const records = zone.flush(1);
    if (records.length === 0) break;
    zone.acknowledge(await apply(Uint8Array.from(records)));
  }
  const [problem] = zone.problems();
  if (problem) throw new Error(`names: ${JSON.stringify(problem)}`);
  const writer = createNamesWriter();
  const cut = cutValue({
    space: SPACE_FIRST,
    flags: 0,
    serial: zone.serial(),
    ttl: ZONE_DEFAULTS.ttl,
    zone: COUNTERS_ZONE,
  });
  writer.put(LISTENER, 0, nameBelow(ZONE, ROOT), cut);
  const [refused] = refusedNames(await apply(writer.take()));
  if (refused) throw new Error(`the cut is refused: ${refused.error}`);
}
