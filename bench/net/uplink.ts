/** The Sluice side of the wire suites: one node without pods (uplink-child.ts), on and off. */
import { fileURLToPath } from 'node:url';
import type { ServiceSpec } from '../core/cluster.js';
import { SUBJECT_CPU } from '../pin.js';
import type { Scope } from '../scope.js';
import type { Netns } from './netns.js';
import { start } from './sh.js';
import { KUBE_PROXY, SERVICE, type Wire } from './wire.js';

export interface UplinkDevice {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
}

export interface UplinkSpec {
  /** Where clients are. */
  readonly near: UplinkDevice;
  /** Where servers are; may be the same. */
  readonly far: UplinkDevice;
  readonly nodeAddress: string;
  readonly serverMac: string;
  readonly service: ServiceSpec;
  /** Range that the far uplink leads to. */
  readonly remotePods: string;
  readonly offload: boolean;
  readonly laneCpu: number;
  /** The service is the cluster's DNS, and the lane has its names (bench/dns/names.ts). */
  readonly isDns?: boolean;
}

export interface Uplink {
  readonly pid: number;
  /** Attach the XDP programs: from now on Sluice forwards. */
  on(): Promise<void>;
  /**
   * Take them off: the kernel's stack sees every frame again.
   *
   * @returns packets that climbed to the lane since `on`
   */
  off(): Promise<number>;
}

const CHILD = fileURLToPath(new URL('uplink-child.ts', import.meta.url));

export function deviceOf({ name, ifindex, mac }: UplinkDevice): UplinkDevice {
  return { name, ifindex, mac };
}

/** @param offload  true: the kernel programs execute rows; false: every frame climbs to the lane */
export function startUplink(scope: Scope, wire: Wire, offload: boolean): Promise<Uplink> {
  const { clusterIP, port, targetPort, endpoints } = SERVICE;
  return startNode(scope, wire.d0.netns, {
    near: deviceOf(wire.d0),
    far: deviceOf(wire.d1),
    nodeAddress: KUBE_PROXY.nodeAddress,
    serverMac: wire.s0.mac,
    service: { name: 'udp', clusterIP, protocol: 'UDP', port, targetPort, endpoints },
    remotePods: '10.9.2.0/24',
    offload,
    laneCpu: SUBJECT_CPU,
  });
}

/** A node with these uplinks and this service. */
export async function startNode(scope: Scope, netns: Netns, spec: UplinkSpec): Promise<Uplink> {
  const loader = `--import=${import.meta.resolve('tsx')}`;
  const place = { netns };
  const child = start(scope, place, process.execPath, loader, CHILD, JSON.stringify(spec));
  await child.nextLine();
  const obey = async (word: string): Promise<number> => {
    child.send(word);
    return Number(await child.nextLine());
  };
  let before = 0;
  return {
    pid: child.pid,
    on: async () => {
      before = await obey('on');
    },
    off: async () => (await obey('off')) - before,
  };
}
