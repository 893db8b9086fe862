/**
 * FRONTENDS: what a packet to a service is recognised by.
 */
import {
  FRONTEND_ADDR_OFF,
  FRONTEND_ANY_PORT,
  FRONTEND_PORT_OFF,
  FRONTEND_PROTO_OFF,
  FRONTEND_SIZE,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TableId,
} from '../../assembly/abi.js';
import { formatAddress, formatAddressPort } from '../addr.js';
import type { Address } from '../addr.js';
import type { Protocol, ServicePortRecord } from '../model/services.js';
import { rowKey } from './rows.js';
import type { FrontendRow, RowKey } from './rows.js';

export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = {
  TCP: IPPROTO_TCP,
  UDP: IPPROTO_UDP,
  SCTP: IPPROTO_SCTP,
};

export function frontendKey(address: Address, port: ServicePortRecord): RowKey {
  return rowKey('frontend', `${formatAddressPort(address, port.port)}/${port.protocol}`);
}

export function anyPortKey(address: Address): RowKey {
  return rowKey('frontend', `${formatAddress(address)} any`);
}

function image(address: Address, port: number, proto: number): Uint8Array {
  const bytes = new Uint8Array(FRONTEND_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(address.bytes, FRONTEND_ADDR_OFF);
  view.setUint16(FRONTEND_PORT_OFF, port);
  view.setUint8(FRONTEND_PROTO_OFF, proto);
  return bytes;
}

export function frontendRow(
  address: Address,
  port: ServicePortRecord,
  service: RowKey,
): FrontendRow {
  const bytes = image(address, port.port, PROTOCOL_NUMBER[port.protocol]);
  return { table: TableId.FRONTEND, bytes, service };
}

/** The address is a service's: a port that no frontend has is refused, not routed. */
export function anyPortRow(address: Address): FrontendRow {
  return {
    table: TableId.FRONTEND,
    bytes: image(address, FRONTEND_ANY_PORT, 0),
    service: undefined,
  };
}
