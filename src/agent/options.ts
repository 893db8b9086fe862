/**
 * What the configuration comes to for the control plane and the lane.
 */
import { TIMEOUT_UDP, TIMEOUT_UDP_STREAM, TcpState } from '../../assembly/abi.js';
import { parseAddress } from '../addr.js';
import type { ControlOptions } from '../compile/control.js';
import { PLAIN_OVERLAY } from '../compile/overlay.js';
import type { OverlayMode } from '../compile/overlay.js';
import type { PodDetection } from '../compile/policy.js';
import type { SluiceConfig } from '../config/config.js';
import type { Timeouts } from '../core/core.js';
import { HOST_ALIASES } from '../model/own-addresses.js';

const MS_PER_SEC = 1000;

function podDetection({ detectLocal, clusterCIDRs }: SluiceConfig): PodDetection {
  switch (detectLocal.mode) {
    case 'Links':
      return { by: 'link' };
    case 'ClusterCIDR':
      return { by: 'range', ranges: clusterCIDRs };
    case 'NodeCIDR':
      return { by: 'node' };
    case 'BridgeInterface':
      return { by: 'name', name: detectLocal.bridgeInterface };
    case 'InterfaceNamePrefix':
      return { by: 'prefix', prefix: detectLocal.interfaceNamePrefix };
    case 'None':
      return { by: 'nothing' };
  }
}

/** Without an uplink nothing is on one, and nobody asks for a tunnel. */
function overlayMode({ overlay, uplinks }: SluiceConfig): OverlayMode {
  return overlay.mode === 'auto' && uplinks.length === 0 ? 'direct' : overlay.mode;
}

export function controlOptions(config: SluiceConfig): ControlOptions {
  return {
    nodeName: config.nodeName,
    capacities: config.capacities,
    nodeAddresses: config.nodeAddresses,
    policy: {
      pods: podDetection(config),
      masqueradeAll: config.masqueradeAll,
      resetRemoved: config.resetRemovedEndpoints,
      hostAliases: HOST_ALIASES.map(parseAddress),
    },
    serviceCIDRs: config.serviceCIDRs,
    nodePortAddresses: config.nodePortAddresses,
    allowedExternalIPs: config.externalIPs.allowed,
    algorithm: config.loadBalancing.algorithm,
    overlay: { ...PLAIN_OVERLAY, mode: overlayMode(config), vni: config.overlay.vni },
  };
}

/** Milliseconds, as the lane is started with them. */
export function timeoutsOf({ timeouts }: SluiceConfig): Timeouts {
  return {
    [TcpState.ESTABLISHED]: timeouts.tcpEstablished * MS_PER_SEC,
    [TcpState.CLOSE_WAIT]: timeouts.tcpCloseWait * MS_PER_SEC,
    [TIMEOUT_UDP]: timeouts.udp * MS_PER_SEC,
    [TIMEOUT_UDP_STREAM]: timeouts.udpStream * MS_PER_SEC,
  };
}
