/**
 * Routes over rtnetlink.
 *
 *   rtmsg (linux/rtnetlink.h)
 *   0        1        2        3     4       5          6       7      8       12
 *   +--------+--------+--------+-----+-------+----------+-------+------+-------+
 *   | family | dstLen | srcLen | tos | table | protocol | scope | type | flags |
 *   +--------+--------+--------+-----+-------+----------+-------+------+-------+
 */
import { type Family, parseAddress } from '../addr.js';
import { Scope } from './address.js';
import {
  AF_INET,
  AF_UNSPEC,
  familyNumber,
  parseInterfaceAddress,
  wireBytes,
  wireText,
} from './inet.js';
import {
  type Attribute,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  bytesAttribute,
  decodeAttributes,
  nestedAttribute,
  u32Attribute,
  u32Of,
} from './netlink.js';
import type { Asks, Rtnl } from './rtnl.js';
import { isErrno } from '../errors.js';

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const RTMSG_SIZE = 12;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTAX_MTU = 2;
const RTAX_ADVMSS = 8;
const RTA_ENCAP_TYPE = 21;

export const RTN_UNICAST = 1;
/** What a look-up fails with where there is no route, or one of a kind that says so. */
const NO_WAY = ['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL'];
/** The gateway is on the link although no route says so. */
const RTNH_F_ONLINK = 4;
/** A cached copy, not an entry. */
const RTM_F_CLONED = 0x200;
/** In a look-up: answer with the entry that matched, its length and table included. */
const RTM_F_FIB_MATCH = 0x2000;

export const TABLE_MAIN = 254;
/** In a listing: every table; in a route: TABLE_MAIN. */
export const TABLE_UNSPEC = 0;
/** rtm_protocol of every route Sluice makes, so that it finds its own ("S"). */
export const ROUTE_PROTOCOL = 0x53;

export interface RouteSpec {
  /** `network/length`; `0.0.0.0/0` and `::/0` are the defaults. */
  readonly dst: string;
  readonly ifindex?: number;
  readonly via?: string;
  /** Source address of what the node itself sends there. */
  readonly src?: string;
  /** LINK: the target is on the link itself. IPv6 has no such distinction and ignores it. */
  readonly scope?: Scope;
  readonly onlink?: boolean;
  /** TABLE_MAIN when absent. */
  readonly table?: number;
  readonly metric?: number;
  /** Longest packet that goes there. */
  readonly mtu?: number;
  /** Longest TCP segment to be asked for. */
  readonly advmss?: number;
}

export interface Route {
  readonly family: Family;
  readonly dst: string;
  readonly ifindex: number | undefined;
  readonly via: string | undefined;
  readonly src: string | undefined;
  readonly scope: number;
  readonly onlink: boolean;
  readonly table: number;
  readonly metric: number;
  readonly protocol: number;
  /** Longest packet, where the route says so, or the path has; else undefined. */
  readonly mtu: number | undefined;
  /** rtm_type: 1 unicast, 2 local, 3 broadcast, ... */
  readonly type: number;
  /** It wraps packets into others (MPLS, segment routing). */
  readonly encapsulates: boolean;
}

interface RouteHeader {
  readonly family: number;
  readonly dstLen: number;
  readonly scope: number;
  readonly flags: number;
  readonly protocol: number;
  readonly type: number;
}

function routeHeader(fields: RouteHeader): Uint8Array {
  const header = new Uint8Array(RTMSG_SIZE);
  const view = new DataView(header.buffer);
  view.setUint8(0, fields.family);
  view.setUint8(1, fields.dstLen);
  // rtm_table stays 0: the RTA_TABLE attribute takes its place.
  view.setUint8(5, fields.protocol);
  view.setUint8(6, fields.scope);
  view.setUint8(7, fields.type);
  view.setUint32(8, fields.flags, true);
  return header;
}

function routeAttributes(spec: RouteSpec): Attribute[] {
  const { address, prefixLen } = parseInterfaceAddress(spec.dst);
  const attributes = [u32Attribute(RTA_TABLE, spec.table ?? TABLE_MAIN)];
  if (prefixLen > 0) attributes.push(bytesAttribute(RTA_DST, wireBytes(address)));
  if (spec.ifindex !== undefined) attributes.push(u32Attribute(RTA_OIF, spec.ifindex));
  if (spec.metric !== undefined) attributes.push(u32Attribute(RTA_PRIORITY, spec.metric));
  if (spec.via !== undefined) {
    attributes.push(bytesAttribute(RTA_GATEWAY, wireBytes(parseAddress(spec.via))));
  }
  if (spec.src !== undefined) {
    attributes.push(bytesAttribute(RTA_PREFSRC, wireBytes(parseAddress(spec.src))));
  }
  const { mtu, advmss } = spec;
  const metrics = [
    ...(mtu === undefined ? [] : [u32Attribute(RTAX_MTU, mtu)]),
    ...(advmss === undefined ? [] : [u32Attribute(RTAX_ADVMSS, advmss)]),
  ];
  if (metrics.length > 0) attributes.push(nestedAttribute(RTA_METRICS, metrics));
  return attributes;
}

function put(rtnl: Asks, spec: RouteSpec, flags: number, verb: string): void {
  const { address, prefixLen } = parseInterfaceAddress(spec.dst);
  rtnl.request({
    type: RTM_NEWROUTE,
    flags,
    header: routeHeader({
      family: familyNumber(address.family),
      dstLen: prefixLen,
      scope: spec.scope ?? Scope.UNIVERSE,
      flags: spec.onlink === true ? RTNH_F_ONLINK : 0,
      protocol: ROUTE_PROTOCOL,
      type: RTN_UNICAST,
    }),
    attributes: routeAttributes(spec),
    asked: `${verb} route ${JSON.stringify(spec)}`,
  });
}

/** @throws NetlinkError EEXIST when there is a route to the same target with the same metric */
export function addRoute(rtnl: Asks, spec: RouteSpec): void {
  put(rtnl, spec, NLM_F_CREATE | NLM_F_EXCL, 'add');
}

/** Add, or take the place of a route to the same target with the same metric. */
export function replaceRoute(rtnl: Asks, spec: RouteSpec): void {
  put(rtnl, spec, NLM_F_CREATE | NLM_F_REPLACE, 'replace');
}

/**
 * Delete a route that Sluice made; fields left out match any.
 *
 * @returns false when there was none
 */
export function deleteRoute(rtnl: Rtnl, spec: RouteSpec): boolean {
  const { address, prefixLen } = parseInterfaceAddress(spec.dst);
  try {
    rtnl.request({
      type: RTM_DELROUTE,
      header: routeHeader({
        family: familyNumber(address.family),
        dstLen: prefixLen,
        scope: spec.scope ?? Scope.NOWHERE,
        flags: 0,
        protocol: ROUTE_PROTOCOL,
        type: RTN_UNICAST,
      }),
      attributes: routeAttributes(spec),
      asked: `delete route ${JSON.stringify(spec)}`,
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    throw error;
  }
}

function decodeRoute({ payload }: NetlinkMessage): Route {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload.subarray(RTMSG_SIZE));
  const family: Family = view.getUint8(0) === AF_INET ? 4 : 6;
  const textAt = (type: number): string | undefined => {
    const bytes = attributes.get(type);
    return bytes === undefined ? undefined : wireText(bytes);
  };
  return {
    family,
    dst: `${textAt(RTA_DST) ?? (family === 4 ? '0.0.0.0' : '::')}/${view.getUint8(1)}`,
    ifindex: u32Of(attributes, RTA_OIF),
    via: textAt(RTA_GATEWAY),
    src: textAt(RTA_PREFSRC),
    scope: view.getUint8(6),
    onlink: (view.getUint32(8, true) & RTNH_F_ONLINK) !== 0,
    table: u32Of(attributes, RTA_TABLE) ?? view.getUint8(4),
    metric: u32Of(attributes, RTA_PRIORITY) ?? 0,
    protocol: view.getUint8(5),
    mtu: u32Of(decodeAttributes(attributes.get(RTA_METRICS) ?? new Uint8Array(0)), RTAX_MTU),
    type: view.getUint8(7),
    encapsulates: attributes.has(RTA_ENCAP_TYPE),
  };
}

/**
 * The way the kernel would send to an address.
 *
 * @returns undefined when it has none, or none that leads to a host (blackhole, prohibit)
 */
export function lookupRoute(rtnl: Rtnl, address: string): Route | undefined {
  return lookup(rtnl, address, 0);
}

/**
 * The entry of the tables by which the kernel would send to an address; `dst` says how narrow.
 *
 * @returns undefined when there is none, or none that leads to a host
 */
export function matchRoute(rtnl: Rtnl, address: string): Route | undefined {
  return lookup(rtnl, address, RTM_F_FIB_MATCH);
}

function lookup(rtnl: Rtnl, address: string, flags: number): Route | undefined {
  const target = parseAddress(address);
  const bytes = wireBytes(target);
  const family = familyNumber(target.family);
  const dstLen = bytes.length * 8;
  try {
    const [answer] = rtnl.request({
      type: RTM_GETROUTE,
      header: routeHeader({ family, dstLen, scope: 0, flags, protocol: 0, type: 0 }),
      attributes: [bytesAttribute(RTA_DST, bytes)],
      asked: `route to ${address}`,
    });
    return answer === undefined ? undefined : decodeRoute(answer);
  } catch (error) {
    if (NO_WAY.some((code) => isErrno(error, code))) return undefined;
    throw error;
  }
}

/** What a listing is narrowed to; absent fields match any, `table` is TABLE_MAIN. */
export interface RouteFilter {
  readonly table?: number;
  readonly ifindex?: number;
  readonly protocol?: number;
  readonly dst?: string;
  readonly type?: number;
}

function matches(route: Route, filter: RouteFilter): boolean {
  const { table = TABLE_MAIN } = filter;
  if (table !== TABLE_UNSPEC && route.table !== table) return false;
  if (filter.ifindex !== undefined && route.ifindex !== filter.ifindex) return false;
  if (filter.protocol !== undefined && route.protocol !== filter.protocol) return false;
  return filter.dst === undefined || route.dst === filter.dst;
}

/** Routes of both families. */
export function listRoutes(rtnl: Rtnl, filter: RouteFilter = {}): Route[] {
  const header = { dstLen: 0, scope: 0, flags: 0, protocol: 0, type: 0, family: AF_UNSPEC };
  const answers = rtnl.dump({
    type: RTM_GETROUTE,
    header: routeHeader(header),
    attributes: [],
    asked: 'list routes',
  });
  const entries = answers.filter(({ payload }) => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const isEntry = (view.getUint32(8, true) & RTM_F_CLONED) === 0;
    return isEntry && (filter.type === undefined || view.getUint8(7) === filter.type);
  });
  return entries.map(decodeRoute).filter((route) => matches(route, filter));
}
