/**
 * Limits of a pod's rate, which are the kernel's to keep: a token bucket on the host's end for what
 * goes to the pod, on the pod's end for what comes from it.
 */
import { type RateLimit, findRootQdisc, limitRate, rateOf } from './qdisc.js';
import type { Link } from './link.js';
import type { Netns } from './netns.js';

export interface PodLimits {
  /** What the pod receives. */
  readonly ingress?: RateLimit | undefined;
  /** What it sends. */
  readonly egress?: RateLimit | undefined;
}

/** An end of a pod link. */
export interface LimitedEnd {
  readonly net: Netns;
  readonly link: Pick<Link, 'name' | 'ifindex' | 'mtu'>;
}

/** Both ends of a pod link. */
export interface LimitedEnds {
  readonly host: LimitedEnd;
  readonly pod: LimitedEnd;
}

interface EndLimit extends LimitedEnd {
  readonly what: string;
  readonly limit: RateLimit;
}

function limitsOf({ host, pod }: LimitedEnds, { ingress, egress }: PodLimits): EndLimit[] {
  const limits: EndLimit[] = [];
  const ofNode = `interface ${host.link.name} of the node`;
  const ofContainer = `interface ${pod.link.name} of the container`;
  if (ingress) limits.push({ ...host, what: ofNode, limit: ingress });
  if (egress) limits.push({ ...pod, what: ofContainer, limit: egress });
  return limits;
}

/** @returns undefined when both limits hold, else one sentence that says which does not */
export function checkLimits(ends: LimitedEnds, limits: PodLimits): string | undefined {
  for (const { net, link, what, limit } of limitsOf(ends, limits)) {
    const expected = rateOf(limit);
    const rate = findRootQdisc(net.rtnl, link.ifindex)?.limit?.rate;
    if (rate === undefined) return `${what} has no limit, expected ${expected} bit/s`;
    if (rate !== expected) return `${what} has the limit ${rate} bit/s, expected ${expected}`;
  }
  return undefined;
}

/** Set both limits, whatever is there. */
export function setLimits(ends: LimitedEnds, limits: PodLimits): void {
  for (const { net, link, limit } of limitsOf(ends, limits)) limitRate(net.rtnl, link, limit);
}

/**
 * Put back a limit that is gone; one that somebody has changed stays.
 *
 * @returns whether one was
 */
export function mendLimits(ends: LimitedEnds, limits: PodLimits): boolean {
  const gone = limitsOf(ends, limits).filter(
    ({ net, link }) => findRootQdisc(net.rtnl, link.ifindex)?.limit === undefined,
  );
  for (const { net, link, limit } of gone) limitRate(net.rtnl, link, limit);
  return gone.length > 0;
}
