/**
 * core/new-flow/crowded: the first packet of a TCP connection to a service, and the sweep's share of
 * it, while more connections begin and end than the flow table holds: twelve thousand a second, each
 * closed by both ends at once, for more than twice the time that fills it. Simulated time; what the
 * kernel would do, and making the frames, is outside the clock.
 */
import {
  CONTROL_BASE,
  CONTROL_FLOWS4_LIVE_OFF,
  IPPROTO_TCP,
  RegionId,
  TALLY_FLAGS_OFF,
  TALLY_F_REPLY,
  TALLY_KERNEL_PACKETS_OFF,
  TALLY_KERNEL_SEEN_NS_OFF,
  TALLY_KERNEL_TCP_OFF,
} from '../../assembly/abi.js';
import type { Core } from '../../src/core/core.js';
import { alone, type Context, type Result, type Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { FRAME_LEN, fold, sumWords, writeUdpFrame } from './inputs.js';
import {
  createServiceWorld,
  POD_ADDR,
  POD_IFINDEX,
  SERVICE_NET,
  SERVICE_PORT,
} from './service-world.js';
import { missingModule } from './world.js';

const SERVICES = 1_000;
/** As configured by default. */
const ROWS = 262_144;
const PER_SECOND = 12_000;
const TURN_MS = 100;
/** As the lane sweeps (src/core/lane.ts). */
const SWEEP_ROUND_MS = 10_000;
const FILLED_SECS = 25;
const PORT_FIRST = 1024;
const PORTS = 60_000;
/** Has no divisor in common with PORTS. */
const PORT_STEP = 7919;
const SYN = 0x02;
const FIN_AND_SYN = 0x03;
const FIN = 0x01;

/** A SYN in the place of a UDP frame of the same length. */
function writeSyn(view: DataView, at: number, flow: number): void {
  const srcPort = PORT_FIRST + ((Math.floor(flow / SERVICES) * PORT_STEP) % PORTS);
  const dst = SERVICE_NET + (flow % SERVICES) + 1;
  writeUdpFrame(view, at, { src: POD_ADDR, dst, srcPort, dstPort: SERVICE_PORT }, 0);
  const ip = at + 14;
  const tcp = ip + 20;
  view.setUint8(ip + 9, IPPROTO_TCP);
  view.setUint16(ip + 10, 0);
  view.setUint16(ip + 10, ~fold(sumWords(view, ip, 20)) & 0xffff);
  view.setUint32(tcp + 4, flow);
  view.setUint16(tcp + 12, 0x5000 | SYN);
}

/** What the kernel's programs note of a connection that it carried to its end. */
function endAll({ words, region }: Core, nowMs: number): void {
  const flows = region(RegionId.FLOWS4);
  const tallies = region(RegionId.TALLY4);
  for (let i = 0; i < flows.capacity; i++) {
    const seq = words.getUint32(flows.base + i * flows.rowSize, true);
    const at = tallies.base + i * tallies.rowSize;
    if (seq === 0 || seq & 1 || words.getUint8(at + TALLY_KERNEL_TCP_OFF) !== 0) continue;
    const isReply = (words.getUint8(at + TALLY_FLAGS_OFF) & TALLY_F_REPLY) !== 0;
    words.setUint8(at + TALLY_KERNEL_TCP_OFF, isReply ? FIN_AND_SYN : FIN);
    words.setUint32(at + TALLY_KERNEL_PACKETS_OFF, 4, true);
    words.setBigUint64(at + TALLY_KERNEL_SEEN_NS_OFF, BigInt(nowMs) * 1_000_000n, true);
  }
}

function run(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const world = { protocol: 'TCP', services: SERVICES, flows4: ROWS, frames: 8192 } as const;
  const { core, exports } = createServiceWorld(world);
  const { base } = core.region(RegionId.UMEM);
  const count = (PER_SECOND * TURN_MS) / 1000;
  let nowMs = 1000;
  let flow = 0;
  /** @returns nanoseconds a flow */
  const second = (): number => {
    let ns = 0n;
    for (let turn = 0; turn < 1000 / TURN_MS; turn++) {
      nowMs += TURN_MS;
      for (let i = 0; i < count; i++) writeSyn(core.words, base + i * FRAME_LEN, flow++);
      const begin = process.hrtime.bigint();
      const sent = exports.benchNewFlow(base, count, FRAME_LEN, FRAME_LEN, POD_IFINDEX, nowMs);
      exports.sweep(nowMs, Math.ceil((ROWS * TURN_MS) / SWEEP_ROUND_MS));
      ns += process.hrtime.bigint() - begin;
      if (sent !== count) throw new Error(`${sent} of ${count} first packets were sent`);
      endAll(core, nowMs);
    }
    return Number(ns) / PER_SECOND;
  };
  for (let i = 0; i < FILLED_SECS; i++) second();
  const values = Array.from({ length: context.samples }, second);
  const live = core.words.getUint32(CONTROL_BASE + CONTROL_FLOWS4_LIVE_OFF, true) / ROWS;
  context.note(`${(100 * live).toFixed(0)} % of the rows are live`);
  return Promise.resolve([
    alone({ name: 'core/new-flow/crowded', unit: 'ns/packet', better: 'lower' }, values),
  ]);
}

export const suites: readonly Suite[] = [
  {
    names: ['core/new-flow/crowded'],
    missing: () => Promise.resolve(missingModule()),
    run,
  },
];
