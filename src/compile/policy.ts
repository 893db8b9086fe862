/**
 * The POLICY record: what is masqueraded, and whom this node takes for a pod.
 *
 * Spec  kube-proxy, pkg/proxy/util: LocalTrafficDetector
 */
import {
  CONTROL_HOST_ALIAS4_OFF,
  CONTROL_HOST_ALIAS6_OFF,
  CONTROL_POD_RANGE4_OFF,
  CONTROL_POD_RANGE6_OFF,
  DELTA_PAYLOAD_SIZE,
  POLICY_F_MASQUERADE_ALL,
  POLICY_F_PODS_BY_LINK,
  POLICY_F_PODS_IN_RANGE4,
  POLICY_F_PODS_IN_RANGE6,
  POLICY_F_RESET_REMOVED,
  TableId,
} from '../../assembly/abi.js';
import { ADDR_SIZE, maskBytes } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { PlainRow } from './rows.js';

/** How pods are told from others. */
export type PodDetection =
  /** By the link they come by: one that Sluice has made for a pod. */
  | { readonly by: 'link' }
  /** By the name of the link they come by: a bridge, say. */
  | { readonly by: 'name'; readonly name: string }
  /** By how the name of the link they come by begins. */
  | { readonly by: 'prefix'; readonly prefix: string }
  /** By their address, in the pod ranges of this node's Node object. */
  | { readonly by: 'node' }
  /** By their address; a family without a range knows no pods. */
  | { readonly by: 'range'; readonly ranges: readonly Cidr[] }
  /** Not at all. */
  | { readonly by: 'nothing' };

export interface PolicyOptions {
  readonly pods: PodDetection;
  /** Everything to a ClusterIP is masqueraded. */
  readonly masqueradeAll: boolean;
  /** TCP flows of a backend that was removed are reset. */
  readonly resetRemoved: boolean;
  /** What the host's traffic to itself seems to come from; at most one a family. */
  readonly hostAliases: readonly Address[];
}

/** Where the fields behind the flags begin, in CONTROL and in the record. */
const RECORD_RANGES_OFF = 16;
const inRecord = (controlOff: number): number =>
  controlOff - CONTROL_POD_RANGE4_OFF + RECORD_RANGES_OFF;

const BY_LINK: readonly PodDetection['by'][] = ['link', 'name', 'prefix'];

function rangesOf(pods: PodDetection, podCIDRs: readonly Cidr[]): readonly Cidr[] {
  if (pods.by === 'range') return pods.ranges;
  return pods.by === 'node' ? podCIDRs : [];
}

/**
 * The payload of a POLICY record. Only the first range of a family counts, as in kube-proxy.
 *
 * @param podCIDRs  of this node
 */
export function policyRow(options: PolicyOptions, podCIDRs: readonly Cidr[]): PlainRow {
  const bytes = new Uint8Array(DELTA_PAYLOAD_SIZE);
  const { pods } = options;
  let flags = BY_LINK.includes(pods.by) ? POLICY_F_PODS_BY_LINK : 0;
  if (options.masqueradeAll) flags |= POLICY_F_MASQUERADE_ALL;
  if (options.resetRemoved) flags |= POLICY_F_RESET_REMOVED;
  for (const family of [4, 6] as const) {
    const is4 = family === 4;
    const range = rangesOf(pods, podCIDRs).find((candidate) => candidate.family === family);
    if (range) {
      const at = inRecord(is4 ? CONTROL_POD_RANGE4_OFF : CONTROL_POD_RANGE6_OFF);
      bytes.set(range.bytes, at);
      bytes.set(maskBytes(range), at + ADDR_SIZE);
      flags |= is4 ? POLICY_F_PODS_IN_RANGE4 : POLICY_F_PODS_IN_RANGE6;
    }
    const alias = options.hostAliases.find((candidate) => candidate.family === family);
    const at = inRecord(is4 ? CONTROL_HOST_ALIAS4_OFF : CONTROL_HOST_ALIAS6_OFF);
    if (alias) bytes.set(alias.bytes, at);
  }
  new DataView(bytes.buffer).setUint32(0, flags, true);
  return { table: TableId.POLICY, bytes };
}
