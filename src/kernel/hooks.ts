/**
 * Which program sits where. Every hook is pinned and outlives the agent; attaching again replaces
 * the program in place.
 */
import { parseMac } from '../addr.js';
import { closeFd } from '../native.js';
import { createDeviceMap, createXskMap, type Maps } from './maps.js';
import {
  attachTc,
  attachXdp,
  detach,
  dropAside,
  loadProgram,
  setAside,
  type ProgramName,
} from './programs.js';
import type { Trunk, TrunkKind } from './trunk.js';
import type { Uplink } from './uplink.js';

export interface Hooks {
  /** @returns descriptor of the lane side's XSKMAP, for a port; undefined for a packet trunk */
  attachTrunk(trunk: Trunk, kind: TrunkKind): number | undefined;
  /** Catch what the host sends to its own addresses. */
  attachLoopback(loopback: HookedLink): void;
  attachPod(link: HookedLink): void;
  /** The link is about to be deleted: its name is free from now on. */
  setAsidePod(link: HookedLink): void;
  /** Links that were set aside are deleted. */
  dropAside(): void;
  /** @returns descriptor of the XSKMAP of an XDP uplink, and how it went, for the log */
  attachUplink(uplink: Uplink): UplinkHook;
  close(): void;
}

export interface HookedLink {
  readonly name: string;
  readonly ifindex: number;
}

export interface UplinkHook {
  readonly xskMap: number | undefined;
  readonly description: string;
}

/**
 * Take the socket program off the trunk's lane side: with it there, the trunk's offloads are fixed.
 * For a packet trunk, before the trunk is set up.
 */
export function releaseLaneSide(pinDir: string, laneName: string): void {
  detach(pinDir, pinOf(laneName, 'xdp'));
}

/** Receive queues an XSKMAP has room for; the lane serves queue 0. */
const XSK_QUEUES = 64;

export function createHooks(maps: Maps): Hooks {
  const { pinDir, fds } = maps;
  const loaded = new Map<ProgramName, number>();
  const deviceMaps: number[] = [];

  /** Programs without a socket map are the same for every device. */
  const shared = (name: ProgramName): number => {
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const fd = loadProgram(name, fds);
    loaded.set(name, fd);
    return fd;
  };
  const tc = (name: ProgramName, direction: 'ingress' | 'egress', link: HookedLink): void => {
    attachTc(pinDir, shared(name), direction, {
      ifindex: link.ifindex,
      pinName: pinOf(link.name, direction),
    });
  };
  const xdp = (name: ProgramName, link: HookedLink, mac?: Uint8Array) => {
    const xsks = createXskMap(XSK_QUEUES);
    const device = createDeviceMap(mac);
    deviceMaps.push(xsks, device);
    const program = loadProgram(name, { ...fds, xsks, device });
    try {
      const target = { ifindex: link.ifindex, pinName: pinOf(link.name, 'xdp') };
      return { xsks, attachment: attachXdp(pinDir, program, target) };
    } finally {
      closeFd(program);
    }
  };

  return {
    attachTrunk: ({ host, lane }, kind) => {
      tc('trunk_ingress', 'ingress', host);
      tc('trunk_egress', 'egress', host);
      // The first pod is not to wait for the verifier.
      shared('pod_ingress');
      return kind === 'xdp' ? xdp('lane_xdp', lane).xsks : undefined;
    },
    attachLoopback: (loopback) => {
      tc('host_egress', 'egress', loopback);
    },
    attachPod: (link) => {
      tc('pod_ingress', 'ingress', link);
      tc('host_egress', 'egress', link);
    },
    setAsidePod: ({ name, ifindex }) => {
      setAside(pinDir, pinOf(name, 'ingress'), ifindex);
      setAside(pinDir, pinOf(name, 'egress'), ifindex);
    },
    dropAside: () => {
      dropAside(pinDir);
    },
    attachUplink: (uplink) => {
      tc('host_egress', 'egress', uplink);
      if (uplink.mode === 'tc') {
        detach(pinDir, pinOf(uplink.name, 'xdp'));
        tc('uplink_ingress', 'ingress', uplink);
        return { xskMap: undefined, description: `${uplink.name}: TC` };
      }
      detach(pinDir, pinOf(uplink.name, 'ingress'));
      const { xsks, attachment } = xdp('uplink_xdp', uplink, parseMac(uplink.mac));
      const why = attachment.reason === undefined ? '' : ` (${attachment.reason})`;
      return { xskMap: xsks, description: `${uplink.name}: XDP ${attachment.mode}${why}` };
    },
    close: () => {
      for (const fd of [...loaded.values(), ...deviceMaps]) closeFd(fd);
    },
  };
}

function pinOf(name: string, hook: 'ingress' | 'egress' | 'xdp'): string {
  return `${name}-${hook}`;
}
