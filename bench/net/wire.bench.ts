/**
 * Frames of 64 bytes through a node, client → ClusterIP → server, against the kernel with
 * conntrack and kube-proxy's rules on the same veths:
 *
 *   net/flow-udp64/N  N flows; rows that the lane stored, executed by XDP on the uplink
 *   net/lane          ten thousand flows; nothing executed by the kernel: rx, WebAssembly, tx
 *
 * The generator, both links and the counter share one processor in both variants; the lane has
 * the other one. Only one variant is on at a time.
 */
import {
  comparePairs,
  comparison,
  type Context,
  type Result,
  type Sampler,
  type Suite,
} from '../harness.js';
import {
  measureRate,
  probeRate,
  startGenerator,
  startStackSink,
  startXdpSink,
} from './generator.js';
import { startKubeProxy, stopKubeProxy } from './kube-proxy.js';
import { delay, missingTools } from './sh.js';
import { missingNative } from './sluice.js';
import type { Netns } from './netns.js';
import { startUplink, type Uplink } from './uplink.js';
import { createWire, KUBE_PROXY } from './wire.js';

/** A variant switched on for the length of a sample. */
interface Variant {
  readonly who: string;
  on(): Promise<void>;
  /** @param arrived frames that reached the far end: throws when they took another way */
  off(arrived?: number): Promise<void>;
}

const WINDOW = { ms: 1000, marginMs: 150 };
const QUICK_WINDOW = { ms: 400, marginMs: 100 };
const RIVAL = 'kernel conntrack DNAT and routing, kube-proxy nftables rules, same veths';
/** Less than this of what was sent arriving means that something else drops frames. */
const DELIVERED_MIN = 0.05;
/** Packets that may climb where rows are executed; all flows have met the lane before. */
const CLIMB_SHARE_MAX = 0.02;
/** Frames that introduce all flows, and time for the lane to take them in. */
const GREETING_FRAMES = 200_000;
const GREETING_MS = 300;

/** Rows that are executed leave the lane in peace; without rows every packet is the lane's. */
function sluiceVariant(uplink: Uplink, { offload }: WireOptions, note: Context['note']): Variant {
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

function kernelVariant(node: Netns): Variant {
  return {
    who: 'kernel',
    on: () => startKubeProxy(node, KUBE_PROXY),
    off: () => stopKubeProxy(node),
  };
}

interface WireOptions {
  readonly name: string;
  readonly flows: number;
  readonly offload: boolean;
}

async function runWire(context: Context, options: WireOptions): Promise<Result[]> {
  const { scope, samples, note } = context;
  const wire = createWire(scope);
  // Rows send XDP frames; lane and kernel both send sk_buffs.
  const startSink = options.offload ? startXdpSink : startStackSink;
  const sink = startSink(scope, wire.s0);
  const generator = await startGenerator(scope, wire.c0, wire.path, options.flows);
  const uplink = await startUplink(scope, wire, options.offload);
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
  const samplers = {
    ours: await sampler(sluiceVariant(uplink, options, note)),
    theirs: await sampler(kernelVariant(wire.d0.netns)),
  };
  const pairs = await comparePairs(samplers, samples, false);
  const label = { name: options.name, unit: 'Mpps', better: 'higher' } as const;
  return [comparison(label, pairs, 'mpps', RIVAL)];
}

function suite(name: string, flows: number, offload: boolean): Suite {
  return {
    names: [name],
    missing: () => Promise.resolve(missingTools('nft', 'ethtool', 'sysctl') ?? missingNative()),
    run: (context) => runWire(context, { name, flows, offload }),
  };
}

export const suites: readonly Suite[] = [
  suite('net/flow-udp64/1', 1, true),
  suite('net/flow-udp64/10k', 10_000, true),
  suite('net/lane', 10_000, false),
];
