/** Configuration keys of what connects the pods of different nodes. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { parseAddress, parseCidr, parseMac } from '../addr.js';
import type { Cidr } from '../addr.js';
import { count, onOff, path, row, rowOr } from './rows.js';
import { parsePoolCidr } from '../pool-prefix.js';
import { parsed } from '../validate.js';

export const OVERLAY_MODES = ['auto', 'direct', 'vxlan', 'off'] as const;
export type OverlayMode = (typeof OVERLAY_MODES)[number];

/** linux/if_vxlan.h: 24 bits. */
const VNI_MAX = 2 ** 24 - 1;

const peerSchema = z.strictObject({
  name: row(z.string().min(1, { error: 'expected a name' }), 'NAME', "the other node's name"),
  podCIDRs: row(z.array(parsed(parsePoolCidr)), 'list of CIDR', 'its pods'),
  addresses: row(
    z.array(parsed(parseAddress)).min(1, { error: 'expected an address' }),
    'list of IP',
    'its own addresses',
  ),
  vtepMAC: row(
    parsed(parseMac).optional(),
    'MAC',
    "of its tunnel's end; default what Sluice makes of its name",
  ),
});

const etcdSchema = z.strictObject({
  endpoints: row(
    z.array(z.string().min(1)).min(1, { error: 'expected an endpoint' }),
    'list of URL',
    'where etcd is',
  ),
  prefix: rowOr(z.string().min(1), '/coreos.com/network', 'KEY', "flannel's --etcd-prefix"),
  caFile: row(path.optional(), 'FILE', 'certificates that etcd is checked by'),
  certFile: row(path.optional(), 'FILE', 'certificate of this node, with keyFile'),
  keyFile: row(path.optional(), 'FILE', 'its key'),
  username: row(z.string().optional(), 'NAME', 'with password'),
  password: row(z.string().optional(), 'TEXT', 'of username'),
});

const overlaySchema = z.strictObject({
  mode: rowOr(
    z.enum(OVERLAY_MODES),
    'auto',
    OVERLAY_MODES.join('|'),
    'how pods of other nodes are reached: auto is direct where a node is on a link of ours, else vxlan; off leaves them to the routes of the host',
  ),
  vni: rowOr(count(1, VNI_MAX), 1, 'NUMBER', 'network identifier of VXLAN, the same on all nodes'),
  port: rowOr(count(1, 65535), 8472, 'PORT', 'UDP port of VXLAN, the same on all nodes'),
  flannel: rowOr(
    onOff,
    'off',
    'on|off',
    "say in the Node's annotations what flannel's nodes have to know to reach this one",
  ),
  subnetFile: row(
    path.optional(),
    'FILE',
    'written for CNI plugins that expect flannel: /run/flannel/subnet.env',
  ),
  network: rowOr(
    z.array(parsed(parseCidr)),
    [],
    'list of CIDR',
    'all pods of the cluster, for subnetFile; default clusterCIDRs',
  ),
  peers: rowOr(z.array(peerSchema), [], 'list', 'nodes that the source does not tell about'),
  etcd: row(etcdSchema.optional(), 'mapping', "flannel's etcd: pods of this node, and peers"),
});

/** Keys of the document itself. */
export const overlayRows = {
  overlay: rowOr(overlaySchema, {}, 'mapping', 'how pods of different nodes reach each other'),
};

export type StaticPeer = z.output<typeof peerSchema>;

export interface EtcdConfig {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface OverlayConfig {
  readonly mode: OverlayMode;
  readonly vni: number;
  readonly port: number;
  readonly flannel: boolean;
  readonly subnetFile: string | undefined;
  readonly network: readonly Cidr[];
  readonly peers: readonly StaticPeer[];
  readonly etcd: EtcdConfig | undefined;
}

type Given = { readonly overlay: z.output<typeof overlaySchema> };

/** @param file  the configuration's: relative paths start from its folder */
export function completeOverlay(
  { overlay }: Given,
  clusterCIDRs: readonly Cidr[],
  folder: string,
): OverlayConfig {
  const at = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : resolve(folder, name);
  const { etcd } = overlay;
  return {
    mode: overlay.mode,
    vni: overlay.vni,
    port: overlay.port,
    flannel: overlay.flannel,
    subnetFile: at(overlay.subnetFile),
    network: overlay.network.length > 0 ? overlay.network : clusterCIDRs,
    peers: overlay.peers,
    etcd: etcd && {
      endpoints: etcd.endpoints,
      prefix: etcd.prefix,
      caFile: at(etcd.caFile),
      certFile: at(etcd.certFile),
      keyFile: at(etcd.keyFile),
      username: etcd.username,
      password: etcd.password,
    },
  };
}
