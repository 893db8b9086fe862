/** Configuration keys of addresses from pools that all nodes share. */
import { z } from 'zod';
import { formatCidr, parseCidr } from '../addr.js';
import type { Cidr } from '../addr.js';
import type { Broken } from './proxy.js';
import { count, onOff, path, row, rowOr } from './rows.js';
import { poolSchema, viewOf } from '../ipam/blocks/pool.js';
import type { Pool } from '../ipam/blocks/pool.js';
import type { StoreSpec } from '../ipam/store/open.js';
import { parsed } from '../validate.js';

/** IPAMConfig of Calico: no address rests longer. */
export const BLOCK_COOLDOWN_MAX_SEC = 1_200;

function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.port !== '') return url.origin;
  throw new Error(
    `${JSON.stringify(text)} is no endpoint; expected one such as http://192.0.2.1:2379`,
  );
}

const etcdSchema = z.strictObject({
  endpoints: row(
    z.array(parsed(parseEndpoint)).min(1, { error: 'expected at least one endpoint' }),
    'list of URL',
    'members of the etcd cluster',
  ),
  prefix: rowOr(
    z.string().regex(/^\/[^\s]*$/, { error: 'expected a path such as /sluice/ipam' }),
    '/sluice/ipam',
    'KEY',
    'what keys start with',
  ),
  caFile: row(path.optional(), 'FILE', 'PEM; certificates of the members are checked against it'),
  certFile: row(path.optional(), 'FILE', 'PEM; the client certificate'),
  keyFile: row(path.optional(), 'FILE', 'PEM; the key of the client certificate'),
});

const storeSchema = z.strictObject({
  file: row(path.optional(), 'DIR', 'a folder of this node, or one that all nodes share'),
  etcd: row(etcdSchema.optional(), 'mapping', 'an etcd v3 cluster; needs the package etcd3'),
  kubernetes: row(
    z.literal(true, { error: 'expected true' }).optional(),
    'true',
    'custom resources in the API server of source.kubernetes; deploy/ipam-crds.yaml',
  ),
});

/** Keys of `ipam` that count with mode blocks. */
export const blockRows = {
  store: row(storeSchema.optional(), 'mapping', 'with blocks: where blocks are kept; one of three'),
  pools: rowOr(
    z.array(poolSchema),
    [],
    'list',
    'with blocks: the pools, the same on all nodes; default those in the store',
  ),
  reservedCIDRs: rowOr(
    z.array(parsed(parseCidr)),
    [],
    'list of CIDR',
    'with blocks and pools: addresses that only a pod gets that asks for them',
  ),
  strictAffinity: rowOr(
    onOff,
    'off',
    'on|off',
    'with blocks: never take an address from a block of another node',
  ),
  maxBlocksPerHost: rowOr(
    count(1, 65_536),
    20,
    'blocks',
    'with blocks: a node claims no more of them in each family',
  ),
};

type Parsed = z.output<z.ZodObject<typeof blockRows>>;

export interface BlocksConfig {
  readonly store: StoreSpec;
  /** undefined: those in the store. */
  readonly inline:
    { readonly pools: readonly Pool[]; readonly reserved: readonly Cidr[] } | undefined;
  readonly strictAffinity: boolean;
  readonly maxBlocksPerHost: number;
}

function storeChecks({ store }: Parsed): Broken[] {
  const given = Object.values(store ?? {}).filter((kind) => kind !== undefined);
  if (given.length !== 1) {
    return [{ path: ['ipam', 'store'], expectation: 'expected one of file, etcd and kubernetes' }];
  }
  const { caFile, certFile, keyFile, endpoints = [] } = store?.etcd ?? {};
  const isSecure = endpoints.some((endpoint) => endpoint.startsWith('https:'));
  if (isSecure !== (caFile !== undefined)) {
    const expectation = 'expected caFile with https endpoints, and only with them';
    return [{ path: ['ipam', 'store', 'etcd', 'caFile'], expectation }];
  }
  if ((certFile === undefined) === (keyFile === undefined)) return [];
  const expectation = 'expected certFile and keyFile, or neither';
  return [{ path: ['ipam', 'store', 'etcd', 'certFile'], expectation }];
}

/** Rules that need more than one key; to be asked with mode blocks. */
export function blockChecks(ipam: Parsed & { readonly cooldownSec: number }): Broken[] {
  const broken = storeChecks(ipam);
  const { pools, reservedCIDRs, cooldownSec } = ipam;
  for (const expectation of viewOf(pools, []).complaints) {
    broken.push({ path: ['ipam', 'pools'], expectation });
  }
  if (new Set(pools.map(({ name }) => name)).size < pools.length) {
    broken.push({ path: ['ipam', 'pools'], expectation: 'expected each name once' });
  }
  if (pools.length === 0 && reservedCIDRs.length > 0) {
    const expectation = `expected pools with it: ${formatCidr(reservedCIDRs[0] ?? parseCidr('::/0'))} belongs into an IPReservation of the store`;
    broken.push({ path: ['ipam', 'reservedCIDRs'], expectation });
  }
  if (cooldownSec > BLOCK_COOLDOWN_MAX_SEC) {
    const expectation = `expected at most ${BLOCK_COOLDOWN_MAX_SEC} with blocks`;
    broken.push({ path: ['ipam', 'cooldownSec'], expectation });
  }
  return broken;
}

function storeSpec({ store }: Parsed, absolute: (path: string) => string): StoreSpec {
  if (store?.file !== undefined) return { kind: 'file', dir: absolute(store.file) };
  if (store?.etcd === undefined) return { kind: 'kubernetes' };
  const { endpoints, prefix, caFile, certFile, keyFile } = store.etcd;
  const fileOf = (file: string | undefined) => file && absolute(file);
  const files = { caFile: fileOf(caFile), certFile: fileOf(certFile), keyFile: fileOf(keyFile) };
  return { kind: 'etcd', etcd: { endpoints, prefix, ...files } };
}

/** @param absolute  a path from the file's own folder */
export function completeBlocks(ipam: Parsed, absolute: (path: string) => string): BlocksConfig {
  const { pools, reservedCIDRs: reserved, strictAffinity, maxBlocksPerHost } = ipam;
  const inline = pools.length === 0 ? undefined : { pools, reserved };
  return { store: storeSpec(ipam, absolute), inline, strictAffinity, maxBlocksPerHost };
}
