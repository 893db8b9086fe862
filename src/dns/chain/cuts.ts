/**
 * Cuts: what the core is told about the zones of each listener (assembly/abi-dns.ts).
 *
 * A cut holds from its name down to the next one. There is one at each zone of a server block, at the
 * zones of its `kubernetes` plugin, where its cache begins or ends, and at names that a plugin in front
 * of those has claimed. Names of a cluster zone are asked for by that zone's cut only, because the SOA
 * record of what does not exist is made from it; any other cut below leaves its names to the host.
 */
import {
  CUT_F_CHAOS,
  CUT_F_FALLTHROUGH,
  CUT_F_HOST,
  CUT_F_RA,
  CUT_F_REFUSE,
} from '../../../assembly/abi-dns.js';
import type { WireName } from '../plugin.js';
import { isInZones } from '../plugins/zones.js';
import { foldName, nameKey } from '../wire/name.js';
import { zoneOf } from './server-blocks.js';
import type { Block, BlocksByZone } from './server-blocks.js';
import type { ChainPlugin, ZoneInstance } from './setup.js';

export interface Cut {
  readonly listener: number;
  /** In lower case. */
  readonly zone: WireName;
  /** CUT_F_*. */
  readonly flags: number;
  /** 0: no names. */
  readonly space: number;
  /** Largest reply by UDP. */
  readonly udpMax: number;
  /** Wire cache, 0: none. */
  readonly cache: number;
  /** Whose counters. */
  readonly counters: number;
  /** The `kubernetes` plugin whose zone this is: what its SOA record is made from. */
  readonly zones: ZoneInstance | undefined;
}

/** What everybody gets who has no `bufsize` (DNS_UDP_MAX). */
const UDP_MAX = 1232;

function claimedBelow({ claims }: ChainPlugin): readonly WireName[] {
  return claims.kind === 'below' ? claims.names : [];
}

/** Names of a block where a cut may be needed. */
function edgesOf({ zones, plugins }: Block): WireName[] {
  return [
    ...zones,
    ...plugins.flatMap((plugin) => [
      ...(plugin.core?.zones?.options.zones ?? []),
      ...(plugin.core?.cache?.edges ?? []),
      ...claimedBelow(plugin),
    ]),
  ];
}

/** Whether a plugin has to see a query for a name, or for one below it. */
function claims(plugin: ChainPlugin, name: WireName): boolean {
  return plugin.claims.kind === 'all' || isInZones(name, claimedBelow(plugin));
}

/** Where in the chain the core's part is: whoever is in front may claim the query. */
function coreIndex(block: Block, zone: WireName, isOfCluster: boolean): number {
  return block.plugins.findIndex(({ core }) =>
    isOfCluster ? core?.zones !== undefined : core?.cache?.covers(zone) === true,
  );
}

type CutValue = Omit<Cut, 'listener' | 'zone' | 'counters'>;

/** The value of a cut at a name that a block has. */
function valueAt(block: Block, name: WireName): CutValue {
  const { plugins } = block;
  const shares = plugins.map(({ core }) => core ?? {});
  const udpMax = Math.min(...shares.map((share) => share.udpMax ?? Infinity));
  const value = { udpMax: Number.isFinite(udpMax) ? udpMax : UDP_MAX, space: 0, cache: 0 };
  if (plugins.length === 0) return { ...value, flags: CUT_F_REFUSE, zones: undefined };
  let flags = shares.reduce((sum, share) => sum | (share.flags ?? 0), 0);
  if (plugins.some((plugin) => plugin.name === 'chaos')) flags |= CUT_F_CHAOS;
  const instance = shares.find((share) => share.zones)?.zones;
  const ofCluster = instance?.options.zones ?? [];
  const isApex = ofCluster.some((zone) => nameKey(zone) === nameKey(name));
  const isBelow = !isApex && isInZones(name, ofCluster);
  const at = coreIndex(block, name, isApex);
  const isClaimed = at >= 0 && plugins.slice(0, at).some((plugin) => claims(plugin, name));
  if (isClaimed || isBelow || block.view !== undefined) flags |= CUT_F_HOST;
  const isSearched = shares.some(({ searches = [] }) => isInZones(name, searches));
  const isPartlyPassed =
    instance?.options.fallthrough.some((zone) => isInZones(zone, [name])) === true ||
    isInZones(name, instance?.options.fallthrough ?? []);
  if (isApex && (isSearched || isPartlyPassed)) flags |= CUT_F_FALLTHROUGH;
  const cache = shares.find((share) => share.cache?.covers(name))?.cache?.id ?? 0;
  if (isApex && instance !== undefined) {
    return { ...value, flags, space: instance.space, cache, zones: instance };
  }
  return { ...value, flags, cache, zones: undefined };
}

function isSame(a: CutValue, b: CutValue): boolean {
  // What is the host's is so in the same way, whatever else is said.
  const isHost = (a.flags & b.flags & CUT_F_HOST) !== 0;
  if (isHost) return true;
  return a.flags === b.flags && a.space === 0 && b.space === 0 && a.cache === b.cache;
}

/** The cut that holds for what is above a name. */
function cutAbove(cuts: ReadonlyMap<string, Cut>, name: WireName): Cut | undefined {
  for (let rest = name; rest.length > 1;) {
    rest = rest.subarray((rest[0] ?? 0) + 1);
    const cut = cuts.get(nameKey(rest));
    if (cut !== undefined) return cut;
  }
  return undefined;
}

export interface ListenerZones {
  readonly id: number;
  readonly byZone: BlocksByZone;
  /** Index of the counters of a zone of a server block. */
  readonly countersOf: (zone: WireName) => number;
}

/** Cuts of a listener: names first that others are below. */
export function cutsOf({ id, byZone, countersOf }: ListenerZones): Cut[] {
  const blocks = [...new Set([...byZone.values()].flat())];
  const edges = new Map<string, WireName>();
  for (const name of blocks.flatMap(edgesOf)) edges.set(nameKey(name), foldName(name));
  const inOrder = [...edges.values()].sort((a, b) => a.length - b.length);
  const cuts = new Map<string, Cut>();
  for (const name of inOrder) {
    const owner = zoneOf(byZone, name);
    const [block, ...others] = owner?.blocks ?? [];
    if (owner === undefined || block === undefined) continue;
    const value = valueAt(block, name);
    const flags = others.length > 0 ? value.flags | CUT_F_HOST : value.flags;
    const counters = countersOf(owner.zone);
    const cut: Cut = { ...value, flags, counters, listener: id, zone: name };
    const above = cutAbove(cuts, name);
    const isZone = owner.zone.length === name.length;
    if (isZone || above === undefined || !isSame(cut, above)) cuts.set(nameKey(name), cut);
  }
  return [...cuts.values()];
}

/** Cuts of a private listener: the zones of one `kubernetes` plugin, all the core's. */
export function privateCuts(instance: ZoneInstance, hasForward: boolean): Cut[] {
  return instance.options.zones.map((zone) => ({
    listener: instance.listener,
    zone,
    flags: hasForward ? CUT_F_RA : 0,
    space: instance.space,
    udpMax: UDP_MAX,
    cache: 0,
    counters: 0,
    zones: instance,
  }));
}
