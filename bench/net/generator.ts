/**
 * 64-byte UDP traffic between namespaces, and how much of it arrives.
 *
 * The generator sends by XDP redirect; a sink at the far end counts and drops. The rate is what
 * the sink counts in a window inside one long BPF_PROG_TEST_RUN call: its beginning
 * and its end are slow (page pools are made and torn down) and must not count.
 */
import { fileURLToPath } from 'node:url';
import { loadProgram } from '../../src/kernel/programs.js';
import { closeFd, linkCreate, mapCreate, mapLookup, openNetns } from '../../src/native.js';
import { GENERATOR_CPU } from '../pin.js';
import type { Scope } from '../scope.js';
import { netnsPath, type Device } from './netns.js';
import { delay, runSync, start } from './sh.js';
import type { UdpPath } from './udp-template.js';

// linux/bpf.h, linux/if_link.h
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_XDP = 37;
const XDP_FLAGS_DRV_MODE = 4;

export interface GeneratorSpec {
  readonly netnsPath: string;
  /** Device whose peer receives the frames. */
  readonly ifindex: number;
  readonly path: UdpPath;
  readonly flows: number;
}

export interface Generator {
  /** Send so many frames. @returns nanoseconds it took */
  send(frames: number): Promise<number>;
}

const CHILD = fileURLToPath(new URL('generator-child.ts', import.meta.url));

/** Start the generator's process in its own process on its own processor. */
export async function startGenerator(
  scope: Scope,
  from: Device,
  path: UdpPath,
  flows: number,
): Promise<Generator> {
  const spec: GeneratorSpec = {
    netnsPath: netnsPath(from.netns),
    ifindex: from.ifindex,
    path,
    flows,
  };
  const loader = `--import=${import.meta.resolve('tsx')}`;
  const place = { cpu: GENERATOR_CPU };
  const child = start(scope, place, process.execPath, loader, CHILD, JSON.stringify(spec));
  await child.nextLine();
  return {
    send: async (frames) => {
      child.send(String(frames));
      return Number(await child.nextLine());
    },
  };
}

/** The far end: counts what arrives and drops it, to the end of the scope. */
export interface Sink {
  /** Frames so far. */
  read(): Promise<number>;
}

/** A sink by XDP: all that redirected frames cost there is the count. */
export function startXdpSink(scope: Scope, device: Device): Sink {
  const map = mapCreate({
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: 8,
    maxEntries: 1,
    flags: 0,
    name: 'count',
  });
  const program = loadProgram('count_xdp', { count: map });
  const netnsFd = openNetns(netnsPath(device.netns));
  const link = linkCreate(program, device.ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE, netnsFd);
  for (const fd of [netnsFd, program]) closeFd(fd);
  scope.defer(() => {
    for (const fd of [link, map]) closeFd(fd);
  });
  const key = new Uint8Array(4);
  return {
    read: () => {
      const value = mapLookup(map, key, 8);
      if (!value) throw new Error('the counting program has lost its map');
      const count = new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
      return Promise.resolve(Number(count));
    },
  };
}

/**
 * A sink without XDP: dropped at the first hook of the stack, counted by the device. For variants
 * that both send by sk_buff: XDP on a veth would copy those of one and not those of the other.
 */
export function startStackSink(scope: Scope, device: Device): Sink {
  const { netns, name } = device;
  const hook = `type filter hook ingress device ${name} priority 0 ;`;
  const rules = [
    'add table netdev sink',
    `add chain netdev sink ingress { ${hook} }`,
    'add rule netdev sink ingress drop',
  ];
  runSync({ netns }, ['nft', '-f', '-'], `${rules.join('\n')}\n`);
  const loop = `while read x; do cat /sys/class/net/${name}/statistics/rx_packets; done`;
  const child = start(scope, { netns }, 'sh', '-c', loop);
  return {
    read: async () => {
      child.send('read');
      return Number(await child.nextLine());
    },
  };
}

/** Length of the windows; before and after them the generator is already or still running. */
export interface Window {
  readonly ms: number;
  readonly marginMs: number;
}

/** Frames of the first, rough measurement. */
const PROBE_FRAMES = 200_000;

export interface Rate {
  /** Millions of frames a second, at the far end, within the window. */
  readonly mpps: number;
  /** Frames in all, window or not. */
  readonly sent: number;
  readonly arrived: number;
}

/**
 * Measure the rate at which frames arrive.
 *
 * @param about  rate to expect, Mpps; `probeRate` tells
 */
export async function measureRate(
  generator: Generator,
  sink: Sink,
  about: number,
  window: Window,
): Promise<Rate> {
  const frames = Math.ceil(about * 1e3 * (window.ms + 2 * window.marginMs));
  const before = await sink.read();
  const sent = generator.send(frames);
  await delay(window.marginMs);
  const first = { at: performance.now(), count: await sink.read() };
  await delay(window.ms);
  const last = { at: performance.now(), count: await sink.read() };
  await sent;
  const mpps = (last.count - first.count) / (last.at - first.at) / 1e3;
  return { mpps, sent: frames, arrived: (await sink.read()) - before };
}

/** A rough rate, Mpps: what can be sent, which is more than what arrives when frames are lost. */
export async function probeRate(generator: Generator): Promise<number> {
  await generator.send(PROBE_FRAMES);
  return (PROBE_FRAMES / (await generator.send(PROBE_FRAMES))) * 1e3;
}
