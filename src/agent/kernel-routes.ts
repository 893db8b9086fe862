/** The kernel's own routes: other nodes' pods, and services at the trunk. */
import { formatAddress, formatCidr, hostCidr } from '../addr.js';
import type { Address } from '../addr.js';
import type { Control, PeerWays } from '../compile/control.js';
import type { SluiceConfig } from '../config/config.js';
import type { Netns } from '../kernel/netns.js';
import { setServiceRoutes } from '../kernel/trunk.js';
import type { Trunk } from '../kernel/trunk.js';
import { setNodeRoutes } from '../kernel/uplink.js';
import type { NodeRoute } from '../kernel/uplink.js';
import type { Overlay } from './overlay.js';
import { createStep } from './step.js';
import type { Pass } from './step.js';

export interface KernelRouteParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly net: Netns;
  readonly trunk: Trunk;
}

const NO_ADDRESSES: readonly Address[] = [];

/** @returns sets them, as far as what they follow from has changed; `mtu`: of pods */
export function createKernelRoutes(
  { net, control, trunk, config }: KernelRouteParts,
  overlay: Overlay,
): (pass: Pass, mtu: number) => void {
  const steps = {
    nodeRoutes: createStep('routes'),
    tunnelPeers: createStep('overlay'),
    serviceRoutes: createStep('routes'),
  };
  return (pass, mtu) => {
    const inputs = [
      control.peers(),
      control.nodeAddresses(),
      control.ownNode(),
      overlay.revision(),
    ];
    // In this order: a route takes the place of the other kind's, which is then not there to delete.
    steps.nodeRoutes.run(pass, inputs, () => {
      setNodeRoutes(net, control.peerWays().flatMap(routesOf), overlay.devices());
    });
    steps.tunnelPeers.run(pass, inputs, overlay.setPeers);
    const ranges = config.serviceCIDRs;
    const own = ranges.length > 0 ? NO_ADDRESSES : control.serviceAddresses();
    const outer = control.externalAddresses();
    const addresses = control.nodeAddresses();
    steps.serviceRoutes.run(pass, [own, outer, addresses, mtu], () => {
      const cidrs = [...ranges, ...[...own, ...outer].map(hostCidr)].map(formatCidr);
      const sources = addresses.map(formatAddress);
      setServiceRoutes(net, trunk, { cidrs: [...new Set(cidrs)], sources, mtu });
    });
  };
}

function routesOf({ ways }: PeerWays): NodeRoute[] {
  return ways.flatMap((way) => {
    const via = way.by === 'direct' ? way.via : undefined;
    return via ? [{ podCidr: formatCidr(way.cidr), via: formatAddress(via) }] : [];
  });
}
