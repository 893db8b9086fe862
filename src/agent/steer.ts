/** What the kernel programs are told: who speaks on which link, and which packets are ours. */
import { parseAddress, parseMac } from '../addr.js';
import type { Address } from '../addr.js';
import type { Control, Peer } from '../compile/control.js';
import { tunnelHereKey, tunnelPeerKey } from '../compile/ours.js';
import type { SluiceConfig } from '../config/config.js';
import { listAddresses } from '../kernel/address.js';
import type { Netns } from '../kernel/netns.js';
import type { Steering } from '../kernel/steering.js';
import { mayTunnel } from './mtu.js';
import type { LinkedPod, PodHooks } from './pod-links.js';
import { attempt } from './step.js';
import type { Pass } from './step.js';

export interface SteerParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly net: Netns;
  readonly steering: Steering;
}

function addressOf(addresses: readonly Address[], family: 4 | 6): Uint8Array | undefined {
  return addresses.find((address) => address.family === family)?.bytes;
}

export function steerSpeakers(
  { steering }: Pick<SteerParts, 'steering'>,
  pods: readonly LinkedPod[],
): void {
  steering.setSpeakers(
    pods.map(({ addresses, link, isShaped }) => ({
      ifindex: link.ifindex,
      isShaped,
      ipv4: addressOf(addresses, 4),
      ipv6: addressOf(addresses, 6),
      mac: parseMac(link.podMac),
    })),
  );
}

/** @returns why, of each link that has not all of its programs */
export function hookPods(
  podHooks: PodHooks,
  pods: readonly LinkedPod[],
  pass: Pass,
): ReadonlyMap<string, string> {
  const failed = new Map<string, string>();
  for (const { link } of pods) {
    const before = pass.problems.length;
    attempt(pass, `link ${link.name}`, () => podHooks.attach(link));
    const problem = pass.problems[before];
    if (problem !== undefined) failed.set(link.name, problem);
  }
  return failed;
}

/** The map of what is ours: by its changes, or all of it when it is not known to be right. */
export function createOursStep(parts: SteerParts): (pass: Pass) => void {
  const { control, steering } = parts;
  let isRight = false;
  let peers: readonly Peer[] | undefined;
  return (pass) => {
    const change = control.oursChange();
    const isWhole = pass.isFull || !isRight || peers !== control.peers();
    isRight = false;
    attempt(pass, 'steering', () => {
      peers = control.peers();
      if (isWhole) steering.setOurs([...control.ours().values(), ...tunnelKeys(parts, peers)]);
      else steering.changeOurs(change);
      isRight = true;
    });
  };
}

/** Whose tunnel packets are taken, and which are to this node at all. */
function tunnelKeys(
  { config, net }: Pick<SteerParts, 'config' | 'net'>,
  peers: readonly Peer[],
): Uint8Array[] {
  if (!mayTunnel(config)) return [];
  const { port } = config.overlay;
  const sources = peers.flatMap(({ tunnelSources }) => tunnelSources);
  // Whatever address of this host a tunnel packet is to, the tunnel takes it.
  const here = new Set(listAddresses(net.rtnl).map(({ address }) => address));
  return [
    ...sources.map((address) => tunnelPeerKey(address, port)),
    ...[...here].map((address) => tunnelHereKey(parseAddress(address), port)),
  ];
}
