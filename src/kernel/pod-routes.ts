/**
 * How a pod sends: everything leads out by the gateway of its link.
 *
 *   main   169.254.1.1 dev eth0            default via 169.254.1.1 dev eth0
 *
 * Where another interface leads to the same place, its route stays, and ours waits behind it until
 * it goes. The node takes an address from no other link than its own, so what has the source
 * address of a link that waits is sent by tables of its own:
 *
 *   main   169.254.1.1 dev eth1 metric 1   default via 169.254.1.1 dev eth1 metric 1
 *   rule   21331: from 10.1.2.4 lookup 1399586819
 *   1399586819   169.254.1.1 dev eth1      default via 169.254.1.1 dev eth1
 */
import type { Family } from '../addr.js';
import { Scope } from './address.js';
import { canonicalText, parseInterfaceAddress } from './inet.js';
import type { Netns } from './netns.js';
import {
  RTN_UNICAST,
  type Route,
  type RouteSpec,
  TABLE_MAIN,
  TABLE_UNSPEC,
  listRoutes,
} from './route.js';
import type { Rtnl } from './rtnl.js';
import { type SourceRule, deleteSourceRule, listSourceRules } from './rule.js';

/** First hop of every pod, IPv4: link-local and nobody's. */
export const GATEWAY_IPV4 = '169.254.1.1';
/** First hop of every pod, IPv6: the host end has it. */
export const GATEWAY_IPV6 = 'fe80::1';

/** The default route of a family; its metric is the one the kernel gives who names none. */
const WAYS_OUT = {
  4: { dst: '0.0.0.0/0', via: GATEWAY_IPV4, metric: 0 },
  6: { dst: '::/0', via: GATEWAY_IPV6, metric: 1024 },
} as const;

/** Before the table main, 32766 ("SS"). */
const RULE_PRIORITY = 0x53_53;
/** Plus the interface's index: the table of a link ("Sl", far from what people count up from). */
const LINK_TABLES = 0x53_6c_00_00;

/** A route of the pod beside its default; always by the gateway of the link. */
export interface PodRoute {
  /** `network/length`. */
  readonly dst: string;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly metric?: number;
  readonly table?: number;
}

/** What routing needs to know of the pod's end of a link. */
export interface RoutedEnd {
  /** Without length, as RFC 5952 spells them. */
  readonly ips: readonly string[];
  readonly routes: readonly PodRoute[];
}

type WantedRoute = RouteSpec & { readonly table: number };

export function familyOf(text: string): Family {
  return parseInterfaceAddress(text).address.family;
}

function tableOf({ table = TABLE_MAIN }: { readonly table?: number }): number {
  return table === TABLE_UNSPEC ? TABLE_MAIN : table;
}

function wantedRoutes(ifindex: number, { routes }: RoutedEnd, family: Family): WantedRoute[] {
  const { dst, via } = WAYS_OUT[family];
  const extra = routes.filter((route) => familyOf(route.dst) === family);
  const out = [{ dst }, ...extra].map((route: PodRoute): WantedRoute => {
    return { ...route, dst: canonicalText(route.dst), table: tableOf(route), ifindex, via };
  });
  if (family === 6) return out;
  const tables = [...new Set(out.map(({ table }) => table))];
  const toGateway = { dst: canonicalText(via), ifindex, scope: Scope.LINK };
  return [...tables.map((table) => ({ ...toGateway, table })), ...out];
}

function isSame(route: Route, { table, dst, ifindex, via }: WantedRoute): boolean {
  const isThere = route.table === table && route.dst === dst;
  return isThere && route.ifindex === ifindex && route.via === via;
}

/** Ways of other interfaces to where a route leads. */
function othersOf(wanted: WantedRoute, present: readonly Route[]): Route[] {
  return present.filter(
    ({ table, dst, ifindex }) =>
      table === wanted.table && dst === wanted.dst && ifindex !== wanted.ifindex,
  );
}

function behindOthers(wanted: WantedRoute, present: readonly Route[]): WantedRoute {
  const others = othersOf(wanted, present);
  if (others.length === 0) return wanted;
  const worst = Math.max(WAYS_OUT[familyOf(wanted.dst)].metric, ...others.map((r) => r.metric));
  return { ...wanted, metric: Math.max(wanted.metric ?? 0, worst + 1) };
}

/** Whether the link waits, or is to wait, behind the default route of another interface. */
function isWaiting(
  wanted: readonly WantedRoute[],
  present: readonly Route[],
  family: Family,
): boolean {
  const { dst, metric } = WAYS_OUT[family];
  const ours = wanted.find((route) => route.table === TABLE_MAIN && route.dst === dst);
  if (ours === undefined) return false;
  const found = present.find((route) => isSame(route, ours));
  return found === undefined ? othersOf(ours, present).length > 0 : found.metric > metric;
}

interface Wanted {
  readonly routes: readonly WantedRoute[];
  readonly rules: readonly SourceRule[];
}

function wantedOf(ifindex: number, end: RoutedEnd, present: readonly Route[]): Wanted {
  const routes: WantedRoute[] = [];
  const rules: SourceRule[] = [];
  for (const src of end.ips) {
    const family = familyOf(src);
    const wanted = wantedRoutes(ifindex, end, family);
    routes.push(...wanted);
    if (!isWaiting(wanted, present, family)) continue;
    const table = LINK_TABLES + ifindex;
    const inMain = wanted.filter((route) => route.table === TABLE_MAIN);
    routes.push(...inMain.map((route) => ({ ...route, table })));
    rules.push({ src, table, priority: RULE_PRIORITY });
  }
  return { routes, rules };
}

function rulesMissing(rtnl: Rtnl, rules: readonly SourceRule[]): readonly SourceRule[] {
  if (rules.length === 0) return rules;
  const present = listSourceRules(rtnl);
  return rules.filter(
    ({ src, table }) => !present.some((rule) => rule.src === src && rule.table === table),
  );
}

export interface PodRouting {
  /** What is not there yet, in the order in which it can be added. */
  readonly routes: readonly RouteSpec[];
  readonly rules: readonly SourceRule[];
  /** The pod has rules, or is to have some, which nobody deletes with the link. */
  readonly hasRules: boolean;
}

/**
 * What a link lacks for its pod to send by it.
 *
 * Cost  one request; another where the link waits
 */
export function routingOf(rtnl: Rtnl, ifindex: number, end: RoutedEnd): PodRouting {
  const present = listRoutes(rtnl, { table: TABLE_UNSPEC, type: RTN_UNICAST });
  const { routes, rules } = wantedOf(ifindex, end, present);
  return {
    routes: routes
      .filter((wanted) => !present.some((route) => isSame(route, wanted)))
      .map((wanted) => behindOthers(wanted, present)),
    rules: rulesMissing(rtnl, rules),
    hasRules: rules.length > 0,
  };
}

/** @returns undefined when the pod sends as it should, else one sentence */
export function checkRouting(rtnl: Rtnl, ifindex: number, end: RoutedEnd): string | undefined {
  const present = listRoutes(rtnl, { table: TABLE_UNSPEC, type: RTN_UNICAST, ifindex });
  const { routes, rules } = wantedOf(ifindex, end, present);
  const missing = routes.find(
    (wanted) => wanted.via !== undefined && !present.some((route) => isSame(route, wanted)),
  );
  if (missing !== undefined) {
    const where = missing.table === TABLE_MAIN ? '' : ` in table ${missing.table}`;
    return `the container has no route ${missing.dst} by its gateway${where}`;
  }
  const [rule] = rulesMissing(rtnl, rules);
  return rule && `the container has no rule from ${rule.src} to table ${rule.table}`;
}

/** Delete the rules of a link that is gone. */
export function forgetSources(podNet: Netns, ips: readonly string[]): void {
  const ours = listSourceRules(podNet.rtnl).filter(({ src }) => ips.includes(src));
  for (const rule of ours) deleteSourceRule(podNet.rtnl, rule);
}
