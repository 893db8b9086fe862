/**
 * What the node says of the world outside the cluster: the kernel's routes there, ports that are
 * not free, and the list of destinations that pods keep their address towards.
 */
import { isDeepStrictEqual } from 'node:util';
import { formatAddress, parseCidr } from '../addr.js';
import type { Control } from '../compile/control.js';
import type { Link } from '../compile/links.js';
import { NO_OUTSIDE } from '../compile/outside.js';
import type { Outside } from '../compile/outside.js';
import type { SluiceConfig } from '../config/config.js';
import type { Netns } from '../kernel/netns.js';
import { listOutsideRoutes } from '../kernel/outside-routes.js';
import { takenPorts } from '../kernel/taken-ports.js';
import { LINK_LOCAL, NO_FILE, watchMasqAgentFile } from '../outside/ip-masq-agent.js';
import type { MasqAgentConfig } from '../outside/ip-masq-agent.js';

/** Never routed, or not by an uplink's route: they mean a link (RFC 4291 2.5.6, 2.7). */
const LINKS_OWN = ['fe80::/10', 'ff00::/8'].map(parseCidr);

export interface OutsideParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly net: Netns;
  /** Ask for another pass soon. */
  readonly again: () => void;
}

export interface OutsideSurvey {
  /** The list's file as it is now; the same object as long as it says the same. */
  list(): MasqAgentConfig;
  /** Why the file is not used, and what the tables cannot say of the kernel's routes. */
  problems(): string[];
  /** Tell the control plane what is. */
  survey(links: readonly Link[]): void;
}

export function createOutsideSurvey({ config, control, net, again }: OutsideParts): OutsideSurvey {
  const { outside: isOn, nonMasqueradeCIDRs, ipMasqAgentFile } = config.masquerade;
  const file = watchMasqAgentFile(ipMasqAgentFile);
  let list = NO_FILE;
  let known: Outside = NO_OUTSIDE;
  let loss: string | undefined;
  let timer: NodeJS.Timeout | undefined;

  const look = (links: readonly Link[]): Outside => {
    const uplinks = new Set(links.flatMap((l) => (l.kind === 'uplink' ? [l.ifindex] : [])));
    const nodeAddresses = control.nodeAddresses().map(formatAddress);
    const found = listOutsideRoutes(net, { uplinks, nodeAddresses });
    ({ loss } = found);
    return {
      routes: found.routes,
      exempt: [...nonMasqueradeCIDRs, ...list.exempt],
      kernels: list.masqLinkLocal ? LINKS_OWN : [...LINKS_OWN, LINK_LOCAL],
      takenPorts: takenPorts(net),
    };
  };

  return {
    list: () => {
      if (!isOn) return NO_FILE;
      const nowMs = performance.now();
      const said = file.read(nowMs);
      if (!isDeepStrictEqual(said, list)) list = said;
      clearTimeout(timer);
      // The process is kept alive by others.
      timer = setTimeout(again, Math.ceil(file.dueMs() - nowMs)).unref();
      return list;
    },
    problems: () => [file.problem(), loss].filter((text) => text !== undefined),
    survey: (links) => {
      const now = isOn ? look(links) : { ...NO_OUTSIDE, takenPorts: takenPorts(net) };
      if (isDeepStrictEqual(now, known)) return;
      known = now;
      control.setOutside(now);
    },
  };
}
