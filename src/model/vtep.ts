/**
 * VTEPs: the ends of the tunnels between nodes. What nodes say of theirs is in flannel's
 * annotations, so that Sluice and flannel reach each other's pods; a node that says nothing has the
 * MAC address that Sluice gives it by its name.
 *
 * Spec: flannel-io/flannel, pkg/subnet/kube (annotations), pkg/backend/vxlan (backend data)
 */
import { canonicalAddress, formatMac, parseMac } from '../addr.js';
import type { Address, Family } from '../addr.js';
import { sha256 } from '../sha256.js';

/** Prefix that flannel's annotations have unless it is told another. */
const PREFIX = 'flannel.alpha.coreos.com';

export const FLANNEL = {
  BACKEND_TYPE: `${PREFIX}/backend-type`,
  BACKEND_DATA: `${PREFIX}/backend-data`,
  BACKEND_V6_DATA: `${PREFIX}/backend-v6-data`,
  PUBLIC_IP: `${PREFIX}/public-ip`,
  PUBLIC_IPV6: `${PREFIX}/public-ipv6`,
  PUBLIC_IP_OVERWRITE: `${PREFIX}/public-ip-overwrite`,
  PUBLIC_IPV6_OVERWRITE: `${PREFIX}/public-ipv6-overwrite`,
  SUBNET_MANAGER: `${PREFIX}/kube-subnet-manager`,
} as const;

/** One end of tunnels, by the family of the packets around. */
export interface Vtep {
  readonly family: Family;
  /** Where packets are sent; undefined: the node's InternalIP of the family. */
  readonly address: Address | undefined;
  readonly mac: Uint8Array;
  readonly vni: number;
}

/** What a node says of how its pods are reached. */
export interface NodeOverlay {
  /** flannel's backend: `vxlan`, `host-gw`, ...; undefined: it says nothing. */
  readonly backend: string | undefined;
  readonly vteps: readonly Vtep[];
  /** Where the node is to be reached instead of its InternalIPs, by who runs it. */
  readonly publicAddresses: readonly Address[];
}

export const NO_OVERLAY: NodeOverlay = {
  backend: undefined,
  vteps: [],
  publicAddresses: [],
};

type Annotations = Readonly<Record<string, string>>;

const KEYS = {
  4: {
    data: FLANNEL.BACKEND_DATA,
    address: FLANNEL.PUBLIC_IP,
    overwrite: FLANNEL.PUBLIC_IP_OVERWRITE,
  },
  6: {
    data: FLANNEL.BACKEND_V6_DATA,
    address: FLANNEL.PUBLIC_IPV6,
    overwrite: FLANNEL.PUBLIC_IPV6_OVERWRITE,
  },
} as const;

function readData(text: string): { vni: number; mac: Uint8Array } | undefined {
  try {
    const { VNI, VtepMAC } = JSON.parse(text) as { VNI?: unknown; VtepMAC?: unknown };
    if (typeof VNI !== 'number' || typeof VtepMAC !== 'string') return undefined;
    return { vni: VNI, mac: parseMac(VtepMAC) };
  } catch {
    // No JSON, or no MAC address: said by the caller.
    return undefined;
  }
}

/** @returns what the annotations say, and what of them cannot be used */
export function projectOverlay(annotations: Annotations): {
  readonly overlay: NodeOverlay;
  readonly ignored: readonly string[];
} {
  const backend = annotations[FLANNEL.BACKEND_TYPE];
  const publicAddresses = ([4, 6] as const).flatMap((family) => {
    const address = canonicalAddress(annotations[KEYS[family].overwrite] ?? '');
    return address?.family === family ? [address] : [];
  });
  if (backend !== 'vxlan')
    return { overlay: { ...NO_OVERLAY, backend, publicAddresses }, ignored: [] };
  const ignored: string[] = [];
  const vteps = ([4, 6] as const).flatMap((family): Vtep[] => {
    const keys = KEYS[family];
    const text = annotations[keys.data];
    // Of a node without an address of the family flannel says "null".
    if (text === undefined || text === 'null') return [];
    const data = readData(text);
    const where = annotations[keys.overwrite] ?? annotations[keys.address];
    const address = where === undefined ? undefined : canonicalAddress(where);
    if (data !== undefined && (where === undefined || address?.family === family)) {
      return [{ family, address, ...data }];
    }
    const what = data === undefined ? `${keys.data} ${text}` : `${keys.address} ${where ?? ''}`;
    ignored.push(`annotation ${what}: no VTEP`);
    return [];
  });
  return { overlay: { backend, vteps, publicAddresses }, ignored };
}

/** Locally administered and unicast (IEEE 802-2014 8.4), and not the 02:53 of a stamp. */
const VTEP_MAC_0 = 0x06;

/** The MAC address of a node's VTEP, of either family: the same for the same name, everywhere. */
export function vtepMacOf(nodeName: string): Uint8Array {
  return Uint8Array.of(VTEP_MAC_0, ...sha256(`vtep ${nodeName}`).subarray(0, 5));
}

/** As flannel writes it. */
export function backendData(vni: number, mac: Uint8Array): string {
  return JSON.stringify({ VNI: vni, VtepMAC: formatMac(mac) });
}
