/**
 * The file by which flannel tells CNI plugins what the pods of this node get.
 *
 * Spec: flannel-io/flannel, pkg/subnet/subnet.go (WriteSubnetFile)
 */
import { renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder, readIfThere } from '../disk.js';
import { formatAddress, formatCidr } from '../addr.js';
import type { Cidr, Family } from '../addr.js';

export interface SubnetFacts {
  /** All pods of the cluster, at most one range a family counts. */
  readonly networks: readonly Cidr[];
  /** Pods of this node. */
  readonly subnets: readonly Cidr[];
  readonly mtu: number;
  /** Packets of pods that leave the cluster have the node's address already. */
  readonly isMasqueraded: boolean;
}

const LAST_BYTE = 15;

/** The bridge's address: the first one behind that of the range. */
function firstOf({ family, bytes, prefixLen }: Cidr): string {
  const first = bytes.slice();
  first[LAST_BYTE] = (first[LAST_BYTE] ?? 0) | 1;
  return `${formatAddress({ family, bytes: first })}/${prefixLen}`;
}

export function subnetText({ networks, subnets, mtu, isMasqueraded }: SubnetFacts): string {
  const lines = ([4, 6] as const).flatMap((family: Family) => {
    const infix = family === 6 ? 'IPV6_' : '';
    const network = networks.find((range) => range.family === family);
    const subnet = subnets.find((range) => range.family === family);
    return [
      ...(network && subnet ? [`FLANNEL_${infix}NETWORK=${formatCidr(network)}`] : []),
      ...(subnet ? [`FLANNEL_${infix}SUBNET=${firstOf(subnet)}`] : []),
    ];
  });
  return [...lines, `FLANNEL_MTU=${mtu}`, `FLANNEL_IPMASQ=${isMasqueraded}`, ''].join('\n');
}

/** Replace the file as a whole, unless it says so already. @returns whether it was written */
export function writeSubnetFile(file: string, text: string): boolean {
  if (readIfThere(file) === text) return false;
  makeFolder(dirname(file));
  writeFileSync(`${file}.new`, text, { mode: 0o644 });
  renameSync(`${file}.new`, file);
  return true;
}
