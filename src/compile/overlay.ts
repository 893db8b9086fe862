/**
 * How the pods of another node are reached: straight by the node's address, where the wire carries
 * pods' addresses, or in VXLAN between the nodes' addresses. A choice for each of its pod ranges.
 *
 *   off      not by us: the host's own routes
 *   direct   by the node's address, whatever is between
 *   vxlan    always in VXLAN
 *   auto     direct where the node is on a link of ours, else in VXLAN
 *
 * One tunnel carries both families of pods; its own is one that both nodes have, IPv4 first. Only a
 * node that asks for it, as flannel's do, gets IPv6 in IPv6.
 */
import { formatAddress } from '../addr.js';
import type { Address, Cidr, Family } from '../addr.js';
import type { NodeRecord } from '../model/nodes.js';
import { vtepMacOf } from '../model/vtep.js';

export type OverlayMode = 'auto' | 'direct' | 'vxlan' | 'off';

/** Bytes that VXLAN puts around an IP packet: Ethernet inside, VXLAN, UDP, IP (RFC 7348 5). */
export const VXLAN_OVERHEAD: Readonly<Record<Family, number>> = { 4: 50, 6: 70 };
/** What every link takes (RFC 8200 5): a path is never called narrower. */
const MTU_MIN: Readonly<Record<Family, number>> = { 4: 576, 6: 1280 };

/** What the choice depends on besides the nodes. */
export interface OverlayView {
  readonly mode: OverlayMode;
  readonly vni: number;
  /** Addresses of nodes that are on a link of an uplink, as text. */
  readonly onLink: ReadonlySet<string>;
  /** Longest IP packet to an address of a node, where the path has said so; as text. */
  readonly pathMtus: ReadonlyMap<string, number>;
}

/** Others are beyond their addresses, as everywhere. */
export const PLAIN_OVERLAY: OverlayView = {
  mode: 'direct',
  vni: 1,
  onLink: new Set(),
  pathMtus: new Map(),
};

export interface DirectWay {
  readonly by: 'direct';
  readonly cidr: Cidr;
  /** Undefined: the node has no address of this family. */
  readonly via: Address | undefined;
}

export interface TunnelWay {
  readonly by: 'vxlan';
  readonly cidr: Cidr;
  /** Of the packets around. */
  readonly family: Family;
  readonly remote: Address;
  readonly mac: Uint8Array;
  /** Longest packet inside, where the path is narrower than the tunnel; else undefined. */
  readonly mtu: number | undefined;
}

export type PeerWay = DirectWay | TunnelWay;

/** Where tunnel packets to a node go. */
interface End {
  readonly family: Family;
  readonly remote: Address;
  readonly mac: Uint8Array;
}

/** The node's end of a family, if it has one and is on our network. */
function endOf(node: NodeRecord, family: Family, vni: number): End | undefined {
  const { overlay, internalIPs, name } = node;
  const said = overlay.vteps.find((vtep) => vtep.family === family);
  if (said && said.vni !== vni) return undefined;
  const remote = said?.address ?? internalIPs.find((address) => address.family === family);
  return remote && { family, remote, mac: said?.mac ?? vtepMacOf(name) };
}

/** @param own  families of this node's addresses */
function tunnelTo(
  node: NodeRecord,
  cidr: Cidr,
  own: ReadonlySet<Family>,
  { vni, pathMtus }: OverlayView,
): TunnelWay | undefined {
  const asks6 = cidr.family === 6 && node.overlay.vteps.some(({ family }) => family === 6);
  const order: readonly Family[] = asks6 ? [6, 4] : [4, 6];
  const ends = order.filter((family) => own.has(family)).map((family) => endOf(node, family, vni));
  const end = ends.find((candidate) => candidate !== undefined);
  if (end === undefined) return undefined;
  const path = pathMtus.get(formatAddress(end.remote));
  const least = MTU_MIN[cidr.family];
  const mtu = path === undefined ? undefined : Math.max(least, path - VXLAN_OVERHEAD[end.family]);
  return { by: 'vxlan', cidr, ...end, mtu };
}

function directTo({ internalIPs }: NodeRecord, cidr: Cidr): DirectWay {
  return { by: 'direct', cidr, via: internalIPs.find(({ family }) => family === cidr.family) };
}

function isDirect({ overlay }: NodeRecord, { via }: DirectWay, view: OverlayView): boolean {
  if (view.mode !== 'auto') return view.mode === 'direct';
  return (
    via !== undefined && (overlay.backend === 'host-gw' || view.onLink.has(formatAddress(via)))
  );
}

/** The way to each of a node's pod ranges; none to what cannot be reached. */
export function waysTo(
  node: NodeRecord,
  own: ReadonlySet<Family>,
  view: OverlayView,
): readonly PeerWay[] {
  if (view.mode === 'off') return [];
  return node.podCIDRs.flatMap((cidr): PeerWay[] => {
    const direct = directTo(node, cidr);
    if (isDirect(node, direct, view)) return [direct];
    return [tunnelTo(node, cidr, own, view) ?? []].flat();
  });
}

/** Every address that tunnel packets of a node may come from. */
export function tunnelSources({ overlay, internalIPs }: NodeRecord): readonly Address[] {
  return [...internalIPs, ...overlay.vteps.flatMap(({ address }) => address ?? [])];
}
