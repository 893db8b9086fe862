/**
 * One pass from what is wanted to what is programmed: links, rows, routes, steering, hooks, in an
 * order in which nothing points at what is not there yet. A pass does what has other inputs than
 * when it was last done, or failed; a full one looks at everything, because the kernel may have
 * lost what nobody here has changed. What most changes are about are rows: nothing that grows with
 * the cluster is done before they are sent.
 */
import type { Link, TunnelLink } from '../compile/links.js';
import type { Lane } from '../core/lane-client.js';
import { messageOf } from '../errors.js';
import type { Hooks } from '../kernel/hooks.js';
import type { Steering } from '../kernel/steering.js';
import type { Log } from '../log.js';
import type { NamedLink } from '../ops/trace-words.js';
import { createKernelRoutes } from './kernel-routes.js';
import {
  allLinks,
  createLinkKeeper,
  createLinkSetter,
  currentUplinks,
  mtuOfPods,
  nameLinks,
} from './links.js';
import type { LinkParts } from './links.js';
import { createOutsideSurvey } from './outside.js';
import { createOverlay } from './overlay.js';
import { dropStale } from './pod-links.js';
import type { LinkedPod, PodHooks } from './pod-links.js';
import type { Publisher } from './publish.js';
import { createOursStep, hookPods, steerSpeakers } from './steer.js';
import { attempt, createStep } from './step.js';
import type { Pass } from './step.js';
import { createSurvey } from './survey.js';

export interface ReconcilerParts extends LinkParts {
  readonly lane: Lane;
  readonly log: Log;
  readonly hooks: Hooks;
  readonly podHooks: PodHooks;
  /** Have a pod link deleted; its name is free at once. */
  readonly retire: (linkName: string) => boolean;
  /** Pods that a runtime has attached. */
  readonly attached: Attached;
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
  /** Try again to take over what could not be taken over yet, if it is time to. Does not throw. */
  takeOver(): void;
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
  readonly unserved: Unserved;
}

/** Pods that are not served although their links are there, and why: one sentence each. */
export interface Unserved {
  /** None of those that came since the last pass; undefined: they are. */
  readonly all: string | undefined;
  /** By the name of the link. */
  readonly links: ReadonlyMap<string, string>;
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
  const keepLinks = createLinkKeeper(parts);
  const setLinks = createLinkSetter(control);
  const survey = createSurvey(parts);
  const outside = createOutsideSurvey(parts);
  const steps = {
    links: createStep('links'),
    allLinks: createStep('links'),
    shapes: createStep('limits'),
    survey: createStep('surroundings'),
    outside: createStep('routes of the kernel'),
    speakers: createStep('steering'),
    hooks: createStep('links'),
    staleLinks: createStep('links'),
    ways: createStep('overlay'),
    tunnels: createStep('overlay'),
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
  const setRoutes = createKernelRoutes(parts, overlay);
  const steerOurs = createOursStep(parts);
  let pods: readonly LinkedPod[] = [];
  let links: readonly Link[] = [];
  let unhooked: ReadonlyMap<string, string> = new Map();
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
      parts.attached.takeOver();
      const wishes = control.podLinks();
      steps.links.run(pass, [wishes], () => {
        pods = keepLinks(pass, mtu, wishes);
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
      steps.outside.run(pass, [links, control.nodeAddresses(), list], () => {
        outside.survey(links);
      });
      pass.problems.push(...outside.problems());
      const { records, unsent } = await program(parts, pass.problems);
      const isSynced = control.isSynced();
      if (isSynced) setRoutes(pass, mtu);
      const attached = parts.attached.pods();
      const all = [...pods, ...attached];
      const unsteered = steps.speakers.run(pass, [pods, attached], () => {
        steerSpeakers(parts, all);
      });
      steerOurs(pass);
      steps.hooks.run(pass, [pods, attached, tunnels], () => {
        // The pods are hooked whatever becomes of the tunnels.
        attempt(pass, 'overlay', overlay.hook);
        unhooked = hookPods(podHooks, all, pass);
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
        unserved: { all: unsent ?? unsteered, links: unhooked },
      };
    },
  };
}

/** What became of the delta records of a pass. */
interface Sent {
  /** Undefined when the lane did not take them. */
  readonly records: number | undefined;
  /** Why it did not. */
  readonly unsent?: string;
}

async function program({ control, lane }: ReconcilerParts, problems: string[]): Promise<Sent> {
  const batch = control.flush();
  for (const problem of control.problems()) problems.push(`${problem.key}: ${problem.reason}`);
  if (batch.length === 0) return { records: 0 };
  try {
    const applied = await lane.apply(batch);
    for (const problem of control.acknowledge(applied))
      problems.push(`${problem.key}: ${problem.reason}`);
    return { records: applied.length };
  } catch (error) {
    const unsent = `delta: ${messageOf(error)}`;
    problems.push(unsent);
    return { records: undefined, unsent };
  }
}
