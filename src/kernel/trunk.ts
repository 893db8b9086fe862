/**
 * The trunk: the veth pair through which packets climb to the lane and come down again.
 *
 *   pod links, host ──▶ slc0 ══════ slc1 ──▶ XSK or AF_PACKET of the lane
 *
 * It outlives the agent: a restart adopts it, with its programs attached and its routes in place.
 */
import { DataplaneError, isErrno } from '../errors.js';
import { DNS_SERVERS, HOST_ALIASES } from '../model/own-addresses.js';
import { ethtoolGet, ethtoolSet } from '../native.js';
import { Scope, deleteAddress, ensureAddress, listAddresses } from './address.js';
import { canonicalText, parseInterfaceAddress } from './inet.js';
import { AddrGenMode, type Link, createVeth, findLink, setLink } from './link.js';
import type { Netns } from './netns.js';
import { ROUTE_PROTOCOL, deleteRoute, listRoutes, replaceRoute } from './route.js';
import { hasIpv6, relaxReversePath } from './sysctl.js';
import { arePeers, deleteVeth } from './veth.js';

export const TRUNK_PREFIX = 'slc';

// Locally administered, "slc" spelt out. Not 02:53: the programs take that for a stamp.
const HOST_MAC = '02:73:6c:63:00:00';
const LANE_MAC = '02:73:6c:63:00:01';

/** linux/ethtool.h: switches with one value. */
enum Ethtool {
  SET_TX_CHECKSUM = 0x17,
  SET_TSO = 0x1f,
  SET_UFO = 0x22,
  SET_GSO = 0x24,
}

/** Segments of a super-frame at most (GSO_LEGACY_MAX_SIZE's companion, linux/netdevice.h). */
const GSO_MAX_SEGS = 65535;

/** How the lane reads the trunk. */
export type TrunkKind = 'xdp' | 'packet';

export interface TrunkSpec {
  readonly kind: TrunkKind;
  readonly mtu: number;
  /** Name of both ends up to the final 0 or 1; TRUNK_PREFIX when absent. */
  readonly prefix?: string;
  /** Queues each way, one for each lane; 1 when absent. */
  readonly queues?: number;
}

export interface TrunkEnd {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
}

export interface Trunk {
  /** slc0, where the host's stack is. */
  readonly host: TrunkEnd;
  /** slc1, where the lane's socket is. */
  readonly lane: TrunkEnd;
  readonly mtu: number;
  /** It was there already. */
  readonly adopted: boolean;
}

interface Pair {
  readonly host: Link;
  readonly lane: Link;
}

function findPair(net: Netns, prefix: string): Pair | undefined {
  const host = findLink(net.rtnl, `${prefix}0`);
  const lane = findLink(net.rtnl, `${prefix}1`);
  if (host === undefined || lane === undefined || host.lowerElsewhere) return undefined;
  return arePeers(host, lane) ? { host, lane } : undefined;
}

function isTrunk({ host, lane }: Pair, queues: number): boolean {
  const queuesFit = host.txQueues === queues && lane.rxQueues === queues;
  return queuesFit && host.mac === HOST_MAC && lane.mac === LANE_MAC;
}

function createPair(net: Netns, prefix: string, mtu: number, queues: number): void {
  deleteVeth(net.rtnl, `${prefix}0`);
  deleteVeth(net.rtnl, `${prefix}1`);
  createVeth(net.rtnl, {
    name: `${prefix}0`,
    mac: HOST_MAC,
    mtu,
    queues,
    peer: { name: `${prefix}1`, mac: LANE_MAC },
  });
}

/** ETHTOOL_G* of an ETHTOOL_S*: they come in pairs (linux/ethtool.h). */
function getterOf(setter: number): number {
  return setter - 1;
}

/**
 * Frames that climb to an AF_XDP lane must be plain: whole checksums, no super-frames. The
 * kernel then finishes both when a frame enters slc0, wherever it came from. A packet lane
 * takes them as they are and passes the work on to the receiver.
 *
 * gsoMaxSegs covers the kinds of super-frame that the old ethtool switches do not (UDP, tunnels).
 */
function setOffloads(net: Netns, host: Link, kind: TrunkKind): void {
  const on = kind === 'packet' ? 1 : 0;
  const { SET_TX_CHECKSUM, SET_GSO, SET_TSO, SET_UFO } = Ethtool;
  for (const command of [SET_TX_CHECKSUM, SET_GSO, SET_TSO, SET_UFO]) {
    try {
      // A feature that the other end's XDP program has fixed may not be set, not even to what it is.
      if (ethtoolGet(net.fd, host.name, getterOf(command)) === on) continue;
      ethtoolSet(net.fd, host.name, command, on);
    } catch (error) {
      // UFO is gone from kernels since 4.14.
      if (command !== SET_UFO || !isErrno(error, 'EOPNOTSUPP')) throw error;
    }
  }
  const gsoMaxSegs = kind === 'packet' ? GSO_MAX_SEGS : 1;
  if (host.gsoMaxSegs !== gsoMaxSegs) setLink(net.rtnl, host.ifindex, { gsoMaxSegs });
}

function quieten({ sysctl }: Netns, { host, lane }: Pair): void {
  relaxReversePath(sysctl, host.name);
  sysctl.write(`net/ipv4/conf/${host.name}/forwarding`, 1);
  // Answers to the host's own questions come out of it with an address of the host as their
  // source, those to 127.0.0.1 with that.
  sysctl.write(`net/ipv4/conf/${host.name}/accept_local`, 1);
  sysctl.write(`net/ipv4/conf/${host.name}/route_localnet`, 1);
  // The host's stack must not act on its own copy of what only the lane is to see.
  sysctl.write(`net/ipv4/conf/${lane.name}/forwarding`, 0);
  if (!hasIpv6(sysctl)) return;
  sysctl.write(`net/ipv6/conf/${host.name}/disable_ipv6`, 0);
  sysctl.write(`net/ipv6/conf/${host.name}/accept_ra`, 0);
  sysctl.write(`net/ipv6/conf/${host.name}/autoconf`, 0);
  sysctl.write(`net/ipv6/conf/${host.name}/forwarding`, 1);
  sysctl.write(`net/ipv6/conf/${lane.name}/disable_ipv6`, 1);
}

function configure(net: Netns, pair: Pair, spec: TrunkSpec): void {
  for (const link of [pair.host, pair.lane]) {
    const change = { noArp: true, mtu: spec.mtu, addrGenMode: AddrGenMode.NONE };
    setLink(net.rtnl, link.ifindex, change);
  }
  quieten(net, pair);
  setOffloads(net, pair.host, spec.kind);
  setLink(net.rtnl, pair.lane.ifindex, { up: true });
  setLink(net.rtnl, pair.host.ifindex, { up: true });
}

/**
 * Create the trunk, or adopt the one that is there.
 *
 * A pair of these names that is not our trunk (other addresses, other queues) is replaced. When
 * anything fails on the way, a pair made by this call is gone again.
 *
 * @throws NetlinkError, DataplaneError ERR_KERNEL
 */
export function ensureTrunk(net: Netns, spec: TrunkSpec): Trunk {
  const prefix = spec.prefix ?? TRUNK_PREFIX;
  const queues = spec.queues ?? 1;
  const found = findPair(net, prefix);
  const adopted = found !== undefined && isTrunk(found, queues);
  if (!adopted) createPair(net, prefix, spec.mtu, queues);
  try {
    const pair = findPair(net, prefix);
    if (pair === undefined) {
      throw new DataplaneError('ERR_KERNEL', `trunk ${prefix}0 was changed meanwhile`);
    }
    configure(net, pair, spec);
    const end = ({ name, ifindex, mac }: Link): TrunkEnd => ({ name, ifindex, mac });
    return { host: end(pair.host), lane: end(pair.lane), mtu: spec.mtu, adopted };
  } catch (error) {
    if (!adopted) deleteVeth(net.rtnl, `${prefix}0`);
    throw error;
  }
}

/** Put the addresses of DNS_SERVERS on the trunk, as far as the host has the family. @returns them */
export function addDnsServers(net: Netns, { host }: Trunk): readonly string[] {
  const families = hasIpv6(net.sysctl) ? DNS_SERVERS : DNS_SERVERS.slice(0, 1);
  for (const text of families) {
    ensureAddress(net.rtnl, host.ifindex, `${text}/${text.includes(':') ? '128' : '32'}`);
  }
  return families;
}

/** Take the addresses of DNS_SERVERS away again. */
export function removeDnsServers(net: Netns, { host }: Trunk): void {
  for (const { address, prefixLen } of listAddresses(net.rtnl, host.ifindex)) {
    if (DNS_SERVERS.some((text) => canonicalText(text) === canonicalText(address))) {
      deleteAddress(net.rtnl, host.ifindex, `${address}/${String(prefixLen)}`);
    }
  }
}

/**
 * Remove the trunk; its routes, parameters and attached programs go with it.
 *
 * @returns false when there was none
 */
export function removeTrunk(net: Netns, prefix = TRUNK_PREFIX): boolean {
  return deleteVeth(net.rtnl, `${prefix}0`);
}

/** What the node reaches through the trunk, and as whom. */
export interface ServiceRoutes {
  /** Networks of service addresses, either family. */
  readonly cidrs: readonly string[];
  /** The node's addresses: the source of what its own processes send to services. */
  readonly sources: readonly string[];
  /** Longest packet to them: what pods take, though the trunk may take more. */
  readonly mtu: number;
}

/**
 * Route service addresses and the host's aliases at slc0, and what was routed there before but is
 * not wanted, no more. A family the node has no address of needs no alias.
 */
export function setServiceRoutes(net: Netns, trunk: Trunk, wanted: ServiceRoutes): void {
  const sourceOf = (dst: string): string | undefined => {
    const { family } = parseInterfaceAddress(dst).address;
    return wanted.sources.find((text) => parseInterfaceAddress(text).address.family === family);
  };
  const { ifindex } = trunk.host;
  const aliases = HOST_ALIASES.filter((alias) => sourceOf(alias) !== undefined);
  const targets = new Set([...wanted.cidrs, ...aliases].map(canonicalText));
  const present = listRoutes(net.rtnl, { ifindex, protocol: ROUTE_PROTOCOL });
  const right = new Set(
    present
      .filter(({ dst, src, mtu }) => src === sourceOf(dst) && mtu === wanted.mtu)
      .map(({ dst }) => dst),
  );
  for (const dst of targets) {
    if (right.has(dst)) continue;
    const src = sourceOf(dst);
    const base = { dst, ifindex, scope: Scope.LINK, mtu: wanted.mtu };
    replaceRoute(net.rtnl, src === undefined ? base : { ...base, src });
  }
  for (const { dst, metric } of present) {
    if (!targets.has(dst)) deleteRoute(net.rtnl, { dst, ifindex, metric });
  }
}
