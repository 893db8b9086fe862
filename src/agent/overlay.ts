/**
 * The tunnels to other nodes: which are needed, their devices, and what the kernel has to know of
 * who is beyond them. What the choice of ways needs of the kernel is found out here, too: who is on
 * a link of ours, and how long a packet the path to a node takes.
 */
import { formatAddress, formatCidr, formatMac } from '../addr.js';
import type { Address, Family } from '../addr.js';
import type { Control } from '../compile/control.js';
import type { TunnelLink } from '../compile/links.js';
import { VXLAN_OVERHEAD } from '../compile/overlay.js';
import type { TunnelWay } from '../compile/overlay.js';
import type { SluiceConfig } from '../config/config.js';
import { findLink } from '../kernel/link.js';
import type { Hooks } from '../kernel/hooks.js';
import type { Netns } from '../kernel/netns.js';
import { RTN_UNICAST, lookupRoute } from '../kernel/route.js';
import { setTunnelPeers } from '../kernel/tunnel-peers.js';
import type { TunnelRange } from '../kernel/tunnel-peers.js';
import { VXLAN_NAME, ensureVxlan, removeVxlan } from '../kernel/vxlan.js';
import { vtepMacOf } from '../model/vtep.js';
import { leastMtu, mayTunnel } from './mtu.js';
import type { MtuUplink } from './mtu.js';

export interface OverlayParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly net: Netns;
  readonly hooks: Hooks;
  /** As they are now. */
  readonly uplinks: () => readonly (MtuUplink & { readonly ifindex: number })[];
}

/** Something is not as it was when it was last looked at. */
export type Changed = 'nothing' | 'paths' | 'devices';

export interface Overlay {
  /** Find out what of the surroundings only the kernel knows. @returns what is other than before */
  look(): Changed;
  /** Make the devices that are needed and remove those that are not. */
  ensure(): readonly TunnelLink[];
  /** Have the programs run on them. */
  hook(): void;
  /** Tell the kernel who is beyond them. @throws DataplaneError ERR_NETLINK */
  setPeers(): void;
  /** Indices of the devices, whose routes are looked after here. */
  devices(): ReadonlySet<number>;
  /** Grows with what `look` finds changed: an input of what stands on it. */
  revision(): number;
}

const FAMILIES = [4, 6] as const;
const DEFAULT_UNDERLAY_MTU = 1500;

export function createOverlay(parts: OverlayParts): Overlay {
  const { config, control, net, hooks, uplinks } = parts;
  let tunnels: readonly TunnelLink[] = [];
  const hooked = new Map<string, number>();
  let revision = 0;
  let known = '';

  const tunnelWays = (): TunnelWay[] =>
    control
      .peerWays()
      .flatMap(({ ways }) => ways.filter((way): way is TunnelWay => way.by === 'vxlan'));

  /** First addresses of this node's pod ranges: what it is called beyond its tunnels. */
  const ownRanges = (): readonly Address[] => control.ownNode()?.podCIDRs ?? [];

  const isNeeded = (family: Family, ways: readonly TunnelWay[]): boolean => {
    if (ways.some((way) => way.family === family)) return true;
    // Who is told of this node may send at any time.
    const hasPods = family === 4 || ownRanges().some((range) => range.family === 6);
    return config.overlay.flannel && mayTunnel(config) && hasPods;
  };

  const make = (family: Family, local: Address): TunnelLink => {
    const own = control.ownNode();
    const said = own?.overlay.vteps.find((vtep) => vtep.family === family);
    const mac = said?.mac ?? vtepMacOf(config.nodeName);
    const addresses = ownRanges();
    const mtu = (leastMtu(uplinks()) ?? DEFAULT_UNDERLAY_MTU) - VXLAN_OVERHEAD[family];
    const { vni, port } = config.overlay;
    const { name, ifindex } = ensureVxlan(net, {
      ...{ name: VXLAN_NAME[family], vni, port, mtu, mac: formatMac(mac) },
      local: formatAddress(local),
      addresses: addresses.map(formatAddress),
    });
    return { kind: 'tunnel', name, ifindex, family, mtu, ownMac: mac, addresses };
  };

  const rangesBy = (family: Family): TunnelRange[] =>
    tunnelWays()
      .filter((way) => way.family === family)
      .map(({ cidr, remote, mac, mtu }) => {
        const src = ownRanges().find((range) => range.family === cidr.family);
        return {
          podCidr: formatCidr(cidr),
          remote: formatAddress(remote),
          mac: formatMac(mac),
          src: src && formatAddress(src),
          mtu,
        };
      });

  return {
    look: () => {
      const now = uplinks();
      const least = leastMtu(now);
      const found = {
        onLink: onLink(parts, new Set(now.map(({ ifindex }) => ifindex))),
        pathMtus: pathMtus(net, least ?? DEFAULT_UNDERLAY_MTU, tunnelWays()),
      };
      control.setOverlay(found);
      const text = JSON.stringify([least, [...found.onLink], [...found.pathMtus]]);
      const isLost = tunnels.some(({ name, ifindex, mtu }) => {
        const link = findLink(net.rtnl, name);
        return link?.ifindex !== ifindex || !link.up || link.mtu !== mtu;
      });
      if (text === known && !isLost) return 'nothing';
      known = text;
      revision++;
      return isLost ? 'devices' : 'paths';
    },
    ensure: () => {
      const ways = tunnelWays();
      tunnels = FAMILIES.flatMap((family) => {
        const local = control.nodeAddresses().find((address) => address.family === family);
        if (local !== undefined && isNeeded(family, ways)) return [make(family, local)];
        if (control.isSynced()) removeVxlan(net, VXLAN_NAME[family]);
        return [];
      });
      return tunnels;
    },
    hook: () => {
      for (const { name, ifindex, mtu, ownMac } of tunnels) {
        if (hooked.get(name) === ifindex) continue;
        const mac = formatMac(ownMac);
        hooks.attachUplink({
          ...{ name, ifindex, mac, mtu, driver: '', mode: 'tc', addresses: [], up: true },
        });
        hooked.set(name, ifindex);
      }
    },
    setPeers: () => {
      for (const { family, ifindex } of tunnels) setTunnelPeers(net, ifindex, rangesBy(family));
    },
    devices: () => new Set(tunnels.map(({ ifindex }) => ifindex)),
    revision: () => revision,
  };
}

/** Addresses of other nodes that an uplink reaches without a router. @param own  the uplinks */
function onLink({ config, control, net }: OverlayParts, own: ReadonlySet<number>): Set<string> {
  if (config.overlay.mode !== 'auto') return new Set();
  const texts = control.peers().flatMap(({ addresses }) => addresses.map(formatAddress));
  return new Set(
    texts.filter((text) => {
      const route = lookupRoute(net.rtnl, text);
      const isStraight = route?.type === RTN_UNICAST && route.via === undefined;
      return isStraight && route.ifindex !== undefined && own.has(route.ifindex);
    }),
  );
}

/** What paths to other nodes take, where routers, or routes, have said it is less than the link's. */
function pathMtus(net: Netns, least: number, ways: readonly TunnelWay[]): Map<string, number> {
  const remotes = new Set(ways.map(({ remote }) => formatAddress(remote)));
  return new Map(
    [...remotes].flatMap((remote) => {
      const mtu = lookupRoute(net.rtnl, remote)?.mtu;
      return mtu === undefined || mtu >= least ? [] : [[remote, mtu] as const];
    }),
  );
}
