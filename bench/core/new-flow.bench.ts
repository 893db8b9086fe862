/**
 * core/new-flow/10k-services: the first packet of a UDP flow from a pod to one of ten thousand
 * services: parse, classify, look-up that finds nothing, service, route, two rows, rewrite.
 * Every frame is a new flow; the table is emptied between passes, outside the clock.
 */
import { RegionId } from '../../assembly/abi.js';
import { comparePairs, comparison, type Context, type Result, type Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler, startTwin } from '../twin.js';
import { digestWords, FRAME_LEN, writeUdpFrame, xorshift32 } from './inputs.js';
import {
  createServiceWorld,
  POD_ADDR,
  POD_IFINDEX,
  SERVICE_NET,
  SERVICE_PORT,
} from './service-world.js';
import { writeSnapshot } from './snapshot.js';
import { missingModule } from './world.js';

const NAME = 'core/new-flow/10k-services';
const SERVICES = 10_000;
/** New flows a pass; with two rows each, a third of the table. */
const FLOWS = 200_000;
const ROWS = 1 << 20;
const PASSES_MIN = 9;
const SEED = 88172645;

async function run(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  context.note(`compiling ${SERVICES} services`);
  const spec = { protocol: 'UDP', services: SERVICES, flows4: ROWS, frames: 8192 } as const;
  const { core, exports } = createServiceWorld(spec);
  const { base } = core.region(RegionId.UMEM);
  const random = xorshift32(SEED);
  for (let i = 0; i < FLOWS; i++) {
    // (service, source port) never repeats: every frame begins a flow.
    const service = random() % SERVICES;
    const tuple = { src: POD_ADDR, dst: SERVICE_NET + service + 1, dstPort: SERVICE_PORT };
    writeUdpFrame(core.words, base + i * FRAME_LEN, { ...tuple, srcPort: 1024 + (i % 60_000) }, i);
  }
  const frames = core.view.subarray(base, base + FLOWS * FRAME_LEN);
  const pristine = frames.slice();
  const pass = (nowMs: number): number => {
    frames.set(pristine);
    exports.benchFlowClear();
    const begin = process.hrtime.bigint();
    const sent = exports.benchNewFlow(base, FLOWS, FRAME_LEN, FRAME_LEN, POD_IFINDEX, nowMs);
    const ns = Number(process.hrtime.bigint() - begin) / FLOWS;
    // Some runs of the table are full at this density, and a few tuples repeat.
    if (sent < FLOWS * 0.999) throw new Error(`${sent} of ${FLOWS} first packets were sent`);
    return ns;
  };
  const file = writeSnapshot(context.scope, core);
  let nowMs = 1;
  pass(nowMs);
  const twin = await startTwin(context.scope, 'new-flow', [file, base, FLOWS, POD_IFINDEX]);
  if (digestWords(frames) !== twin.digest) {
    throw new Error('WebAssembly and C rewrote the first packets differently');
  }
  const passes = context.quick ? context.samples : Math.max(context.samples, PASSES_MIN);
  const pairs = await comparePairs(
    {
      ours: () => Promise.resolve({ ns: pass(++nowMs) }),
      theirs: async () => ({ ns: (await twin.sample()).ns }),
    },
    passes,
  );
  const label = { ...{ name: NAME, unit: 'ns/packet', better: 'lower' as const }, rival: 'C' };
  return [comparison(label, pairs, 'ns', 'the same in C, gcc -O3')];
}

export const suites: readonly Suite[] = [
  {
    names: [NAME],
    missing: async () => missingModule() ?? (await missingCompiler()),
    run,
  },
];
