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
import { measureRate, probeRate, startCounter, startGenerator } from './generator.js';
import { startKubeProxy, stopKubeProxy } from './kube-proxy.js';
import { missingTools } from './sh.js';
import { missingNative } from './sluice.js';
import { startUplink } from './uplink.js';
import { createWire, KUBE_PROXY } from './wire.js';

/** A variant switched on for the length of a sample. */
interface Variant {
  on(): Promise<void>;
  off(): Promise<void>;
}

const WINDOW = { ms: 1000, marginMs: 150 };
const QUICK_WINDOW = { ms: 400, marginMs: 100 };
const RIVAL = 'kernel conntrack DNAT and routing, kube-proxy nftables rules, same veths';
/** Less than this of what was sent arriving means that something else drops frames. */
const DELIVERED_MIN = 0.05;

async function runWire(
  context: Context,
  options: { name: string; flows: number; offload: boolean },
): Promise<Result[]> {
  const { scope } = context;
  const wire = createWire(scope);
  const counter = startCounter(scope, wire.s0);
  const generator = await startGenerator(scope, wire.c0, wire.path, options.flows);
  const sluice = await startUplink(scope, wire, options.offload);
  const kernel: Variant = {
    on: () => startKubeProxy(wire.d0.netns, KUBE_PROXY),
    off: () => stopKubeProxy(wire.d0.netns),
  };
  const window = context.quick ? QUICK_WINDOW : WINDOW;
  const sampler = async (variant: Variant, who: string): Promise<Sampler<'mpps'>> => {
    await variant.on();
    const about = await probeRate(generator);
    await variant.off();
    return async () => {
      await variant.on();
      const rate = await measureRate(generator, counter, about, window);
      await variant.off();
      const share = (rate.delivered * 100).toFixed(1);
      context.note(`${who}: ${rate.mpps.toFixed(3)} Mpps, ${share} % delivered`);
      if (rate.delivered < DELIVERED_MIN) throw new Error(`${who}: frames do not arrive`);
      return { mpps: rate.mpps };
    };
  };
  const samplers = {
    ours: await sampler(sluice, 'sluice'),
    theirs: await sampler(kernel, 'kernel'),
  };
  const pairs = await comparePairs(samplers, context.samples);
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
