/**
 * The links of a pass: what the uplinks are by now, the links that pods are to have, and all of them
 * as the control plane and people know them.
 */
import { parseMac } from '../addr.js';
import type { Control, PodLinkWish } from '../compile/control.js';
import type { Link, TunnelLink } from '../compile/links.js';
import type { SluiceConfig } from '../config/config.js';
import { findLink } from '../kernel/link.js';
import type { Netns } from '../kernel/netns.js';
import { shapedLinks } from '../kernel/qdisc.js';
import type { Trunk } from '../kernel/trunk.js';
import type { Uplink } from '../kernel/uplink.js';
import type { ObjectKey } from '../model/keys.js';
import type { NamedLink } from '../ops/trace-words.js';
import { podMtu } from './mtu.js';
import { ensureWish, linkRowOf } from './pod-links.js';
import type { LinkedPod } from './pod-links.js';
import { attempt } from './step.js';
import type { Pass } from './step.js';

export interface LinkParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly net: Netns;
  readonly trunk: Trunk;
  readonly uplinks: readonly { readonly uplink: Uplink; readonly ioPort: number | undefined }[];
}

/** The uplinks as they are by now. */
export function currentUplinks({ net, uplinks }: Pick<LinkParts, 'net' | 'uplinks'>): Uplink[] {
  return uplinks.map(({ uplink }) => {
    const link = findLink(net.rtnl, uplink.ifindex);
    return link ? { ...uplink, mtu: link.mtu, up: link.up } : { ...uplink, up: false };
  });
}

/** What a pod gets now; what climbs has to fit through the trunk. */
export function mtuOfPods(parts: LinkParts, uplinks: readonly Uplink[]): number {
  const families = parts.control.nodeAddresses().map(({ family }) => family);
  return Math.min(parts.trunk.mtu, podMtu(parts.config, uplinks, families));
}

/** A link as it was when it was looked at last. */
interface KnownLink {
  readonly netns: string;
  readonly linked: LinkedPod;
}

/** Whether the kernel still has a link, or cannot say. */
function mayBeThere(net: Netns, { name, ifindex }: LinkedPod['link']): boolean {
  try {
    return findLink(net.rtnl, name)?.ifindex === ifindex;
  } catch {
    return true;
  }
}

/**
 * @returns makes the links of a pass. Its answer are the pods whose links are there; what is missing
 *          is among the problems. A link that cannot be looked at now stays as it was: without it
 *          the flows over it would go
 */
export function createLinkKeeper(
  parts: LinkParts,
): (pass: Pass, mtu: number, wishes: readonly PodLinkWish[]) => LinkedPod[] {
  let known: ReadonlyMap<ObjectKey, KnownLink> = new Map();

  /** What a pod has, though an error has come in between. */
  const keep = ({ pod, netns, addresses }: PodLinkWish): LinkedPod | undefined => {
    const before = known.get(pod);
    if (before?.netns !== netns || !mayBeThere(parts.net, before.linked.link)) return undefined;
    return { ...before.linked, addresses };
  };

  return (pass, mtu, wishes) => {
    const fromXdp = parts.uplinks.some(({ uplink }) => uplink.mode === 'xdp');
    const shaped = shapedLinks(parts.net.rtnl);
    const now = wishes.flatMap((wish): KnownLink[] => {
      const ensured = attempt(pass, `pod ${wish.pod}`, () =>
        ensureWish(parts.net, wish, { mtu, fromXdp }),
      );
      const linked = ensured ?? keep(wish);
      if (linked === undefined) return [];
      const isShaped = shaped.has(linked.link.ifindex);
      return [{ netns: wish.netns, linked: { ...linked, isShaped } }];
    });
    known = new Map(now.map((link) => [link.linked.pod, link]));
    return now.map(({ linked }) => linked);
  };
}

/** Links go in as a whole and dirty everything that stands on them: only when they changed. */
export function createLinkSetter(control: Control): (links: readonly Link[]) => void {
  let known = '';
  return (links) => {
    const facts = JSON.stringify(links, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    );
    if (facts !== known) control.setLinks(links);
    known = facts;
  };
}

/** All links but tunnels and those of attachments. */
export function allLinks(
  { trunk, uplinks }: LinkParts,
  current: readonly Uplink[],
  pods: readonly LinkedPod[],
): Link[] {
  const host: Link = {
    kind: 'host',
    name: trunk.host.name,
    ifindex: trunk.host.ifindex,
    ownMac: parseMac(trunk.host.mac),
    mtu: trunk.mtu,
  };
  const up = uplinks.map(({ uplink, ioPort }, i): Link => {
    const { name, ifindex, mac, mtu } = current[i] ?? uplink;
    const base = { kind: 'uplink', name, ifindex, mtu, ownMac: parseMac(mac) } as const;
    return ioPort === undefined ? base : { ...base, ioPort };
  });
  return [host, ...up, ...pods.map(linkRowOf)];
}

/** Links with who speaks there. */
export function nameLinks(
  { trunk, uplinks, control }: LinkParts,
  pods: readonly LinkedPod[],
  tunnels: readonly TunnelLink[],
): NamedLink[] {
  const { name, ifindex } = trunk.host;
  return [
    { kind: 'host', name, ifindex, addresses: control.nodeAddresses() },
    ...uplinks.map(({ uplink }): NamedLink => {
      return { kind: 'uplink', name: uplink.name, ifindex: uplink.ifindex, addresses: [] };
    }),
    ...tunnels.map(({ name, ifindex }): NamedLink => {
      return { kind: 'uplink', name, ifindex, addresses: [] };
    }),
    ...pods.map(({ shown, addresses, link }): NamedLink => {
      return { kind: 'pod', name: link.name, ifindex: link.ifindex, pod: shown, addresses };
    }),
  ];
}
