import test, { type ExecutionContext } from 'ava';
import {
  Action,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  CONTROL_FRAGMENTS_HELD_OFF,
  DROP_COUNT,
  Drop,
  FRAME_HEADROOM,
  LaneCounter,
  PKTS_BASE,
  PKT_DROP_OFF,
  PKT_FLAGS_OFF,
  PKT_F_ANSWER,
  PKT_LEN_OFF,
  PortKind,
  VNET_HLEN,
  Verdict,
} from '../../assembly/abi.js';
import { put, ready, service, slice } from '../model/objects.js';
import {
  A4,
  A6,
  B4,
  B6,
  type Engine,
  FRAME_PTR,
  IF,
  LINKS,
  REMOTE4,
  REMOTE6,
  openEngine,
  openPorts,
} from '../support/engine.js';
import { hexOf, see } from '../support/frames.js';
import { debugModule } from '../support/inner-core.js';
import { auditFrames, waitingFrames } from './audit.js';
import {
  EMPTY,
  EMPTY6,
  FRAME_MAX,
  type Random,
  VIP,
  VIP6,
  corpus,
  createRandom,
  mutate,
  seedOfRun,
} from './frames.js';

const SEED = seedOfRun();
const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 1_000_000);
const BURST_FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 200_000);
/** Tables so small that they are full most of the time. */
const CAPACITIES = { flows4: 1024, flows6: 512, frames: 512 } as const;
const IFINDICES = [IF.POD_A, IF.POD_B, IF.UPLINK, IF.TRUNK, 99];
const GUARD = 0xa5;
const GUARD_LEN = 64;
/** An IPv6 and an ICMPv6 header in front of what an error quotes. */
const MAX_GROWTH = 48;

function node(module?: WebAssembly.Module, withUplinkPort = false): Engine {
  const links = LINKS.map((link) =>
    link.kind === 'uplink' && withUplinkPort ? { ...link, ioPort: 1 } : link,
  );
  const engine = openEngine({ capacities: CAPACITIES, links, ...(module ? { module } : {}) });
  const ports = (target: number) => [
    { name: 't', port: target, protocol: 'TCP' },
    { name: 'u', port: target, protocol: 'UDP' },
  ];
  for (const [name, clusterIP, endpoints] of [
    ['four', VIP, [A4, B4, REMOTE4]],
    ['six', VIP6, [A6, B6, REMOTE6]],
    ['none4', EMPTY, []],
    ['none6', EMPTY6, []],
  ] as const) {
    engine.apply(
      put('Service', service(name, { clusterIP, ports: ports(80) })),
      put(
        'EndpointSlice',
        slice(
          `${name}-1`,
          name,
          endpoints.map((ip) => ready(ip)),
          ports(8080),
        ),
      ),
    );
  }
  return engine;
}

const samples = corpus();

function pick(random: Random): (typeof samples)[number] {
  const sample = samples[random(samples.length)];
  if (sample === undefined) throw new Error('no corpus');
  return sample;
}

/** What must hold of one decided frame. @returns a complaint, or nothing */
function complaint(engine: Engine, verdict: number, before: Uint8Array): string | undefined {
  const { view, words } = engine.core;
  const len = words.getUint32(PKTS_BASE + PKT_LEN_OFF, true);
  const drop = words.getUint8(PKTS_BASE + PKT_DROP_OFF);
  const isAnswer = (words.getUint16(PKTS_BASE + PKT_FLAGS_OFF, true) & PKT_F_ANSWER) !== 0;
  const same = (): boolean =>
    Buffer.compare(before, view.subarray(FRAME_PTR, FRAME_PTR + len)) === 0;
  if (verdict === Verdict.DROP) {
    if (drop === Drop.NONE || drop >= DROP_COUNT) return `dropped for reason ${drop}`;
    return same() ? undefined : 'a dropped frame was written to';
  }
  if (verdict === Verdict.PUNT) return same() ? undefined : 'a punted frame was written to';
  if (verdict !== Verdict.TX) return `verdict ${verdict}`;
  if (!isAnswer && len !== before.length) return `length ${before.length} became ${len}`;
  if (len > before.length + MAX_GROWTH) return `grew to ${len}`;
  const end = FRAME_PTR + Math.max(len, before.length);
  for (let at = end; at < FRAME_PTR + before.length + GUARD_LEN; at++) {
    if (view[at] !== GUARD) return `wrote ${at - FRAME_PTR - before.length} bytes behind the frame`;
  }
  for (let at = FRAME_PTR - GUARD_LEN; at < FRAME_PTR; at++) {
    if (view[at] !== GUARD) return 'wrote before the frame';
  }
  return undefined;
}

/** A sound frame that was forwarded is sound. */
function unsound(before: Uint8Array, after: Uint8Array): string | undefined {
  try {
    if (!see(before).isSound) return undefined;
  } catch {
    return undefined; // cut off in a header: not for the reader
  }
  return see(after).isSound ? undefined : `became ${hexOf(after)}`;
}

function counters(engine: Engine): {
  rx: number;
  tx: number;
  dropped: number;
  punted: number;
  named: number;
} {
  let named = 0;
  for (let reason = 0; reason < DROP_COUNT; reason++) named += engine.drops(reason);
  return {
    rx: engine.counter(LaneCounter.RX_PACKETS),
    tx: engine.counter(LaneCounter.TX_PACKETS),
    dropped: engine.counter(LaneCounter.DROPPED),
    punted: engine.counter(LaneCounter.PUNTED),
    named,
  };
}

function checkTables(t: ExecutionContext, engine: Engine): void {
  const rows = engine.flows();
  t.is(rows.filter(({ isReply }) => isReply).length * 2, rows.length, 'rows come in pairs');
  const live = engine.control(CONTROL_FLOWS4_LIVE_OFF) + engine.control(CONTROL_FLOWS6_LIVE_OFF);
  t.is(rows.length, live, 'the count of living rows');
  for (const { action } of rows) t.true(action >= Action.HOST && action <= Action.UPLINK);
}

function fuzzProcessFrame(t: ExecutionContext, engine: Engine, frames: number): void {
  const random = createRandom(SEED);
  const { view, exports } = engine.core;
  const buffer = new Uint8Array(8192);
  const verdicts = [0, 0, 0, 0];
  view.fill(GUARD, FRAME_PTR - GUARD_LEN, FRAME_PTR + 8192);
  for (let i = 0; i < frames; i++) {
    const sample = pick(random);
    const len = mutate(random, sample.frame, pick(random).frame, buffer);
    const before = buffer.subarray(0, len);
    const ifindex = random(16) === 0 ? (IFINDICES[random(IFINDICES.length)] ?? 0) : sample.ifindex;
    view.set(before, FRAME_PTR);
    view.fill(GUARD, FRAME_PTR + len, FRAME_PTR + len + GUARD_LEN);
    if (random(4) === 0) engine.nowMs += random(50);
    const fail = (why: string): void => {
      throw new Error(`SEED=${SEED} frame ${i} from ${ifindex}: ${why}\n${hexOf(before)}`);
    };
    let verdict = 0;
    try {
      exports.parseFrame(FRAME_PTR, len);
      verdict = exports.processFrame(ifindex, FRAME_PTR, len, engine.nowMs);
    } catch (trap) {
      fail(String(trap));
    }
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
    const wrong = complaint(engine, verdict, before);
    if (wrong !== undefined) fail(wrong);
    if (verdict === Verdict.TX && i % 32 === 0) {
      const length = engine.core.words.getUint32(PKTS_BASE + PKT_LEN_OFF, true);
      const bad = unsound(before, view.slice(FRAME_PTR, FRAME_PTR + length));
      if (bad !== undefined) fail(bad);
    }
    if (i % 1000 === 0) exports.sweep(engine.nowMs, 64);
  }
  const { rx, tx, dropped, punted, named } = counters(engine);
  t.is(rx, frames);
  t.is(rx, tx + dropped + punted);
  t.is(dropped, named);
  t.deepEqual([0, tx, punted, dropped], verdicts);
  t.true(tx > frames / 5, `only ${tx} of ${frames} frames got through: the corpus is too broken`);
  t.true(engine.counter(LaneCounter.ICMP_ERRORS_TRANSLATED) > 0, 'no error was translated');
  const names = Object.values(Drop).filter((name) => typeof name === 'string');
  const never = names.filter((name) => engine.drops(Drop[name as keyof typeof Drop]) === 0);
  t.log(`SEED=${SEED} never dropped for: ${never.join(' ')}`);
  checkTables(t, engine);
}

test(`fuzz: ${FRAMES} random and mutated frames through processFrame [proxy 118]`, (t) => {
  t.timeout(170_000);
  const engine = node();
  fuzzProcessFrame(t, engine, FRAMES);
  t.is(engine.core.exports.census(), CAPACITIES.frames);
});

test('fuzz: a twentieth of them through the debug build, whose assertions hold', async (t) => {
  t.timeout(170_000);
  fuzzProcessFrame(t, node(await debugModule()), Math.ceil(FRAMES / 20));
});

/** A virtio header that is plausible, or not. */
function vnetHeader(random: Random, out: Uint8Array): void {
  out.fill(0, 0, VNET_HLEN);
  if (random(3) === 0) out[0] = random(4);
  if (random(6) === 0) out[1] = random(6);
  if (random(8) === 0) for (let i = 2; i < VNET_HLEN; i++) out[i] = random(256);
}

for (const [trunkKind, uplinkKind] of [
  [PortKind.FRAMES, PortKind.VNET],
  [PortKind.VNET, PortKind.FRAMES],
] as const) {
  const name = `${PortKind[trunkKind]} trunk, ${PortKind[uplinkKind]} uplink`;
  test(`fuzz: ${BURST_FRAMES / 2} frames through runBurst are conserved, ${name}`, (t) => {
    t.timeout(170_000);
    const random = createRandom(SEED ^ trunkKind);
    const engine = node(undefined, true);
    const kinds = [trunkKind, uplinkKind];
    const ports = openPorts(engine, [
      { ifindex: 0, kind: trunkKind, ringSize: 128 },
      { ifindex: IF.UPLINK, kind: uplinkKind, ringSize: 64 },
    ]);
    const { exports } = engine.core;
    const buffer = new Uint8Array(8192);
    let pushed = 0;
    let served = 0;
    let taken = 0;
    for (let turn = 0; pushed < BURST_FRAMES / 2; turn++) {
      for (let i = random(80); i > 0; i--) {
        const idx = random(3) === 0 ? 1 : 0;
        const isVnet = kinds[idx] === PortKind.VNET;
        const head = isVnet ? VNET_HLEN : 0;
        const sample = pick(random);
        const frame = buffer.subarray(head);
        const len = Math.min(FRAME_MAX, mutate(random, sample.frame, pick(random).frame, frame));
        if (isVnet) vnetHeader(random, buffer);
        if (idx === 0 && len >= 12 && random(20) !== 0) stamp(frame, sample.ifindex);
        if (ports[idx]?.push(buffer.slice(0, head + len))) pushed++;
      }
      engine.nowMs += random(20);
      served += exports.runBurst(1 + random(100), engine.nowMs);
      // A kernel that is sometimes slow to send.
      for (const port of ports) {
        for (let i = random(3) === 0 ? random(20) : 200; i > 0; i--) {
          const sent = port.take();
          if (sent === undefined) break;
          taken++;
          if (sent.length > 4096 - FRAME_HEADROOM + VNET_HLEN) t.fail(`sent ${sent.length} bytes`);
        }
      }
      const census = exports.census();
      if (census !== CAPACITIES.frames) {
        throw new Error(`SEED=${SEED} turn ${turn}: ${census} frames of ${CAPACITIES.frames}`);
      }
      if (turn % 16 === 0) exports.sweep(engine.nowMs, 64);
    }
    while (exports.runBurst(256, engine.nowMs) !== 0) {
      for (const port of ports) while (port.take()) taken++;
    }
    for (const port of ports) while (port.take()) taken++;
    t.is(engine.control(CONTROL_FRAGMENTS_HELD_OFF), waitingFrames(engine.core).length);
    t.deepEqual(auditFrames(engine.core, ports.length), [], `SEED=${SEED}`);
    // Nobody waits for ever.
    engine.nowMs += 30_000;
    engine.sweepAll();
    t.is(engine.control(CONTROL_FRAGMENTS_HELD_OFF), 0);
    const { rx, tx, dropped, named } = counters(engine);
    t.is(rx, pushed);
    t.true(served <= rx);
    t.is(rx, tx + dropped);
    t.true(engine.counter(LaneCounter.FRAGMENTS_HELD) > 0, 'no fragment had to wait');
    t.true(engine.counter(LaneCounter.FRAGMENTS_FOLLOWED) > 0, 'no fragment was followed');
    t.is(dropped, named);
    t.is(taken, tx);
    t.is(engine.drops(Drop.BAD_RX_DESCRIPTOR), 0);
    t.true(tx > pushed / 5, `only ${tx} of ${pushed} got through`);
    t.deepEqual(auditFrames(engine.core, ports.length), [], `SEED=${SEED}`);
    checkTables(t, engine);
  });
}

function stamp(frame: Uint8Array, ifindex: number): void {
  frame[6] = 0x02;
  frame[7] = 0x53;
  frame[8] = ifindex;
  frame[9] = 0;
  frame[10] = 0;
  frame[11] = 0;
}
