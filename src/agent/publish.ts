/**
 * What this node tells others of its pods' network: flannel's annotations on its Node object, and
 * flannel's file for CNI plugins. Without an API server to write to, `sluice status` shows them.
 */
import type { Control } from '../compile/control.js';
import type { TunnelLink } from '../compile/links.js';
import type { SluiceConfig } from '../config/config.js';
import { messageOf } from '../errors.js';
import { ownAnnotations } from '../flannel/annotations.js';
import { subnetText, writeSubnetFile } from '../flannel/subnet-env.js';
import type { Log } from '../log.js';
import { createBackoff } from '../sources/kubernetes/backoff.js';
import type { NodeAnnotator } from '../sources/kubernetes/node-annotations.js';

/** From one refusal of the API server's to the next attempt: rights do not come by asking. */
const RETRY = { baseMs: 1_000, maxMs: 60_000 };

/** Pods' network, as `sluice status` shows it. */
export interface OverlayStatus {
  readonly podMTU: number;
  readonly tunnels: readonly { readonly name: string; readonly mtu: number }[];
  /** flannel's, of this node; empty unless overlay.flannel is on. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PublishParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly log: Log;
  /** Undefined: nobody takes them. */
  readonly annotator: NodeAnnotator | undefined;
  /** Ask for another pass. */
  readonly again: () => void;
}

export interface Publisher {
  /** Look whether all is said. @returns problems, one sentence each */
  publish(tunnels: readonly TunnelLink[], mtu: number): string[];
  status(): OverlayStatus;
  close(): void;
}

export function createPublisher(parts: PublishParts): Publisher {
  const { config, control, log, annotator, again } = parts;
  let shown: OverlayStatus = { podMTU: config.podMTU ?? 0, tunnels: [], annotations: {} };
  let said = '';
  let isSaying = false;
  let failure: string | undefined;
  /** Until it rings nothing is said. */
  let retry: NodeJS.Timeout | undefined;
  const backoff = createBackoff(RETRY);

  const sayLater = (): void => {
    const ring = (): void => {
      retry = undefined;
      again();
    };
    // The process is kept alive by others.
    retry = setTimeout(ring, backoff.next(RETRY.baseMs)).unref();
  };

  const say = (annotations: Readonly<Record<string, string>>, text: string): void => {
    if (annotator === undefined || isSaying || retry !== undefined || text === said) return;
    isSaying = true;
    annotator
      .annotate(annotations)
      .then(
        () => {
          said = text;
          failure = undefined;
          backoff.reset();
          log.info(annotations, 'annotations of this node written');
        },
        (error: unknown) => {
          failure = `annotations of this node: ${messageOf(error)}`;
          sayLater();
        },
      )
      .finally(() => {
        isSaying = false;
      });
  };

  const annotate = (tunnels: readonly TunnelLink[]): Readonly<Record<string, string>> => {
    if (!config.overlay.flannel) return {};
    const own = control.ownNode();
    const annotations = ownAnnotations(config.overlay.vni, ownEnds(control, tunnels));
    // Somebody took them away, or the Node object is another one.
    const isKnown = Object.keys(annotations).length === 0 || own?.overlay.backend === 'vxlan';
    if (!isKnown && !isSaying && own !== undefined) said = '';
    if (own !== undefined) say(annotations, JSON.stringify(annotations));
    return annotations;
  };

  const writeFile = (mtu: number): string[] => {
    const { subnetFile, network } = config.overlay;
    const subnets = control.ownNode()?.podCIDRs ?? [];
    if (subnetFile === undefined || subnets.length === 0) return [];
    try {
      writeSubnetFile(
        subnetFile,
        subnetText({ networks: network, subnets, mtu, isMasqueraded: config.masquerade.outside }),
      );
      return [];
    } catch (error) {
      return [`${subnetFile}: ${messageOf(error)}`];
    }
  };

  return {
    publish: (tunnels, mtu) => {
      shown = {
        podMTU: mtu,
        tunnels: tunnels.map((tunnel) => ({ name: tunnel.name, mtu: tunnel.mtu })),
        annotations: annotate(tunnels),
      };
      return [...writeFile(mtu), ...(failure === undefined ? [] : [failure])];
    },
    status: () => shown,
    close: () => {
      annotator?.close();
      clearTimeout(retry);
    },
  };
}

/** What others are to know of our tunnels' ends. */
function ownEnds(control: Control, tunnels: readonly TunnelLink[]) {
  const own = control.ownNode();
  return tunnels.flatMap(({ family, ownMac }) => {
    const address = [...(own?.overlay.publicAddresses ?? []), ...control.nodeAddresses()].find(
      (candidate) => candidate.family === family,
    );
    return address ? [{ family, address, mac: ownMac }] : [];
  });
}
