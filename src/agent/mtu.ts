/**
 * The MTU of pods: what every way to other nodes takes, whatever it puts around their packets. And
 * that of the trunk: what any link may hand to the lane.
 * Uplinks that are down do not count; other interfaces never do.
 */
import { FRAME_HEADROOM } from '../../assembly/abi.js';
import { VXLAN_OVERHEAD } from '../compile/overlay.js';
import type { SluiceConfig } from '../config/config.js';
import type { Family } from '../addr.js';
import type { Uplink } from '../kernel/uplink.js';

/** Of a node without uplinks. */
const MTU_DEFAULT = 1500;
const MTU_MIN = 1280;
const ETH_HLEN = 14;

/** What is asked of an uplink. */
export type MtuUplink = Pick<Uplink, 'mtu' | 'addresses' | 'up'>;

type MtuConfig = Pick<SluiceConfig, 'podMTU' | 'overlay' | 'uplinks' | 'trunk' | 'capacities'>;

/** Of the uplinks that count. */
function mtusOf(uplinks: readonly MtuUplink[]): number[] {
  const up = uplinks.filter((uplink) => uplink.up);
  return (up.length > 0 ? up : uplinks).map(({ mtu }) => mtu);
}

/** The narrowest way out, bytes of an IP packet; undefined without uplinks. */
export function leastMtu(uplinks: readonly MtuUplink[]): number | undefined {
  const mtus = mtusOf(uplinks);
  return mtus.length > 0 ? Math.min(...mtus) : undefined;
}

/** A frame of the lane holds one packet, unless it holds super-frames. */
function laneRoom({ trunk, capacities }: MtuConfig): number {
  return trunk.kind === 'packet' ? Infinity : capacities.frameSize - FRAME_HEADROOM - ETH_HLEN;
}

/** Whether packets may be put into others on this node. */
export function mayTunnel({
  overlay,
  uplinks,
}: Pick<SluiceConfig, 'overlay' | 'uplinks'>): boolean {
  if (overlay.mode === 'vxlan') return true;
  return overlay.mode === 'auto' && uplinks.length > 0;
}

/** Families of the uplinks' addresses, while nothing better is known. */
function familiesOf(uplinks: readonly MtuUplink[]): Family[] {
  const texts = uplinks.flatMap(({ addresses }) => addresses);
  return texts.map((text) => (text.includes(':') ? 6 : 4));
}

/** Bytes that tunnels take at most: IPv6 is put into IPv6 for who asks, or where there is no IPv4. */
function overhead({ overlay }: MtuConfig, families: readonly Family[]): number {
  const has = (family: Family): boolean => families.includes(family);
  const needs6 = has(6) && (overlay.flannel || !has(4));
  return VXLAN_OVERHEAD[needs6 ? 6 : 4];
}

/**
 * MTU of pod links: the configured one, else what the uplinks allow, bytes.
 *
 * @param own  families of the node's addresses, once they are known
 */
export function podMtu(
  config: MtuConfig,
  uplinks: readonly MtuUplink[],
  own: readonly Family[] = [],
): number {
  if (config.podMTU !== undefined) return config.podMTU;
  const least = leastMtu(uplinks);
  const outer =
    least === undefined || !mayTunnel(config)
      ? 0
      : overhead(config, own.length > 0 ? own : familiesOf(uplinks));
  return Math.max(MTU_MIN, Math.min((least ?? MTU_DEFAULT) - outer, laneRoom(config)));
}

/** MTU of the trunk: what comes by an uplink may be longer than what pods send, bytes. */
export function trunkMtu(config: MtuConfig, uplinks: readonly MtuUplink[]): number {
  const widest = Math.min(Math.max(0, ...mtusOf(uplinks)), laneRoom(config));
  return Math.max(podMtu(config, uplinks), widest);
}
