/**
 * Links of pods that the source names with a namespace of their own (`sluice.dev/netns`), and what
 * all pods with links have in common.
 */
import { formatAddress, parseMac } from '../addr.js';
import type { Address } from '../addr.js';
import type { PodLinkWish } from '../compile/control.js';
import type { PodLink as LinkRow } from '../compile/links.js';
import type { Hooks } from '../kernel/hooks.js';
import type { Netns } from '../kernel/netns.js';
import { POD_IFNAME, ensurePodLink, listPodLinks, podLinkName } from '../kernel/pod-link.js';
import type { PodLink } from '../kernel/pod-link.js';
import type { Log } from '../log.js';
import type { ObjectKey } from '../model/keys.js';
import { podMac } from '../model/pod-mac.js';
import type { PodKey } from '../model/pod-mac.js';

/** A pod of this node whose link is there. */
export interface LinkedPod {
  /** What the control plane knows it by. */
  readonly pod: ObjectKey;
  /** What people know it by. */
  readonly shown: ObjectKey;
  readonly addresses: readonly Address[];
  readonly link: PodLink;
  /** Something holds back what goes to the pod. */
  readonly isShaped: boolean;
}

/** The link as the control plane has it. */
export function linkRowOf({
  pod,
  link,
  isShaped,
}: Pick<LinkedPod, 'pod' | 'link' | 'isShaped'>): LinkRow {
  const { name, ifindex, mtu, ownMac, podMac } = link;
  return {
    kind: 'pod',
    isShaped,
    name,
    pod,
    ifindex,
    mtu,
    ownMac: parseMac(ownMac),
    mac: parseMac(podMac),
  };
}

function podKeyOf(wish: PodLinkWish): PodKey {
  const slash = wish.pod.indexOf('/');
  return { namespace: wish.pod.slice(0, Math.max(slash, 0)), name: wish.pod.slice(slash + 1) };
}

export interface PodLinkOptions {
  readonly mtu: number;
  /** Some uplink hands packets over by XDP. */
  readonly fromXdp: boolean;
}

/** @throws what `ensurePodLink` does */
export function ensureWish(net: Netns, wish: PodLinkWish, options: PodLinkOptions): LinkedPod {
  const { pod, addresses, netns } = wish;
  const ips = addresses.map(formatAddress);
  const key = podKeyOf(wish);
  const link = ensurePodLink(net, {
    hostIfname: podLinkName(key),
    mac: podMac(key),
    ifname: POD_IFNAME,
    takesAddress: true,
    netns,
    ips,
    ...options,
  });
  return { pod, shown: pod, addresses, link, isShaped: false };
}

/** Which programs sit on which links, so that nothing is attached twice. */
export interface PodHooks {
  attach(link: PodLink): void;
  /** Before the link is retired. */
  setAside(link: Pick<PodLink, 'name' | 'ifindex'>): void;
}

export function createPodHooks(hooks: Hooks): PodHooks {
  const hooked = new Map<string, number>();
  return {
    attach: (link) => {
      if (hooked.get(link.name) === link.ifindex) return;
      hooks.attachPod(link);
      hooked.set(link.name, link.ifindex);
    },
    setAside: (link) => {
      hooks.setAsidePod(link);
      hooked.delete(link.name);
    },
  };
}

export interface StaleOptions {
  readonly hooks: PodHooks;
  readonly log: Log;
  /** Whether a link is somebody else's business. */
  readonly keep: (linkName: string) => boolean;
  readonly retire: (linkName: string) => boolean;
}

/** Have links deleted that no pod has any more. */
export function dropStale(
  net: Netns,
  wishes: readonly PodLinkWish[],
  { hooks, log, keep, retire }: StaleOptions,
): void {
  const wanted = new Set(wishes.map((wish) => podLinkName(podKeyOf(wish))));
  for (const { name, ifindex } of listPodLinks(net)) {
    if (wanted.has(name) || keep(name)) continue;
    hooks.setAside({ name, ifindex });
    retire(name);
    log.info({ link: name }, 'link of a pod that is gone removed');
  }
}
