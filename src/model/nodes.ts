/**
 * Nodes, projected: where the pods of other nodes are, and who this node is.
 */
import type { Node } from 'kubernetes-types/core/v1.js';
import { canonicalAddress, canonicalCidr } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import { poolComplaint } from '../pool-prefix.js';
import { projectOverlay } from './vtep.js';
import type { NodeOverlay } from './vtep.js';

export const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** Put on a node by the cluster autoscaler before it removes it. */
const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';

export interface NodeRecord {
  readonly name: string;
  readonly podCIDRs: readonly Cidr[];
  /** In the order of the object; the first of a family is the node's address. */
  readonly internalIPs: readonly Address[];
  readonly zone: string | undefined;
  /** Name and value: a list, so that it can be compared. */
  readonly labels: readonly (readonly [string, string])[];
  readonly overlay: NodeOverlay;
  /** About to be removed: no new connections should be led to it. */
  readonly isLeaving: boolean;
  readonly ignored: readonly string[];
}

export function projectNode(node: Node): NodeRecord {
  const ignored: string[] = [];
  const usable = <T>(
    field: string,
    text: string,
    read: (text: string) => T | undefined,
    expected: string,
  ): T[] => {
    const value = read(text);
    if (value !== undefined) return [value];
    ignored.push(`${field} ${JSON.stringify(text)}: no ${expected}`);
    return [];
  };
  const { podCIDR, podCIDRs = [], taints = [] } = node.spec ?? {};
  const isTainted = taints.some(({ key }) => key === TO_BE_DELETED_TAINT);
  const cidrs = podCIDRs.length > 0 ? podCIDRs : [podCIDR ?? ''].filter((text) => text !== '');
  const { overlay, ignored: unread } = projectOverlay(node.metadata?.annotations ?? {});
  ignored.push(...unread);
  const addresses = (node.status?.addresses ?? []).filter((a) => a.type === 'InternalIP');
  return {
    name: node.metadata?.name ?? '',
    podCIDRs: cidrs.flatMap((text, i) =>
      usable(`podCIDRs[${i}]`, text, canonicalCidr, 'prefix').filter((cidr) => {
        const complaint = poolComplaint(cidr);
        if (complaint !== undefined)
          ignored.push(`podCIDRs[${i}] ${JSON.stringify(text)}: ${complaint}`);
        return complaint === undefined;
      }),
    ),
    internalIPs: addresses.flatMap((a) =>
      usable('InternalIP', a.address, canonicalAddress, 'address'),
    ),
    overlay,
    zone: node.metadata?.labels?.[ZONE_LABEL],
    labels: Object.entries(node.metadata?.labels ?? {}),
    isLeaving: isTainted || node.metadata?.deletionTimestamp != null,
    ignored,
  };
}
