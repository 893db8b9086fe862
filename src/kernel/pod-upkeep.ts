/** What pod links need while they live, and leave behind in a namespace that outlives them. */
import { type Netns, netnsAt } from './netns.js';
import { type PodLinkSpec, endsOf, findEnds } from './pod-link.js';
import { mendLimits } from './pod-limits.js';
import { forgetSources } from './pod-routes.js';

/**
 * Put back the limits of a link that somebody has deleted; where there is no link, nothing.
 *
 * @returns whether one was put back
 */
export function mendPodLimits(net: Netns, spec: PodLinkSpec): boolean {
  const podNet = netnsAt(spec.netns);
  try {
    const { host, pod, isPair } = findEnds(net, podNet, endsOf(spec));
    if (!isPair || host === undefined || pod === undefined) return false;
    return mendLimits({ host: { net, link: host }, pod: { net: podNet, link: pod } }, spec);
  } finally {
    podNet.close();
  }
}

/**
 * Delete the rules for the addresses of a link that is gone.
 *
 * @param netns  path of the pod's namespace
 */
export function forgetPodRules(netns: string, ips: readonly string[]): void {
  const podNet = netnsAt(netns);
  try {
    forgetSources(podNet, ips);
  } finally {
    podNet.close();
  }
}
