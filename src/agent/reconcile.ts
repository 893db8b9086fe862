/**
 * One pass from what is wanted to what is programmed: links, routes, rows, steering, in an order
 * in which nothing points at what is not there yet. Every pass looks at everything; what is as it
 * should be costs a comparison.
 */
import { formatAddress, formatCidr, hostCidr, parseMac } from '../addr.js';
import type { Address } from '../addr.js';
import type { Control, Peer, PodLinkWish } from '../compile/control.js';
import type { Link } from '../compile/links.js';
import type { SluiceConfig } from '../config.js';
import type { Lane } from '../core/lane-client.js';
import { messageOf } from '../errors.js';
import type { Hooks } from '../kernel/hooks.js';
import type { Netns } from '../kernel/netns.js';
import { ensurePodLink, listPodLinks, podLinkName, removePodLink } from '../kernel/pod-link.js';
import type { PodKey, PodLink } from '../kernel/pod-link.js';
import type { Steering } from '../kernel/steering.js';
import { setServiceRoutes } from '../kernel/trunk.js';
import type { Trunk } from '../kernel/trunk.js';
import { setNodeRoutes } from '../kernel/uplink.js';
import type { NodeRoute, Uplink } from '../kernel/uplink.js';
import type { Log } from '../log.js';

export interface ReconcilerParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly lane: Lane;
  readonly log: Log;
  readonly net: Netns;
  readonly hooks: Hooks;
  readonly trunk: Trunk;
  readonly uplinks: readonly { readonly uplink: Uplink; readonly ioPort: number | undefined }[];
  readonly steering: Steering;
}

/** What one pass did. */
export interface Outcome {
  readonly pods: number;
  /** Delta records sent; 0 = the tables were right already. */
  readonly records: number;
  /** The lane took everything it was sent, and the source has said all it knew at first. */
  readonly isProgrammed: boolean;
  /** One sentence each. */
  readonly problems: readonly string[];
}

export interface Reconciler {
  /** Never rejects: a step that fails is logged, reported and tried again at the next pass. */
  reconcile(): Promise<Outcome>;
}

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const { control, log } = parts;
  const hooked = new Map<string, number>();
  let known = '';

  const attempt = <T>(problems: string[], what: string, step: () => T): T | undefined => {
    try {
      return step();
    } catch (error) {
      problems.push(`${what}: ${messageOf(error)}`);
      return undefined;
    }
  };

  return {
    reconcile: async () => {
      const problems: string[] = [];
      const wishes = control.podLinks();
      const pods = wishes.flatMap((wish) => {
        const link = attempt(problems, `pod ${wish.pod}`, () => ensureLink(parts, wish));
        return link ? [{ wish, link }] : [];
      });
      const links = allLinks(parts, pods);
      // Links go in as a whole and dirty everything that stands on them: only when they changed.
      const facts = JSON.stringify(links, (_, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
      );
      if (facts !== known) control.setLinks(links);
      known = facts;
      attempt(problems, 'routes', () => {
        setRoutes(parts);
      });
      const records = await program(parts, problems);
      const isProgrammed = records !== undefined && control.isSynced();
      attempt(problems, 'steering', () => {
        steer(parts, pods);
      });
      for (const { link } of pods) {
        if (hooked.get(link.name) === link.ifindex) continue;
        attempt(problems, `link ${link.name}`, () => {
          parts.hooks.attachPod(link);
          hooked.set(link.name, link.ifindex);
        });
      }
      if (control.isSynced()) attempt(problems, 'links', () => dropStale(parts, wishes, hooked));
      for (const problem of problems) log.error(problem);
      return { pods: pods.length, records: records ?? 0, isProgrammed, problems };
    },
  };
}

interface LinkedPod {
  readonly wish: PodLinkWish;
  readonly link: PodLink;
}

function podKeyOf(wish: PodLinkWish): PodKey {
  const slash = wish.pod.indexOf('/');
  return { namespace: wish.pod.slice(0, Math.max(slash, 0)), name: wish.pod.slice(slash + 1) };
}

function ensureLink({ net, config }: ReconcilerParts, wish: PodLinkWish): PodLink {
  const ips = wish.addresses.map(formatAddress);
  return ensurePodLink(net, { ...podKeyOf(wish), netns: wish.netns, ips, mtu: config.podMTU });
}

function allLinks({ trunk, uplinks }: ReconcilerParts, pods: readonly LinkedPod[]): Link[] {
  const host: Link = {
    kind: 'host',
    ifindex: trunk.host.ifindex,
    ownMac: parseMac(trunk.host.mac),
    mtu: trunk.mtu,
  };
  const up = uplinks.map(({ uplink, ioPort }): Link => {
    const { name, ifindex, mac, mtu } = uplink;
    const base = { kind: 'uplink', name, ifindex, mtu, ownMac: parseMac(mac) } as const;
    return ioPort === undefined ? base : { ...base, ioPort };
  });
  const pod = pods.map(({ wish, link }): Link => {
    const { ifindex, mtu, ownMac, podMac } = link;
    return {
      kind: 'pod',
      pod: wish.pod,
      ifindex,
      mtu,
      ownMac: parseMac(ownMac),
      mac: parseMac(podMac),
    };
  });
  return [host, ...up, ...pod];
}

/** The kernel's own routes: other nodes' pods, and services at the trunk. */
function setRoutes({ net, control, trunk, config }: ReconcilerParts): void {
  if (!control.isSynced()) return;
  setNodeRoutes(net, control.peers().flatMap(routesOf));
  const own = control.serviceAddresses().map((address) => formatCidr(hostCidr(address)));
  const ranges = config.serviceCIDRs.map(formatCidr);
  const sources = control.nodeAddresses().map(formatAddress);
  setServiceRoutes(net, trunk, { cidrs: ranges.length > 0 ? ranges : [...new Set(own)], sources });
}

function routesOf(peer: Peer): NodeRoute[] {
  return peer.podCIDRs.flatMap((cidr) => {
    const via = peer.addresses.find(({ family }) => family === cidr.family);
    return via ? [{ podCidr: formatCidr(cidr), via: formatAddress(via) }] : [];
  });
}

/** @returns records sent; undefined when the lane did not take them */
async function program(
  { control, lane }: ReconcilerParts,
  problems: string[],
): Promise<number | undefined> {
  const batch = control.flush();
  for (const problem of control.problems()) problems.push(`${problem.key}: ${problem.reason}`);
  if (batch.length === 0) return 0;
  try {
    const applied = await lane.apply(batch);
    for (const problem of control.acknowledge(applied))
      problems.push(`${problem.key}: ${problem.reason}`);
    return applied.length;
  } catch (error) {
    problems.push(`delta: ${messageOf(error)}`);
    return undefined;
  }
}

function addressOf(addresses: readonly Address[], family: 4 | 6): Uint8Array | undefined {
  return addresses.find((address) => address.family === family)?.bytes;
}

function steer({ control, steering }: ReconcilerParts, pods: readonly LinkedPod[]): void {
  steering.setSpeakers(
    pods.map(({ wish, link }) => ({
      ifindex: link.ifindex,
      ipv4: addressOf(wish.addresses, 4),
      ipv6: addressOf(wish.addresses, 6),
    })),
  );
  steering.setOurs(control.ours().values());
}

/** Remove the links of pods that are gone. */
function dropStale(
  { net, hooks, log }: ReconcilerParts,
  wishes: readonly PodLinkWish[],
  hooked: Map<string, number>,
): void {
  const wanted = new Set(wishes.map((wish) => podLinkName(podKeyOf(wish))));
  for (const { name } of listPodLinks(net)) {
    if (wanted.has(name)) continue;
    hooks.detachPod(name);
    removePodLink(net, name);
    hooked.delete(name);
    log.info({ link: name }, 'link of a pod that is gone removed');
  }
}
