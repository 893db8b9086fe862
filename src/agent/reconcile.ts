/**
 * One pass from what is wanted to what is programmed: links, rows, routes, steering, hooks, in an
 * order in which nothing points at what is not there yet. A pass does what has other inputs than
 * when it was last done, or failed; a full one looks at everything, because the kernel may have
 * lost what nobody here has changed. What most changes are about are rows: nothing that grows with
 * the cluster is done before they are sent.
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
import type { NamedLink } from '../ops/trace-words.js';
import { createSurvey } from './survey.js';

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
  /** Ask for another pass: what this one has set off will be known then. */
  readonly again: () => void;
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
}

/** One pass under way. */
interface Pass {
  readonly isFull: boolean;
  readonly problems: string[];
}

/** @returns undefined when it failed, which is then among the problems */
function attempt<T>({ problems }: Pass, what: string, step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    problems.push(`${what}: ${messageOf(error)}`);
    return undefined;
  }
}

/** Part of a pass. */
interface Step {
  /** @param inputs  all that the work depends on; compared by identity */
  run(pass: Pass, inputs: readonly unknown[], work: () => void): void;
}

/** @param what  in the words of a problem */
function createStep(what: string): Step {
  let done: readonly unknown[] | undefined;
  return {
    run: (pass, inputs, work) => {
      const isDone = done?.every((input, i) => input === inputs[i]) ?? false;
      if (isDone && !pass.isFull) return;
      done = undefined;
      const before = pass.problems.length;
      attempt(pass, what, work);
      if (pass.problems.length === before) done = inputs;
    },
  };
}

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const { control, log } = parts;
  const setLinks = createLinkSetter(control);
  const hooked = new Map<string, number>();
  const survey = createSurvey(parts);
  const steps = {
    links: createStep('links'),
    survey: createStep('surroundings'),
    nodeRoutes: createStep('routes'),
    serviceRoutes: createStep('routes'),
    speakers: createStep('steering'),
    hooks: createStep('links'),
    staleLinks: createStep('links'),
  };
  const steerOurs = createOursStep(parts);
  let pods: readonly LinkedPod[] = [];
  let links: readonly Link[] = [];
  /** Changes with every survey that has not learnt everything. */
  let unanswered: object | undefined;

  return {
    links: () => nameLinks(parts, pods),
    reconcile: async ({ isFull }) => {
      const pass: Pass = { isFull, problems: [] };
      const wishes = control.podLinks();
      steps.links.run(pass, [wishes], () => {
        pods = ensureLinks(parts, wishes, pass);
        links = allLinks(parts, pods);
        setLinks(links);
      });
      steps.survey.run(pass, [links, control.peers(), control.nodeAddresses(), unanswered], () => {
        // Asked again, by the pass that the survey has asked for.
        unanswered = survey(links) ? undefined : {};
      });
      const records = await program(parts, pass.problems);
      const isSynced = control.isSynced();
      if (isSynced) setRoutes(parts, steps, pass);
      steps.speakers.run(pass, [pods], () => {
        steerSpeakers(parts, pods);
      });
      steerOurs(pass);
      steps.hooks.run(pass, [pods], () => {
        hookPods(parts, pods, hooked, pass);
      });
      if (isSynced) {
        steps.staleLinks.run(pass, [wishes], () => {
          dropStale(parts, wishes, hooked);
        });
      }
      for (const problem of pass.problems) log.error(problem);
      return {
        pods: pods.length,
        records: records ?? 0,
        isProgrammed: records !== undefined && isSynced,
        problems: pass.problems,
      };
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

function ensureLink({ net, config, uplinks }: ReconcilerParts, wish: PodLinkWish): PodLink {
  return ensurePodLink(net, {
    ...podKeyOf(wish),
    netns: wish.netns,
    ips: wish.addresses.map(formatAddress),
    mtu: config.podMTU,
    fromXdp: uplinks.some(({ uplink }) => uplink.mode === 'xdp'),
  });
}

/** @returns pods whose links are there; what is missing is among the problems */
function ensureLinks(
  parts: ReconcilerParts,
  wishes: readonly PodLinkWish[],
  pass: Pass,
): LinkedPod[] {
  return wishes.flatMap((wish) => {
    const link = attempt(pass, `pod ${wish.pod}`, () => ensureLink(parts, wish));
    return link ? [{ wish, link }] : [];
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

function hookPods(
  { hooks }: ReconcilerParts,
  pods: readonly LinkedPod[],
  hooked: Map<string, number>,
  pass: Pass,
): void {
  for (const { link } of pods) {
    if (hooked.get(link.name) === link.ifindex) continue;
    attempt(pass, `link ${link.name}`, () => {
      hooks.attachPod(link);
      hooked.set(link.name, link.ifindex);
    });
  }
}

function allLinks({ trunk, uplinks }: ReconcilerParts, pods: readonly LinkedPod[]): Link[] {
  const host: Link = {
    kind: 'host',
    name: trunk.host.name,
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
    const { name, ifindex, mtu, ownMac, podMac } = link;
    return {
      kind: 'pod',
      name,
      pod: wish.pod,
      ifindex,
      mtu,
      ownMac: parseMac(ownMac),
      mac: parseMac(podMac),
    };
  });
  return [host, ...up, ...pod];
}

function nameLinks(
  { trunk, uplinks, control }: ReconcilerParts,
  pods: readonly LinkedPod[],
): NamedLink[] {
  const { name, ifindex } = trunk.host;
  return [
    { kind: 'host', name, ifindex, addresses: control.nodeAddresses() },
    ...uplinks.map(({ uplink }): NamedLink => {
      return { kind: 'uplink', name: uplink.name, ifindex: uplink.ifindex, addresses: [] };
    }),
    ...pods.map(({ wish, link }): NamedLink => {
      const { pod, addresses } = wish;
      return { kind: 'pod', name: link.name, ifindex: link.ifindex, pod, addresses };
    }),
  ];
}

const NO_ADDRESSES: readonly Address[] = [];

/** The kernel's own routes: other nodes' pods, and services at the trunk. */
function setRoutes(
  { net, control, trunk, config }: ReconcilerParts,
  steps: { readonly nodeRoutes: Step; readonly serviceRoutes: Step },
  pass: Pass,
): void {
  const peers = control.peers();
  steps.nodeRoutes.run(pass, [peers], () => {
    setNodeRoutes(net, peers.flatMap(routesOf));
  });
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

function steerSpeakers({ steering }: ReconcilerParts, pods: readonly LinkedPod[]): void {
  steering.setSpeakers(
    pods.map(({ wish, link }) => ({
      ifindex: link.ifindex,
      ipv4: addressOf(wish.addresses, 4),
      ipv6: addressOf(wish.addresses, 6),
    })),
  );
}

/** The map of what is ours: by its changes, or all of it when it is not known to be right. */
function createOursStep({ control, steering }: ReconcilerParts): (pass: Pass) => void {
  let isRight = false;
  return (pass) => {
    const change = control.oursChange();
    const isWhole = pass.isFull || !isRight;
    isRight = false;
    attempt(pass, 'steering', () => {
      if (isWhole) steering.setOurs(control.ours().values());
      else steering.changeOurs(change);
      isRight = true;
    });
  };
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
