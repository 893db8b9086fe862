/**
 * Host ports: a port of the node for one pod, as a service of one local endpoint.
 *
 * Clients outside and other pods keep their address, as with externalTrafficPolicy Local; the node's
 * own processes and the pod itself seem to come from the node, as with portmap's `snat`.
 *
 * Spec  CNI, CONVENTIONS.md: portMappings; containernetworking/plugins, meta/portmap
 */
import {
  FrontendKind,
  SERVICE_CLUSTER_COUNT_OFF,
  SERVICE_FLAGS_OFF,
  SERVICE_F_EXTERNAL_LOCAL,
  SERVICE_F_HAS_ANY,
  SERVICE_ID_OFF,
  SERVICE_LOCAL_COUNT_OFF,
  SERVICE_SIZE,
  TableId,
} from '../../assembly/abi.js';
import { parseAddress } from '../addr.js';
import type { Address, Family } from '../addr.js';
import type { AttachmentRecord, HostPort } from '../model/attachments.js';
import { conflicts, formatHostPort, onlyAddress, servesFamily } from '../model/host-ports.js';
import type { ObjectKey } from '../model/keys.js';
import { readyHere } from '../model/slices.js';
import type { Endpoint } from '../model/slices.js';
import { backendKey, backendRow } from './backends.js';
import { presenceOf } from './departures.js';
import type { Presence } from './departures.js';
import { frontendKey, frontendRow } from './frontends.js';
import type { Frontend } from './frontends.js';
import { rowImage, rowKey, stableId } from './rows.js';
import type { Row, RowKey, ServiceRow } from './rows.js';
import type { ServiceScope } from './services.js';

const FAMILIES = [4, 6] as const;
/** What a process of the node reaches by `localhost`; of IPv6 there is no such thing. */
const LOCALHOST = parseAddress('127.0.0.1');

/** One mapping in one family. */
export interface CompiledHostPort {
  readonly mapping: HostPort;
  readonly family: Family;
  readonly key: RowKey;
  /** The identity flows are accounted by. */
  readonly id: number;
  readonly endpoint: Endpoint;
  readonly frontends: readonly Frontend[];
}

export interface HostPorts {
  readonly ports: readonly CompiledHostPort[];
  /** Mappings that others have taken, a sentence each. */
  readonly problems: readonly string[];
}

/** Whether some mapping is reached by 127.0.0.1. */
export function usesLocalhost({ hostPorts }: AttachmentRecord): boolean {
  return hostPorts.some((mapping) => {
    const only = onlyAddress(mapping);
    return servesFamily(mapping, 4) && (only === undefined || isLoopback(only));
  });
}

function isLoopback({ family, bytes }: Address): boolean {
  return family === 4 && bytes[12] === 127;
}

function addressesOf(mapping: HostPort, family: Family, scope: ServiceScope): readonly Address[] {
  const only = onlyAddress(mapping);
  if (only !== undefined) return [only];
  const own = scope.globalAddresses.filter((address) => address.family === family);
  return family === 6 ? own : [...own, LOCALHOST];
}

function compileOne(
  key: ObjectKey,
  mapping: HostPort,
  address: Address,
  scope: ServiceScope,
): CompiledHostPort {
  const { family } = address;
  const name = `${key} ${formatHostPort(mapping)}`;
  const port = mapping.containerPort;
  const endpoint = readyHere(address, port);
  const frontends = addressesOf(mapping, family, scope).map((at): Frontend => {
    return { kind: FrontendKind.NODE_PORT, address: at, port: mapping.hostPort };
  });
  const id = stableId(name);
  return {
    mapping,
    family,
    key: rowKey('service', `${name} IPv${family}`),
    id,
    endpoint,
    frontends,
  };
}

/**
 * @param others  attachments that came before: what they have, this one has not
 */
export function hostPortsOf(
  record: AttachmentRecord,
  others: Iterable<AttachmentRecord>,
  scope: ServiceScope,
): HostPorts {
  if (record.hostPorts.length === 0) return { ports: [], problems: [] };
  const lost = conflicts(record, others);
  const had = record.hostPorts.filter((mapping) => !lost.some((c) => c.mapping === mapping));
  const ports = had.flatMap((mapping) =>
    FAMILIES.flatMap((family) => {
      const address = record.addresses.find((candidate) => candidate.family === family);
      const isServed = address !== undefined && servesFamily(mapping, family);
      return isServed ? [compileOne(record.key, mapping, address, scope)] : [];
    }),
  );
  return { ports, problems: lost.map(({ text }) => text) };
}

function serviceRow({ id, endpoint, mapping }: CompiledHostPort): ServiceRow {
  const bytes = rowImage(SERVICE_SIZE, (view) => {
    view.setUint32(SERVICE_FLAGS_OFF, SERVICE_F_EXTERNAL_LOCAL | SERVICE_F_HAS_ANY, true);
    view.setUint32(SERVICE_ID_OFF, id, true);
    view.setUint32(SERVICE_LOCAL_COUNT_OFF, 1, true);
    view.setUint32(SERVICE_CLUSTER_COUNT_OFF, 1, true);
  });
  const only = { first: 0, count: 1 };
  return {
    table: TableId.SERVICE,
    bytes,
    backends: [backendKey(endpoint, mapping.protocol)],
    sets: { local: only, cluster: only },
    maglev: [],
    ranges: new Uint8Array(0),
  };
}

export function* hostPortRows(compiled: CompiledHostPort): Generator<readonly [RowKey, Row]> {
  const { endpoint, frontends, key, mapping } = compiled;
  const { protocol } = mapping;
  yield [backendKey(endpoint, protocol), backendRow(endpoint, protocol)];
  yield [key, serviceRow(compiled)];
  for (const frontend of frontends) {
    yield [frontendKey(frontend, protocol), frontendRow(frontend, protocol, key)];
  }
}

/** Flows of a mapping go with it: the port may be another pod's at once. */
export function hostPortPresence(
  { id, endpoint, mapping }: CompiledHostPort,
  { resetsTcp }: ServiceScope,
): Presence | undefined {
  const presence = presenceOf({ id, protocol: mapping.protocol }, [endpoint], resetsTcp);
  return presence && { ...presence, endsAtOnce: true };
}
