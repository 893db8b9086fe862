/**
 * FRONTENDS: what a packet to a service is recognised by.
 */
import {
  FRONTEND_ADDR_OFF,
  FRONTEND_ANY_PORT,
  FRONTEND_KIND_OFF,
  FRONTEND_PORT_OFF,
  FRONTEND_PROTO_OFF,
  FRONTEND_SIZE,
  FrontendKind,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TableId,
} from '../../assembly/abi.js';
import { contains, formatAddress, formatAddressPort } from '../addr.js';
import type { Address, Cidr, Family } from '../addr.js';
import type { Protocol, ServicePortRecord, ServiceRecord } from '../model/services.js';
import { rowKey } from './rows.js';
import type { FrontendRow, RowKey } from './rows.js';

export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = {
  TCP: IPPROTO_TCP,
  UDP: IPPROTO_UDP,
  SCTP: IPPROTO_SCTP,
};

/** An address and port that lead to a service port. */
export interface Frontend {
  readonly kind: Exclude<FrontendKind, FrontendKind.NONE>;
  readonly address: Address;
  readonly port: number;
}

/** What decides which frontends there are besides the Service. */
export interface FrontendScope {
  /** Addresses of this node that node ports are on. */
  readonly nodePorts: readonly Address[];
  /** The only externalIPs that are taken (CVE-2020-8554). */
  readonly allowedExternalIPs: readonly Cidr[];
}

export function isExternalIPAllowed(
  address: Address,
  { allowedExternalIPs }: Pick<FrontendScope, 'allowedExternalIPs'>,
): boolean {
  return allowedExternalIPs.some((cidr) => contains(cidr, address));
}

/**
 * The frontends of a service port in one family, the ones that come first beating those that would
 * have the same address and port. A load balancer's beats an externalIP: it has source ranges.
 */
export function frontendsOf(
  service: ServiceRecord,
  { port, nodePort }: ServicePortRecord,
  family: Family,
  scope: FrontendScope,
): Frontend[] {
  const externalIPs = service.externalIPs.filter((ip) => isExternalIPAllowed(ip, scope));
  const at = (kind: Frontend['kind'], addresses: readonly Address[], number: number): Frontend[] =>
    addresses
      .filter((address) => address.family === family)
      .map((address) => ({ kind, address, port: number }));
  return [
    ...at(FrontendKind.CLUSTER_IP, service.clusterIPs, port),
    ...at(FrontendKind.LOAD_BALANCER, service.loadBalancerIPs, port),
    ...at(FrontendKind.EXTERNAL_IP, externalIPs, port),
    ...(nodePort === undefined ? [] : at(FrontendKind.NODE_PORT, scope.nodePorts, nodePort)),
  ];
}

export function frontendKey({ address, port }: Frontend, protocol: Protocol): RowKey {
  return rowKey('frontend', `${formatAddressPort(address, port)}/${protocol}`);
}

export function anyPortKey(address: Address): RowKey {
  return rowKey('frontend', `${formatAddress(address)} any`);
}

function image(address: Address, port: number, proto: number, kind: FrontendKind): Uint8Array {
  const bytes = new Uint8Array(FRONTEND_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(address.bytes, FRONTEND_ADDR_OFF);
  view.setUint16(FRONTEND_PORT_OFF, port);
  view.setUint8(FRONTEND_PROTO_OFF, proto);
  view.setUint8(FRONTEND_KIND_OFF, kind);
  return bytes;
}

export function frontendRow(
  { kind, address, port }: Frontend,
  protocol: Protocol,
  service: RowKey,
): FrontendRow {
  const bytes = image(address, port, PROTOCOL_NUMBER[protocol], kind);
  return { table: TableId.FRONTEND, bytes, service };
}

/** The address is a service's: a port that no frontend has is refused, not routed. */
export function anyPortRow(address: Address): FrontendRow {
  return {
    table: TableId.FRONTEND,
    bytes: image(address, FRONTEND_ANY_PORT, 0, FrontendKind.NONE),
    service: undefined,
  };
}
