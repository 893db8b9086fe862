/**
 * BACKENDS: one row per address, port, protocol and weight, shared by all services that use it.
 */
import {
  BACKEND_ADDR_OFF,
  BACKEND_ID_OFF,
  BACKEND_PORT_OFF,
  BACKEND_PROTO_OFF,
  BACKEND_SIZE,
  BACKEND_WEIGHT_OFF,
  TableId,
} from '../../assembly/abi.js';
import type { Protocol } from '../model/services.js';
import { WEIGHT_DEFAULT } from '../model/slices.js';
import type { Endpoint } from '../model/slices.js';
import { PROTOCOL_NUMBER } from './frontends.js';
import { rowImage, rowKey, stableId } from './rows.js';
import type { PlainRow, RowKey } from './rows.js';

export function backendKey(endpoint: Endpoint, protocol: Protocol): RowKey {
  const weight = endpoint.weight === WEIGHT_DEFAULT ? '' : ` weight ${endpoint.weight}`;
  return rowKey('backend', `${endpoint.key}/${protocol}${weight}`);
}

/** The identity flows are accounted by, whatever the weight, and that a Maglev permutation grows from: `ip:port/PROTOCOL`, hashed. */
export function backendId(endpoint: Endpoint, protocol: Protocol): number {
  return stableId(`${endpoint.key}/${protocol}`);
}

export function backendRow(endpoint: Endpoint, protocol: Protocol): PlainRow {
  const bytes = rowImage(BACKEND_SIZE, (view, image) => {
    image.set(endpoint.address.bytes, BACKEND_ADDR_OFF);
    view.setUint16(BACKEND_PORT_OFF, endpoint.port);
    view.setUint8(BACKEND_PROTO_OFF, PROTOCOL_NUMBER[protocol]);
    view.setUint32(BACKEND_ID_OFF, backendId(endpoint, protocol), true);
    view.setUint32(BACKEND_WEIGHT_OFF, endpoint.weight, true);
  });
  return { table: TableId.BACKEND, bytes };
}
