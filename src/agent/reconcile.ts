/**
 * One pass from what is wanted to what is programmed: links, rows, routes, steering, hooks, in an
 * order in which nothing points at what is not there yet. A pass does what has other inputs than
 * when it was last done, or failed; a full one looks at everything, because the kernel may have
 * lost what nobody here has changed. What most changes are about are rows: nothing that grows with
 * the cluster is done before they are sent.
 */
import { formatAddress, formatCidr, hostCidr, parseAddress, parseMac } from '../addr.js';
import type { Address } from '../addr.js';
import type { Control, Peer, PeerWays, PodLinkWish } from '../compile/control.js';
import type { Link, TunnelLink } from '../compile/links.js';
import { tunnelHereKey, tunnelPeerKey } from '../compile/ours.js';
import type { SluiceConfig } from '../config/config.js';
import type { Lane } from '../core/lane-client.js';
import { messageOf } from '../errors.js';
import { listAddresses } from '../kernel/address.js';
import type { Hooks } from '../kernel/hooks.js';
import type { Netns } from '../kernel/netns.js';
import { findLink } from '../kernel/link.js';
import { shapedLinks } from '../kernel/qdisc.js';
import type { Steering } from '../kernel/steering.js';
import { setServiceRoutes } from '../kernel/trunk.js';
import type { Trunk } from '../kernel/trunk.js';
import { setNodeRoutes } from '../kernel/uplink.js';
import type { NodeRoute, Uplink } from '../kernel/uplink.js';
import type { Log } from '../log.js';
import type { NamedLink } from '../ops/trace-words.js';
import { dropStale, ensureWish, linkRowOf } from './pod-links.js';
import type { LinkedPod, PodHooks } from './pod-links.js';
import { createOutsideSurvey } from './outside.js';
import { mayTunnel, podMtu } from './mtu.js';
import { createOverlay } from './overlay.js';
import type { Overlay } from './overlay.js';
import type { Publisher } from './publish.js';
import { attempt, createStep } from './step.js';
import type { Pass, Step } from './step.js';
import { createSurvey } from './survey.js';

export interface ReconcilerParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly lane: Lane;
  readonly log: Log;
  readonly net: Netns;
  readonly hooks: Hooks;
  readonly podHooks: PodHooks;
  /** Have a pod link deleted; its name is free at once. */
  readonly retire: (linkName: string) => boolean;
  /** Pods that a runtime has attached. */
  readonly attached: Attached;
  readonly trunk: Trunk;
  readonly uplinks: readonly { readonly uplink: Uplink; readonly ioPort: number | undefined }[];
  readonly steering: Steering;
  readonly publisher: Publisher;
  /** Ask for another pass: what this one has set off will be known then. */
  readonly again: () => void;
}

/** What a pass has to know of pods that a runtime has attached. */
export interface Attached {
  /** The same list as long as nothing in it has changed. */
  pods(): readonly LinkedPod[];
  /** Whether a link is one of theirs, there or about to be. */
  has(linkName: string): boolean;
  /** Find out what the kernel does with what goes to them: others may have changed it. */
  look(): void;
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
  /**
   * Never rejects: a step that fails is logged, reported and tried again at the next pass.
   *
   * @param isFull  look at everything, changed or not
   */
  reconcile(options: { readonly isFull: boolean }): Promise<Outcome>;
  /** The links of the last pass, with who speaks there. */
  links(): readonly NamedLink[];
  /** Of a pod link that is made now. */
  mtu(): number;
  /** Whether all that was known at first is in the tables and the kernel's routes. */
  isProgrammed(): boolean;
  /** Look whether what only the kernel knows has changed, and ask for a pass if so. */
  watch(): void;
}

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const { control, log, podHooks } = parts;
  const setLinks = createLinkSetter(control);
  const survey = createSurvey(parts);
  const outside = createOutsideSurvey(parts);
  const steps = {
    links: createStep('links'),
    allLinks: createStep('links'),
    shapes: createStep('limits'),
    survey: createStep('surroundings'),
    outside: createStep('routes of the kernel'),
    nodeRoutes: createStep('routes'),
    serviceRoutes: createStep('routes'),
    speakers: createStep('steering'),
    hooks: createStep('links'),
    staleLinks: createStep('links'),
    ways: createStep('overlay'),
    tunnels: createStep('overlay'),
    tunnelPeers: createStep('overlay'),
  };
  const overlay = createOverlay({ ...parts, uplinks: () => currentUplinks(parts) });
  let tunnels: readonly TunnelLink[] = [];
  /** Runs now and then, whether anything is asked for or not. */
  const watch = (): void => {
    try {
      if (overlay.look() !== 'nothing') parts.again();
    } catch (error) {
      // The next pass looks, too, and says what is wrong.
      log.debug(`paths: ${messageOf(error)}`);
    }
  };
  const steerOurs = createOursStep(parts);
  let pods: readonly LinkedPod[] = [];
  let links: readonly Link[] = [];
  /** Changes with every survey that has not learnt everything. */
  let unanswered: object | undefined;
  let wasProgrammed = false;

  return {
    links: () => nameLinks(parts, [...pods, ...parts.attached.pods()], tunnels),
    mtu: () => mtuOfPods(parts, currentUplinks(parts)),
    isProgrammed: () => wasProgrammed,
    watch,
    reconcile: async ({ isFull }) => {
      const pass: Pass = { isFull, problems: [] };
      const uplinks = currentUplinks(parts);
      const mtu = mtuOfPods(parts, uplinks);
      const wishes = control.podLinks();
      steps.links.run(pass, [wishes], () => {
        pods = ensureLinks(parts, mtu, wishes, pass);
      });
      const peers = control.peers();
      steps.ways.run(pass, [peers], () => void overlay.look());
      const ground = [peers, control.nodeAddresses(), control.ownNode(), overlay.revision()];
      steps.tunnels.run(pass, ground, () => {
        tunnels = overlay.ensure();
      });
      steps.shapes.run(pass, [], parts.attached.look);
      const mtus = uplinks.map((uplink) => uplink.mtu).join();
      steps.allLinks.run(pass, [pods, tunnels, mtus], () => {
        links = [...allLinks(parts, uplinks, pods), ...tunnels];
        setLinks(links);
      });
      steps.survey.run(pass, [links, control.peers(), control.nodeAddresses(), unanswered], () => {
        // Asked again, by the pass that the survey has asked for.
        unanswered = survey(links) ? undefined : {};
      });
      const list = outside.list();
      const problem = outside.problem();
      if (problem !== undefined) pass.problems.push(problem);
      steps.outside.run(pass, [links, control.nodeAddresses(), list], () => {
        outside.survey(links);
      });
      const records = await program(parts, pass.problems);
      const isSynced = control.isSynced();
      if (isSynced) setRoutes(parts, overlay, steps, pass);
      const attached = parts.attached.pods();
      const all = [...pods, ...attached];
      steps.speakers.run(pass, [pods, attached], () => {
        steerSpeakers(parts, all);
      });
      steerOurs(pass);
      steps.hooks.run(pass, [pods, attached, tunnels], () => {
        overlay.hook();
        for (const { link } of all) attempt(pass, `link ${link.name}`, () => podHooks.attach(link));
      });
      if (isSynced) pass.problems.push(...parts.publisher.publish(tunnels, mtu));
      if (isSynced) {
        steps.staleLinks.run(pass, [wishes], () => {
          dropStale(parts.net, wishes, {
            hooks: podHooks,
            log,
            keep: parts.attached.has,
            retire: parts.retire,
          });
        });
      }
      for (const problem of pass.problems) log.error(problem);
      wasProgrammed ||= records !== undefined && isSynced;
      return {
        pods: all.length,
        records: records ?? 0,
        isProgrammed: records !== undefined && isSynced,
        problems: pass.problems,
      };
    },
  };
}

/** The uplinks as they are by now. */
function currentUplinks({ net, uplinks }: Pick<ReconcilerParts, 'net' | 'uplinks'>): Uplink[] {
  return uplinks.map(({ uplink }) => {
    const link = findLink(net.rtnl, uplink.ifindex);
    return link ? { ...uplink, mtu: link.mtu, up: link.up } : { ...uplink, up: false };
  });
}

/** What a pod gets now; what climbs has to fit through the trunk. */
function mtuOfPods(parts: ReconcilerParts, uplinks: readonly Uplink[]): number {
  const families = parts.control.nodeAddresses().map(({ family }) => family);
  return Math.min(parts.trunk.mtu, podMtu(parts.config, uplinks, families));
}

/** @returns pods whose links are there; what is missing is among the problems */
function ensureLinks(
  parts: ReconcilerParts,
  mtu: number,
  wishes: readonly PodLinkWish[],
  pass: Pass,
): LinkedPod[] {
  const fromXdp = parts.uplinks.some(({ uplink }) => uplink.mode === 'xdp');
  const shaped = shapedLinks(parts.net.rtnl);
  return wishes.flatMap((wish) => {
    const linked = attempt(pass, `pod ${wish.pod}`, () =>
      ensureWish(parts.net, wish, { mtu, fromXdp }),
    );
    return linked ? [{ ...linked, isShaped: shaped.has(linked.link.ifindex) }] : [];
  });
}

/** Links go in as a whole and dirty everything that stands on them: only when they changed. */
function createLinkSetter(control: Control): (links: readonly Link[]) => void {
  let known = '';
  return (links) => {
    const facts = JSON.stringify(links, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    );
    if (facts !== known) control.setLinks(links);
    known = facts;
  };
}

function allLinks(
  { trunk, uplinks }: ReconcilerParts,
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

function nameLinks(
  { trunk, uplinks, control }: ReconcilerParts,
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

const NO_ADDRESSES: readonly Address[] = [];

/** The kernel's own routes: other nodes' pods, and services at the trunk. */
function setRoutes(
  { net, control, trunk, config }: ReconcilerParts,
  overlay: Overlay,
  steps: Readonly<Record<'nodeRoutes' | 'tunnelPeers' | 'serviceRoutes', Step>>,
  pass: Pass,
): void {
  const inputs = [control.peers(), control.nodeAddresses(), control.ownNode(), overlay.revision()];
  // In this order: a route takes the place of the other kind's, which is then not there to delete.
  steps.nodeRoutes.run(pass, inputs, () => {
    setNodeRoutes(net, control.peerWays().flatMap(routesOf), overlay.devices());
  });
  steps.tunnelPeers.run(pass, inputs, overlay.setPeers);
  const ranges = config.serviceCIDRs;
  const own = ranges.length > 0 ? NO_ADDRESSES : control.serviceAddresses();
  const outer = control.externalAddresses();
  const addresses = control.nodeAddresses();
  steps.serviceRoutes.run(pass, [own, outer, addresses], () => {
    const cidrs = [...ranges, ...[...own, ...outer].map(hostCidr)].map(formatCidr);
    const sources = addresses.map(formatAddress);
    setServiceRoutes(net, trunk, { cidrs: [...new Set(cidrs)], sources });
  });
}

function routesOf({ ways }: PeerWays): NodeRoute[] {
  return ways.flatMap((way) => {
    const via = way.by === 'direct' ? way.via : undefined;
    return via ? [{ podCidr: formatCidr(way.cidr), via: formatAddress(via) }] : [];
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

function steerSpeakers({ steering }: ReconcilerParts, pods: readonly LinkedPod[]): void {
  steering.setSpeakers(
    pods.map(({ addresses, link, isShaped }) => ({
      ifindex: link.ifindex,
      isShaped,
      ipv4: addressOf(addresses, 4),
      ipv6: addressOf(addresses, 6),
      mac: parseMac(link.podMac),
    })),
  );
}

/** The map of what is ours: by its changes, or all of it when it is not known to be right. */
function createOursStep(parts: ReconcilerParts): (pass: Pass) => void {
  const { control, steering } = parts;
  let isRight = false;
  let peers: readonly Peer[] | undefined;
  return (pass) => {
    const change = control.oursChange();
    const isWhole = pass.isFull || !isRight || peers !== control.peers();
    isRight = false;
    attempt(pass, 'steering', () => {
      peers = control.peers();
      if (isWhole) steering.setOurs([...control.ours().values(), ...tunnelKeys(parts, peers)]);
      else steering.changeOurs(change);
      isRight = true;
    });
  };
}

/** Whose tunnel packets are taken, and which are to this node at all. */
function tunnelKeys(
  { config, net }: Pick<ReconcilerParts, 'config' | 'net'>,
  peers: readonly Peer[],
): Uint8Array[] {
  if (!mayTunnel(config)) return [];
  const { port } = config.overlay;
  const sources = peers.flatMap(({ tunnelSources }) => tunnelSources);
  // Whatever address of this host a tunnel packet is to, the tunnel takes it.
  const here = new Set(listAddresses(net.rtnl).map(({ address }) => address));
  return [
    ...sources.map((address) => tunnelPeerKey(address, port)),
    ...[...here].map((address) => tunnelHereKey(parseAddress(address), port)),
  ];
}
