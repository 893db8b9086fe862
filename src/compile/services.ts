/**
 * One Service to rows: frontends, service rows, backends; each address family by itself.
 */
import {
  SERVICE_FLAGS_OFF,
  SERVICE_F_SILENT,
  SERVICE_ID_OFF,
  SERVICE_SIZE,
  TableId,
} from '../../assembly/abi.js';
import type { Address } from '../addr.js';
import { selectEndpoints } from '../model/select.js';
import type { Place } from '../model/select.js';
import type { ServicePortRecord, ServiceRecord } from '../model/services.js';
import { mergeEndpoints } from '../model/slices.js';
import type { Endpoint, SliceRecord } from '../model/slices.js';
import { backendKey, backendRow } from './backends.js';
import { anyPortKey, anyPortRow, frontendKey, frontendRow } from './frontends.js';
import { SET_MEMBERS_MAX } from './maglev.js';
import { rowKey, stableId } from './rows.js';
import type { Row, RowKey, Rows, ServiceRow } from './rows.js';

export function serviceKey(port: ServicePortRecord, address: Address): RowKey {
  return rowKey('service', `${port.key} IPv${address.family}`);
}

/** The identity flows are accounted by; both families of a port share it. */
export function serviceId(port: ServicePortRecord): number {
  return stableId(port.key);
}

function serviceRow(
  port: ServicePortRecord,
  backends: readonly RowKey[],
  flags: number,
): ServiceRow {
  const bytes = new Uint8Array(SERVICE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(SERVICE_FLAGS_OFF, flags, true);
  view.setUint32(SERVICE_ID_OFF, serviceId(port), true);
  return { table: TableId.SERVICE, bytes, backends };
}

/** One port of a Service at one of its addresses. */
export interface Frontend {
  readonly service: ServiceRecord;
  readonly port: ServicePortRecord;
  readonly address: Address;
}

/** Endpoints that serve a ClusterIP on this node, in their fixed order; the first 16384. */
export function clusterIPEndpoints(
  { service, port, address }: Frontend,
  slices: Iterable<SliceRecord>,
  place: Place,
): readonly Endpoint[] {
  const endpoints = mergeEndpoints(slices, port, address.family, place.nodeName);
  const { cluster, local } = selectEndpoints(endpoints, place);
  return (service.internalLocal ? local : cluster).slice(0, SET_MEMBERS_MAX);
}

/** Whether any endpoint in the cluster could serve, on this node or not. */
function hasEndpoints(
  { port, address }: Frontend,
  slices: Iterable<SliceRecord>,
  place: Place,
): boolean {
  const endpoints = mergeEndpoints(slices, port, address.family, place.nodeName);
  return selectEndpoints(endpoints, place).hasAny;
}

/** All rows of a Service. One without usable endpoints keeps its frontends, over an empty set. */
export function compileService(
  service: ServiceRecord,
  slices: Iterable<SliceRecord>,
  place: Place,
): Rows {
  const rows = new Map<RowKey, Row>();
  const ownSlices = [...slices];
  for (const address of service.clusterIPs) {
    rows.set(anyPortKey(address), anyPortRow(address));
    for (const port of service.ports) {
      const frontend = { service, port, address };
      const endpoints = clusterIPEndpoints(frontend, ownSlices, place);
      const key = serviceKey(port, address);
      for (const endpoint of endpoints) {
        rows.set(backendKey(endpoint, port.protocol), backendRow(endpoint, port.protocol));
      }
      const backends = endpoints.map((endpoint) => backendKey(endpoint, port.protocol));
      // Endpoints elsewhere, by a policy that keeps traffic here: who asks is not told (kube-proxy's DROP).
      const isElsewhere = endpoints.length === 0 && hasEndpoints(frontend, ownSlices, place);
      rows.set(key, serviceRow(port, backends, isElsewhere ? SERVICE_F_SILENT : 0));
      rows.set(frontendKey(address, port), frontendRow(address, port, key));
    }
  }
  return rows;
}
