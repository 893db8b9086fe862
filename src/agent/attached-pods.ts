/**
 * Pods that a runtime has attached: their links, and what the control plane knows of them.
 *
 * A link is made at once, by whoever asks for it; rows, programs and steering follow in the next
 * pass, which the answer waits for. What goes is forgotten by the control plane first and by the
 * kernel afterwards, so that nothing ever points at what is not there.
 */
import { parseAddress } from '../addr.js';
import type { StoredAttachment } from '../cni/attachment-store.js';
import type { Attachments } from '../cni/attachments.js';
import { lostNetns } from '../cni/recorded-netns.js';
import type { Control } from '../compile/control.js';
import { DataplaneError, messageOf } from '../errors.js';
import type { Owner } from '../ipam/ipam.js';
import type { Netns } from '../kernel/netns.js';
import { findLink } from '../kernel/link.js';
import { checkPodLink } from '../kernel/pod-check.js';
import { attachmentLinkName, attachmentMac, ensurePodLink } from '../kernel/pod-link.js';
import type { PodLink, PodLinkSpec } from '../kernel/pod-link.js';
import type { PodLinkRetirement } from '../kernel/pod-retire.js';
import { GATEWAY_IPV4, GATEWAY_IPV6 } from '../kernel/pod-routes.js';
import type { PodRoute } from '../kernel/pod-routes.js';
import { forgetPodRules, mendPodLimits } from '../kernel/pod-upkeep.js';
import { shapedLinks } from '../kernel/qdisc.js';
import { isBound } from '../kernel/taken-ports.js';
import type { Log } from '../log.js';
import { attachmentKey } from '../model/attachments.js';
import type { AttachmentRecord } from '../model/attachments.js';
import { conflicts, formatHostPort } from '../model/host-ports.js';
import { namedKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import { createAfterLooks } from './after-looks.js';
import { linkRowOf } from './pod-links.js';
import type { LinkedPod, PodHooks } from './pod-links.js';
import type { Attached, Outcome } from './reconcile.js';
import { createTakeOver } from './take-over.js';

export interface AttachedPodsParts {
  readonly net: Netns;
  readonly control: Control;
  readonly hooks: PodHooks;
  readonly log: Log;
  /** Some uplink hands packets over by XDP. */
  readonly fromXdp: boolean;
  /** A pass that began after the call is over: what came of it; undefined: there are no more. */
  readonly programmed: () => Promise<Pick<Outcome, 'unserved'> | undefined>;
  /** Ask for a pass. */
  readonly again: () => void;
  readonly retirement: Pick<PodLinkRetirement, 'retire'>;
}

export interface AttachedPods extends Attachments, Attached {
  /** Take over what an earlier agent had attached. Its links are there, or their containers are gone. */
  restore(attachments: readonly StoredAttachment[]): void;
  /** Whether the container's namespace is there, or its link, which goes with it. */
  isThere(attachment: StoredAttachment): boolean;
  close(): void;
}

const GATEWAYS = { 4: GATEWAY_IPV4, 6: GATEWAY_IPV6 } as const;

function specOf(attachment: StoredAttachment, fromXdp: boolean): PodLinkSpec {
  const { netns, ifname, ips, mtu, mac, routes, ingress, egress } = attachment;
  return {
    netns,
    ifname,
    hostIfname: attachmentLinkName(attachment),
    mac: mac ?? attachmentMac(attachment),
    ips,
    mtu,
    fromXdp,
    ingress,
    egress,
    // What comes from JSON has no undefined.
    ...(routes === undefined ? {} : { routes: routes as readonly PodRoute[] }),
  };
}

function recordOf(attachment: StoredAttachment): AttachmentRecord {
  const { network, containerId, ifname, pod } = attachment;
  const name = { network, containerId, ifname };
  return {
    key: attachmentKey(name),
    name,
    pod: pod && namedKey(pod.namespace, pod.name),
    addresses: attachment.ips.map((text) => parseAddress(text)),
    hostPorts: attachment.hostPorts.map(({ hostIP, ...rest }) => ({
      ...rest,
      hostIP: hostIP === undefined ? undefined : parseAddress(hostIP),
    })),
    isShaped: attachment.ingress !== undefined,
  };
}

/** As with the portmap plugin the pod gets the port. Somebody may wonder where the other one went. */
function warnOfListeners(net: Netns, log: Log, { name, hostPorts }: AttachmentRecord): void {
  for (const mapping of hostPorts.filter((m) => isBound(net, m.protocol, m.hostPort))) {
    const text = 'a process of the node has it, and is not reached there while the pod has it';
    log.warn({ ...name }, `hostPort ${formatHostPort(mapping)}: ${text}`);
  }
}

export function createAttachedPods(parts: AttachedPodsParts): AttachedPods {
  const { net, control, hooks, log, fromXdp, retirement } = parts;
  const linked = new Map<ObjectKey, LinkedPod>();
  const records = new Map<ObjectKey, AttachmentRecord>();
  const specs = new Map<ObjectKey, PodLinkSpec>();
  /** Names of links, also of those whose attachment is not complete. */
  const names = new Set<string>();
  let pods: readonly LinkedPod[] = [];

  const changed = (): void => {
    pods = [...linked.values()];
  };

  const program = (record: AttachmentRecord, made: PodLink, isShaped: boolean): void => {
    const { key, addresses } = record;
    const pod = { pod: key, shown: record.pod ?? key, addresses, link: made, isShaped };
    linked.set(key, pod);
    control.attach({ ...record, isShaped }, linkRowOf(pod));
    changed();
  };

  const lookAtShapes = (): boolean => {
    const shaped = shapedLinks(net.rtnl);
    const other = [...linked.values()].filter(
      ({ link: { ifindex }, isShaped }) => shaped.has(ifindex) !== isShaped,
    );
    for (const { pod, link: made, isShaped } of other) {
      const record = records.get(pod);
      if (record) program(record, made, !isShaped);
    }
    return other.length > 0;
  };

  const mendLimits = (): void => {
    for (const spec of specs.values()) {
      const { ingress, egress, hostIfname: link } = spec;
      if (ingress === undefined && egress === undefined) continue;
      try {
        if (mendPodLimits(net, spec))
          log.warn({ link }, 'a limit of the pod was gone, and is back');
      } catch (error) {
        // The container may be on its way out, and CHECK says what is wrong.
        log.debug({ link }, `limits: ${messageOf(error)}`);
      }
    }
  };

  /** Rules do not go with the link; nor do they do harm where there is no link. */
  const forgetRules = (link: PodLink, { netns, ips }: PodLinkSpec): void => {
    if (!link.hasRules) return;
    try {
      forgetPodRules(netns, ips);
    } catch (error) {
      log.debug({ link: link.name }, `rules: ${messageOf(error)}`);
    }
  };

  /** A chained plugin may limit the pod, after our answer. */
  const looks = createAfterLooks(() => {
    try {
      if (lookAtShapes()) parts.again();
    } catch (error) {
      // The next full pass looks, too, and says what is wrong.
      log.debug(`queueing disciplines: ${messageOf(error)}`);
    }
  });

  /** Make or adopt the link, and tell the control plane. */
  const link = (attachment: StoredAttachment): PodLink => {
    const spec = specOf(attachment, fromXdp);
    names.add(spec.hostIfname);
    const made = ensurePodLink(net, spec);
    const record = recordOf(attachment);
    records.set(record.key, record);
    specs.set(record.key, spec);
    program(record, made, record.isShaped);
    return made;
  };

  /** What an attachment has not got of what it needs. */
  const lacking = (
    { unserved: { all, links } }: Pick<Outcome, 'unserved'>,
    name: string,
    key: ObjectKey,
  ): string | undefined => all ?? links.get(name) ?? control.lacking(key);

  const takeOver = createTakeOver({
    link,
    isVoid: lostNetns,
    again: parts.again,
    nowMs: () => performance.now(),
    log,
  });

  const conflict = (attachment: StoredAttachment): string | undefined =>
    conflicts(recordOf(attachment), records.values())[0]?.text;

  return {
    pods: () => pods,
    look: () => {
      mendLimits();
      lookAtShapes();
    },
    close: () => {
      looks.close();
      takeOver.close();
    },
    has: (linkName) => names.has(linkName),
    conflict,
    attach: async (attachment) => {
      // Somebody else may have got the port since it was looked at.
      const taken = conflict(attachment);
      if (taken !== undefined) throw new DataplaneError('ERR_USAGE', taken);
      const { name, ownMac, podMac } = link(attachment);
      warnOfListeners(net, log, recordOf(attachment));
      const outcome = await parts.programmed();
      const why = outcome ? lacking(outcome, name, attachmentKey(attachment)) : 'the agent ends';
      if (why !== undefined) throw new DataplaneError('ERR_UNSERVED', `${name}: ${why}`);
      looks.begin();
      return { hostIfname: name, ownMac, mac: podMac, gateways: GATEWAYS };
    },
    detach: async (owner: Owner) => {
      const name = attachmentLinkName(owner);
      const key = attachmentKey(owner);
      takeOver.forget(owner);
      const pod = linked.get(key);
      if (pod) {
        linked.delete(key);
        changed();
        control.detach(key);
        await parts.programmed();
      }
      // Of one that was never taken over, an earlier agent may have left programs under its name.
      hooks.setAside(pod?.link ?? { name, ifindex: 0 });
      records.delete(key);
      retirement.retire(name);
      const spec = specs.get(key);
      if (pod && spec) forgetRules(pod.link, spec);
      specs.delete(key);
      names.delete(name);
    },
    check: (attachment) => {
      if (!linked.has(attachmentKey(attachment))) {
        return `${attachmentLinkName(attachment)} is not programmed`;
      }
      return lostNetns(attachment) ?? checkPodLink(net, specOf(attachment, fromXdp));
    },
    isThere: (attachment) =>
      lostNetns(attachment) === undefined ||
      findLink(net.rtnl, attachmentLinkName(attachment)) !== undefined,
    restore: (attachments) => {
      for (const attachment of attachments) names.add(attachmentLinkName(attachment));
      takeOver.begin(attachments);
    },
    takeOver: takeOver.look,
  };
}
