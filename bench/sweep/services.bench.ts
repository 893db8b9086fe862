/**
 * sweep/services: from a frame to its backend (parse, classify, frontend, set, Maglev) when there
 * are 1 to 100 000 services of three endpoints each, asked for at random. The tables are those that
 * the control plane compiles; the C twin has the same bytes.
 */
import { FRONTEND_SIZE, RegionId, SERVICE_SIZE } from '../../assembly/abi.js';
import type { Core } from '../../src/core/core.js';
import { FRAME_LEN, writeUdpFrame, xorshift32 } from '../core/inputs.js';
import { chooseJs, servicesJs } from '../core/js-services.js';
import {
  createServiceWorld,
  endpointAddr,
  ENDPOINTS,
  POD_ADDR,
  POD_IFINDEX,
  SERVICE_NET,
  SERVICE_PORT,
} from '../core/service-world.js';
import { writeSnapshot } from '../core/snapshot.js';
import type { Context, Result, Suite } from '../harness.js';
import { startTwin } from '../twin.js';
import { IN_C, measureAt, sweepSuite, timedBatch, type Sweep } from './sweep.js';

const SWEEP: Sweep = {
  name: 'sweep/services',
  axis: 'services',
  unit: 'ns/packet',
  places: [1, 4, 16, 64, 256, 1000, 4000, 10_000, 25_000, 50_000, 100_000],
  quick: [1, 16, 256, 4000],
  rivals: {
    c: IN_C,
    js: { label: 'JavaScript', against: 'JavaScript: a Map of frontends, DataView, objects' },
  },
};
/** Frames a pass. */
const FRAMES = 32_768;
const TWIN_REPEATS = 4;
const SEED = 88172645;
/** Cache lines that a look-up touches of a service: a slot of its table, a set entry, a backend. */
const LINES = 3 * 64;

/** @returns the service that each frame is for */
function writeFrames(core: Core, base: number, services: number): number[] {
  const random = xorshift32(SEED);
  return Array.from({ length: FRAMES }, (_, i) => {
    const service = random() % services;
    const tuple = { src: POD_ADDR, dst: SERVICE_NET + service + 1, dstPort: SERVICE_PORT };
    writeUdpFrame(core.words, base + i * FRAME_LEN, { ...tuple, srcPort: 1024 + (i % 60_000) }, i);
    return service;
  });
}

async function measureServices(context: Context, services: number): Promise<Result[]> {
  const spec = { protocol: 'UDP', services, flows4: 1024, frames: 4096, isMaglev: true } as const;
  const { core, exports } = createServiceWorld(spec);
  const { base } = core.region(RegionId.UMEM);
  const asked = writeFrames(core, base, services);
  const choose = (): number => exports.benchChoose(base, FRAMES, FRAME_LEN, POD_IFINDEX) >>> 0;
  const twinArgs = [FRAMES, base, FRAME_LEN, POD_IFINDEX];
  const file = writeSnapshot(context.scope, core);
  const twin = await startTwin(context.scope, 'tables', [
    'choose',
    file,
    TWIN_REPEATS,
    ...twinArgs,
  ]);
  const [sum, { result }] = [choose(), await twin.sample()];
  if (sum !== result) throw new Error(`backends: WebAssembly chose ${sum}, C ${result}`);

  const map = servicesJs(services);
  const frame = (i: number): number => chooseJs(map, core.words, base + i * FRAME_LEN, FRAME_LEN);
  asked.forEach((service, i) => {
    const member = frame(i) - endpointAddr(service, 0);
    if (member < 0 || member >= ENDPOINTS) throw new Error('JavaScript chose an alien backend');
  });
  let _sink = 0;
  const bytes = services * (FRONTEND_SIZE + SERVICE_SIZE + LINES);
  return measureAt(
    context,
    SWEEP,
    { x: services, bytes },
    {
      ours: timedBatch(context, () => void choose(), FRAMES),
      rivals: {
        c: () => twin.sample(),
        js: timedBatch(
          context,
          () => {
            for (let i = 0; i < FRAMES; i++) _sink ^= frame(i);
          },
          FRAMES,
        ),
      },
    },
  );
}

export const suites: readonly Suite[] = [sweepSuite(SWEEP, measureServices)];
