/** Nodes that the source does not tell about: of the configuration, and of flannel's etcd. */
import { existsSync, readFileSync } from 'node:fs';
import { canonicalCidr, formatAddress, formatCidr, parseAddress } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { StaticPeer } from '../config/overlay.js';
import type { SluiceConfig } from '../config/config.js';
import { watchFlannelEtcd } from '../flannel/etcd.js';
import type { Uplink } from '../kernel/uplink.js';
import type { Log } from '../log.js';
import type { SourceEvent } from '../model/events.js';
import { FLANNEL, backendData, vtepMacOf } from '../model/vtep.js';

/** A peer of the configuration as the Node object that a cluster would have. */
export function staticPeerEvent(peer: StaticPeer, vni: number): SourceEvent {
  const { name, podCIDRs, addresses, vtepMAC } = peer;
  const said = vtepMAC && {
    [FLANNEL.BACKEND_TYPE]: 'vxlan',
    [FLANNEL.BACKEND_DATA]: backendData(vni, vtepMAC),
    [FLANNEL.BACKEND_V6_DATA]: backendData(vni, vtepMAC),
  };
  const internal = addresses.map((address) => ({
    type: 'InternalIP',
    address: formatAddress(address),
  }));
  return {
    type: 'put',
    kind: 'Node',
    object: {
      metadata: { name, ...(said ? { annotations: said } : {}) },
      spec: { podCIDRs: podCIDRs.map(formatCidr) },
      status: { addresses: internal },
    },
  };
}

async function* staticPeers({ overlay }: SluiceConfig): AsyncGenerator<SourceEvent> {
  for (const peer of overlay.peers) yield await Promise.resolve(staticPeerEvent(peer, overlay.vni));
  yield { type: 'synced' };
}

/** Where others reach this node, while no object says it. */
function ownAddresses(config: SluiceConfig, uplinks: readonly Uplink[]): readonly Address[] {
  if (config.nodeAddresses.length > 0) return config.nodeAddresses;
  const texts = uplinks.flatMap(({ addresses }) => addresses);
  const all = texts.map((text) => parseAddress(text.replace(/\/.*/, '')));
  return ([4, 6] as const).flatMap((family) => all.find((each) => each.family === family) ?? []);
}

/** Subnets that a subnet file says this node had. */
function previousSubnets({ overlay }: SluiceConfig): Cidr[] {
  const { subnetFile } = overlay;
  if (subnetFile === undefined || !existsSync(subnetFile)) return [];
  const text = readFileSync(subnetFile, 'utf8');
  const found = [...text.matchAll(/^FLANNEL_(?:IPV6_)?SUBNET=(.*)$/gm)];
  return found.flatMap(([, cidr]) => canonicalCidr(cidr ?? '') ?? []);
}

/** Sources of nodes by the configuration's keys for them. */
export function openPeers(
  config: SluiceConfig,
  uplinks: readonly Uplink[],
  log: Log,
  signal: AbortSignal,
): Readonly<Record<string, AsyncGenerator<SourceEvent>>> {
  const { etcd, vni } = config.overlay;
  const peers = staticPeers(config);
  if (etcd === undefined) return { peers };
  const leases = watchFlannelEtcd({
    ...{ etcd, vni, log, signal, nodeName: config.nodeName },
    addresses: ownAddresses(config, uplinks),
    mac: vtepMacOf(config.nodeName),
    previous: previousSubnets(config),
  });
  return { peers, etcd: leases };
}
