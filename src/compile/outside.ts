/**
 * What is outside the cluster: the kernel's own routes as rows, where pods keep their address, and
 * which source ports are not to be had.
 *
 *   a route out of an uplink       UPLINK  pods go there with the node's address
 *   any other route of the kernel  HOST    or a wider one of the first kind would cover it
 *
 * Routes of the cluster itself win over routes of the kernel to the same prefix, and what lies
 * within a range of the cluster is not outside at all.
 */
import {
  EXEMPT_MAX,
  RANGE_MASK_OFF,
  RANGE_SIZE,
  TAKEN_PORTS_BYTES,
  TableId,
} from '../../assembly/abi.js';
import { contains, maskBytes } from '../addr.js';
import type { Cidr } from '../addr.js';
import type { PlainRow } from './rows.js';

/** A route of the kernel's main table. */
export interface KernelRoute {
  readonly cidr: Cidr;
  /** The uplink it leaves by, with the node's address; undefined: the kernel's business alone. */
  readonly uplink: number | undefined;
}

/** What masquerading stands on; the same object as long as nothing in it has changed. */
export interface Outside {
  /** Empty: nothing is outside, all of it is the kernel's. */
  readonly routes: readonly KernelRoute[];
  /** Destinations that pods keep their own address towards; EXEMPT_MAX at most. */
  readonly exempt: readonly Cidr[];
  /** Destinations that are the kernel's whatever its routes say: links' own ranges. */
  readonly kernels: readonly Cidr[];
  /** TAKEN_PORTS_BYTES, as at CONTROL_TAKEN_PORTS. */
  readonly takenPorts: Uint8Array;
}

export const NO_OUTSIDE: Outside = {
  routes: [],
  exempt: [],
  kernels: [],
  takenPorts: new Uint8Array(TAKEN_PORTS_BYTES),
};

/** @param cluster  ranges of pods and services, of all nodes */
export function outsideRoutes(
  { routes, kernels }: Outside,
  cluster: readonly Cidr[],
): readonly KernelRoute[] {
  if (routes.length === 0) return [];
  const isWithin = ({ cidr }: KernelRoute): boolean =>
    cluster.some((range) => range.prefixLen <= cidr.prefixLen && contains(range, cidr));
  const left = kernels.map((cidr): KernelRoute => ({ cidr, uplink: undefined }));
  return [...routes.filter((route) => !isWithin(route)), ...left];
}

export function exemptRow({ exempt }: Outside): PlainRow {
  const list = exempt.slice(0, EXEMPT_MAX);
  const bytes = new Uint8Array(list.length * RANGE_SIZE);
  list.forEach((cidr, i) => {
    bytes.set(cidr.bytes, i * RANGE_SIZE);
    bytes.set(maskBytes(cidr), i * RANGE_SIZE + RANGE_MASK_OFF);
  });
  return { table: TableId.EXEMPT, bytes };
}

export function takenPortsRow({ takenPorts }: Outside): PlainRow {
  return { table: TableId.TAKEN_PORTS, bytes: takenPorts };
}
