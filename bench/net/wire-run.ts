/** Frames of 64 bytes through a node that Sluice and the kernel forward in turn: the sampling. */
import { comparePairs, comparison, type Context, type Result, type Sampler } from '../harness.js';
import {
  measureRate,
  probeRate,
  startGenerator,
  startStackSink,
  startXdpSink,
} from './generator.js';
import { startKubeProxy, stopKubeProxy, type KubeProxyConfig } from './kube-proxy.js';
import type { Device } from './netns.js';
import { delay } from './sh.js';
import type { UdpPath } from './udp-template.js';
import type { Uplink } from './uplink.js';

/** A variant switched on for the length of a sample. */
interface Variant {
  readonly who: string;
  on(): Promise<void>;
  /** @param arrived frames that reached the far end: throws when they took another way */
  off(arrived?: number): Promise<void>;
}

const WINDOW = { ms: 1000, marginMs: 150 };
const QUICK_WINDOW = { ms: 400, marginMs: 100 };
/** Less than this of what was sent arriving means that something else drops frames. */
const DELIVERED_MIN = 0.05;
/** Packets that may climb where rows are executed; all flows have met the lane before. */
const CLIMB_SHARE_MAX = 0.02;
/** Frames that introduce all flows, and time for the lane to take them in. */
const GREETING_FRAMES = 200_000;
const GREETING_MS = 300;

/** What a comparison needs; links and namespaces are the suite's own. */
export interface WireRun {
  readonly name: string;
  readonly flows: number;
  /** The kernel programs execute rows; else every frame climbs to the lane. */
  readonly offload: boolean;
  readonly from: Device;
  readonly sink: Device;
  readonly path: UdpPath;
  readonly uplink: Uplink;
  /** The node's end of the client's link. */
  readonly node: Device;
  readonly rules: KubeProxyConfig;
  readonly rival: string;
}

/** Rows that are executed leave the lane in peace; without rows every packet is the lane's. */
function sluiceVariant({ uplink, offload }: WireRun, note: Context['note']): Variant {
  return {
    who: 'sluice',
    on: () => uplink.on(),
    off: async (arrived) => {
      const climbed = await uplink.off();
      if (arrived === undefined) return;
      const share = climbed / arrived;
      note(`sluice: ${(share * 100).toFixed(2)} % of the packets through the lane`);
      const asMeant = offload ? share < CLIMB_SHARE_MAX : share > 1 - CLIMB_SHARE_MAX;
      if (!asMeant) throw new Error(`${(share * 100).toFixed(1)} % of the packets took the lane`);
    },
  };
}

function kernelVariant({ node, rules }: WireRun): Variant {
  return {
    who: 'kernel',
    on: () => startKubeProxy(node.netns, rules),
    off: () => stopKubeProxy(node.netns),
  };
}

export async function runWire(context: Context, wire: WireRun): Promise<Result[]> {
  const { scope, samples, note } = context;
  // Rows send XDP frames; lane and kernel both send sk_buffs.
  const startSink = wire.offload ? startXdpSink : startStackSink;
  const sink = startSink(scope, wire.sink);
  const generator = await startGenerator(scope, wire.from, wire.path, wire.flows);
  const window = context.quick ? QUICK_WINDOW : WINDOW;

  /** Let the variant meet every flow, then have a first idea of its rate. */
  const sampler = async (variant: Variant): Promise<Sampler<'mpps'>> => {
    await variant.on();
    await generator.send(GREETING_FRAMES);
    await delay(GREETING_MS);
    const about = await probeRate(generator);
    await variant.off();
    return async () => {
      await variant.on();
      const rate = await measureRate(generator, sink, about, window);
      await variant.off(rate.arrived);
      const share = ((100 * rate.arrived) / rate.sent).toFixed(1);
      note(`${variant.who}: ${rate.mpps.toFixed(3)} Mpps, ${share} % delivered`);
      if (rate.arrived < rate.sent * DELIVERED_MIN) throw new Error('frames do not arrive');
      return { mpps: rate.mpps };
    };
  };
  const ours = await sampler(sluiceVariant(wire, note));
  const theirs = await sampler(kernelVariant(wire));
  const pairs = await comparePairs({ ours, theirs }, samples, false);
  const label = { name: wire.name, unit: 'Mpps', better: 'higher' } as const;
  return [comparison(label, pairs, 'mpps', wire.rival)];
}
