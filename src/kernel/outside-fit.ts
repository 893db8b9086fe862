/**
 * The kernel's routes in as few rows as say the same; and where there is no room even for those, in
 * rows that are wrong about as little as possible. Masquerading goes on in any case: a pod whose
 * packets leave with an address that nobody outside knows is cut off.
 */
import { type Cidr, type Family, maskBytes } from '../addr.js';

export interface OutsideRoute {
  readonly cidr: Cidr;
  /** The uplink it leaves by, with the node's address; undefined: the kernel's business alone. */
  readonly uplink: number | undefined;
}

export interface FittedRoutes {
  readonly routes: readonly OutsideRoute[];
  /** What they do not say as the kernel does, one sentence; undefined: nothing. */
  readonly loss: string | undefined;
}

/** Of the longer family. */
const ADDRESS_BITS = 128;
const FAMILIES: readonly Family[] = [4, 6];

/** The same for equal prefixes alone; there may be a million of them. */
function nameOf({ prefixLen, bytes }: Cidr): string {
  return `${prefixLen} ${Buffer.from(bytes).toString('latin1')}`;
}

function shortened(cidr: Cidr, prefixLen: number): Cidr {
  const mask = maskBytes({ ...cidr, prefixLen });
  return { ...cidr, prefixLen, bytes: cidr.bytes.map((byte, i) => byte & (mask[i] ?? 0)) };
}

function widestFirst(a: OutsideRoute, b: OutsideRoute): number {
  return a.cidr.prefixLen - b.cidr.prefixLen;
}

/** Leave out routes that say what a wider one says already. */
function withoutRepeats(routes: readonly OutsideRoute[]): OutsideRoute[] {
  const kept = new Map<string, OutsideRoute>();
  const lengths = new Map<Family, number[]>(FAMILIES.map((family) => [family, []]));
  for (const route of routes.toSorted(widestFirst)) {
    const { cidr, uplink } = route;
    const shorter = lengths.get(cidr.family) ?? [];
    const covering = shorter
      .toReversed()
      .map((length) => kept.get(nameOf(shortened(cidr, length))))
      .find((found) => found !== undefined);
    // Nothing at all is the kernel's as well.
    if (covering === undefined ? uplink === undefined : covering.uplink === uplink) continue;
    kept.set(nameOf(cidr), route);
    if (shorter.at(-1) !== cidr.prefixLen) shorter.push(cidr.prefixLen);
  }
  return [...kept.values()];
}

/** One route for two halves that say the same; whatever the whole said, nobody asked it. */
function joined(routes: readonly OutsideRoute[]): OutsideRoute[] {
  const byLength = new Map<number, Map<string, OutsideRoute>>();
  const of = (length: number): Map<string, OutsideRoute> => {
    const known = byLength.get(length) ?? new Map<string, OutsideRoute>();
    byLength.set(length, known);
    return known;
  };
  for (const route of routes) of(route.cidr.prefixLen).set(nameOf(route.cidr), route);
  for (let length = ADDRESS_BITS; length > 0; length--) {
    const firsts = new Map<string, OutsideRoute>();
    for (const route of of(length).values()) {
      const cidr = shortened(route.cidr, length - 1);
      const other = firsts.get(nameOf(cidr));
      if (other === undefined) firsts.set(nameOf(cidr), route);
      if (other === undefined || other.uplink !== route.uplink) continue;
      for (const half of [other, route]) of(length).delete(nameOf(half.cidr));
      of(length - 1).set(nameOf(cidr), { ...route, cidr });
    }
  }
  return withoutRepeats([...byLength.values()].flatMap((same) => [...same.values()]));
}

/** The uplink that most routes of a family leave by. */
function usualUplink(routes: readonly OutsideRoute[], family: Family): number | undefined {
  const counts = new Map<number, number>();
  for (const { cidr, uplink } of routes) {
    if (cidr.family !== family || uplink === undefined) continue;
    counts.set(uplink, (counts.get(uplink) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

/**
 * With a default route for each family that has none, by its usual uplink: of a table that knows
 * every network there is, only what leaves otherwise is left then.
 */
function withDefaults(routes: readonly OutsideRoute[]): OutsideRoute[] {
  const added = FAMILIES.flatMap((family): OutsideRoute[] => {
    const of = routes.filter(({ cidr }) => cidr.family === family);
    const [some] = of;
    const uplink = usualUplink(of, family);
    if (some === undefined || uplink === undefined) return [];
    if (of.some(({ cidr }) => cidr.prefixLen === 0)) return [];
    return [{ cidr: shortened(some.cidr, 0), uplink }];
  });
  return joined([...added, ...routes]);
}

/** @param max  rows there are */
export function fitRoutes(routes: readonly OutsideRoute[], max: number): FittedRoutes {
  const fewest = withoutRepeats(routes);
  if (fewest.length <= max) return { routes: fewest, loss: undefined };
  const same = joined(fewest);
  if (same.length <= max) return { routes: same, loss: undefined };
  const what = `the kernel has ${same.length} routes that differ, and ${max} can be followed`;
  // Of all routes: what is the kernel's has to be said now.
  const usual = withDefaults(routes);
  if (usual.length <= max) {
    const loss = `${what}: what has no route is taken to be behind the usual uplink`;
    return { routes: usual, loss };
  }
  // Of two of a length, the one that keeps packets from an uplink where they do not belong.
  const isUplinks = ({ uplink }: OutsideRoute): number => (uplink === undefined ? 0 : 1);
  const ordered = usual.toSorted((a, b) => widestFirst(a, b) || isUplinks(a) - isUplinks(b));
  const lost = usual.length - max;
  const loss = `${what}: pods go the way of a wider route, where there is one, instead of ${lost} narrow ones`;
  return { routes: withoutRepeats(ordered.slice(0, max)), loss };
}
