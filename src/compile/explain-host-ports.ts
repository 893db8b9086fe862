/** Host ports of this node's pods, in the words for services. */
import { formatAddressPort } from '../addr.js';
import type { AttachmentRecord } from '../model/attachments.js';
import type { Cluster } from '../model/cluster.js';
import { servicePortKey } from '../model/keys.js';
import type { Membership } from '../model/select.js';
import { backendId } from './backends.js';
import type { ExplainedService, ExplainedSet } from './explain.js';
import { hostPortsOf } from './host-ports.js';
import type { CompiledHostPort } from './host-ports.js';
import type { Placement } from './placement.js';
import type { ServiceScope } from './services.js';

/** One in one family. */
function explainHostPort(
  { mapping, family, key, id, endpoint, frontends }: CompiledHostPort,
  record: AttachmentRecord,
  placement: Placement,
): ExplainedService {
  const member: Membership = { isMember: true, why: 'ready' };
  const backend = { endpoint: endpoint.key, id: backendId(endpoint, mapping.protocol) };
  const only: ExplainedSet = { isUsed: true, endpoints: [endpoint.key], maglevSize: 0 };
  const { ready, serving, terminating, local, weight } = endpoint;
  const conditions = { ready, serving, terminating, local, weight };
  const owner = record.pod ?? record.key;
  return {
    key: servicePortKey(owner, `hostPort-${mapping.hostPort}`, mapping.protocol),
    id,
    type: 'HostPort',
    family,
    protocol: mapping.protocol,
    frontend: frontends[0] ? formatAddressPort(frontends[0].address, mapping.hostPort) : '-',
    frontends: frontends.map(({ address, port }) => ({
      kind: 'NodePort',
      address: formatAddressPort(address, port),
      set: 'local',
    })),
    internalPolicy: 'Local',
    externalPolicy: 'Local',
    algorithm: 'random',
    affinitySec: 0,
    sourceRanges: [],
    isClosed: false,
    backends: [backend],
    sets: { cluster: only, local: only },
    endpoints: [{ ...backend, ...conditions, cluster: member, inLocal: member }],
    endpointCount: 1,
    idx: placement.service(key)?.idx,
    maglevSize: 0,
  };
}

export function explainHostPorts(
  { attachments }: Cluster,
  placement: Placement,
  scope: ServiceScope,
): ExplainedService[] {
  const earlier: AttachmentRecord[] = [];
  return [...attachments.values()].flatMap((record) => {
    const { ports } = hostPortsOf(record, earlier, scope);
    earlier.push(record);
    return ports.map((port) => explainHostPort(port, record, placement));
  });
}
