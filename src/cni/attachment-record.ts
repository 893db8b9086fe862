/** From a request to the record of an attachment: what the runtime, the pod and the configuration want. */
import { formatAddress, formatMac } from '../addr.js';
import { readAnnotations } from '../ipam/annotations.js';
import type { AddressWishes } from '../ipam/annotations.js';
import type { StoredAttachment } from './attachment-store.js';
import { present } from './decode-result.js';
import { delegateRecord } from './delegated.js';
import { CNI_CODE, CniError } from './errors.js';
import { ownerOf } from './request.js';
import type { CniRequest } from './request.js';
import type { ResultRoute } from './result.js';

/**
 * What the pod's annotations ask for, and the runtime: its word counts before, address family by
 * address family.
 *
 * @throws CniError 7
 */
export function wishesOf({ conf, requestedIps, mac }: CniRequest): AddressWishes {
  const annotations = Object.fromEntries(conf.runtimeConfig.podAnnotations);
  const said = readAnnotations(annotations, {});
  if (typeof said === 'string') {
    throw new CniError(CNI_CODE.INVALID_CONFIG, `annotation of the pod: ${said}`);
  }
  const isAsked = (family: 4 | 6) => requestedIps.some((address) => address.family === family);
  const requested = said.requested.filter(({ family }) => !isAsked(family));
  return {
    pools: said.pools,
    requested: [...requestedIps, ...requested],
    mac: mac ?? said.mac,
  };
}

/**
 * The record before anything is made.
 *
 * @param mtu  where the configuration of the network says none
 */
export function recordOf(
  request: CniRequest,
  { mac }: AddressWishes,
  mtu: number,
  nowMs: number,
): StoredAttachment {
  const { conf, pod, netns } = request;
  const { bandwidth } = conf;
  const { portMappings, ipRanges } = conf.runtimeConfig;
  const delegate = delegateRecord(request);
  if (netns === undefined) throw new CniError(CNI_CODE.INVALID_ENVIRONMENT, 'CNI_NETNS: missing');
  return {
    ...ownerOf(request),
    isPending: true,
    ...(pod === undefined ? {} : { pod: { ...pod, uid: pod.uid } }),
    netns,
    ips: [],
    ...(mac === undefined ? {} : { mac: formatMac(mac) }),
    // What does not fit through the trunk would never arrive.
    mtu: Math.min(conf.mtu ?? mtu, mtu),
    hostPorts: portMappings.map(({ protocol, hostPort, containerPort, hostIP }) => ({
      protocol: protocol.toUpperCase() as 'TCP' | 'UDP' | 'SCTP',
      hostPort,
      containerPort,
      ...(hostIP === undefined ? {} : { hostIP: formatAddress(hostIP) }),
    })),
    ...(bandwidth.ingress === undefined ? {} : { ingress: bandwidth.ingress }),
    ...(bandwidth.egress === undefined ? {} : { egress: bandwidth.egress }),
    ...(delegate === undefined ? {} : { delegate }),
    ...(ipRanges.length === 0 ? {} : { hasOwnRanges: true }),
    sinceMs: nowMs,
  };
}

/** Routes that an address plugin has named, as a record has them; nothing when there are none. */
export function keptRoutes(routes: readonly ResultRoute[]): Pick<StoredAttachment, 'routes'> {
  const kept = routes.map(({ dst, mtu, advmss, priority, table }) => {
    return { dst, ...present({ mtu, advmss, metric: priority, table }) };
  });
  return kept.length === 0 ? {} : { routes: kept };
}
