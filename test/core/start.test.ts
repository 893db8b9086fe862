import test from 'ava';
import * as abi from '../../assembly/abi.js';
import { createCore } from '../../src/core/instance.js';
import { STALE_MS } from '../../src/core/core.js';
import { LAYOUT_HASH } from '../../src/core/layout-hash.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import { A4, B4, IF, openEngine, openPorts, stamped } from '../support/engine.js';
import { packet } from '../support/frames.js';

const control = (core: ReturnType<typeof createCore>, offset: number): number =>
  core.words.getUint32(abi.CONTROL_BASE + offset, true);

test('start: the control page says what the kernel programs need', (t) => {
  const core = createCore(SMALL_CAPACITIES);
  t.false(core.start({ offload: true, nowMs: 1 }));
  t.is(control(core, abi.CONTROL_MAGIC_OFF), abi.CONTROL_MAGIC);
  t.is(control(core, abi.CONTROL_LAYOUT_OFF), LAYOUT_HASH);
  t.is(control(core, abi.CONTROL_FLOWS4_MASK_OFF), SMALL_CAPACITIES.flows4 - 1);
  t.is(control(core, abi.CONTROL_FLOWS6_MASK_OFF), SMALL_CAPACITIES.flows6 - 1);
  t.is(control(core, abi.CONTROL_STALE_MS_OFF), STALE_MS);
  t.is(control(core, abi.CONTROL_FLAGS_OFF), abi.CONTROL_F_OFFLOAD);
  t.is(
    new TextDecoder().decode(core.view.subarray(abi.CONTROL_BASE, abi.CONTROL_BASE + 4)),
    'SLUC',
  );
});

test('start: offload off is one flag', (t) => {
  const core = createCore(SMALL_CAPACITIES);
  core.start({ offload: false, nowMs: 1 });
  t.is(control(core, abi.CONTROL_FLAGS_OFF), 0);
});

test('start: timeouts and the seed of Maglev hashing are what the host says', (t) => {
  const core = createCore(SMALL_CAPACITIES);
  const { ESTABLISHED, CLOSE_WAIT } = abi.TcpState;
  const timeoutsMs = { [CLOSE_WAIT]: 5000, [abi.TIMEOUT_UDP]: 7000 };
  core.start({ offload: true, nowMs: 1, timeoutsMs, pickSeed: 0xfeedface });
  const timeout = (which: number) => control(core, abi.CONTROL_TIMEOUTS_OFF + 4 * which);
  t.is(timeout(CLOSE_WAIT), 5000);
  t.is(timeout(abi.TIMEOUT_UDP), 7000);
  t.is(timeout(ESTABLISHED), 432_000_000);
  t.is(control(core, abi.CONTROL_PICK_SEED_OFF), 0xfeedface);
});

test('start: every core has its own secret keys', (t) => {
  const keys = [0, 1].map(() => {
    const core = createCore(SMALL_CAPACITIES);
    core.start({ offload: true, nowMs: 1 });
    const at = abi.CONTROL_BASE + abi.CONTROL_HASH_KEYS_OFF;
    return Buffer.from(core.view.subarray(at, at + abi.HASH_KEYS * 4)).toString('hex');
  });
  t.not(keys[0], keys[1]);
  for (const key of keys) t.notRegex(key, /^0+$/);
});

test('start: every frame of UMEM is free, each once', (t) => {
  const core = createCore(SMALL_CAPACITIES);
  core.start({ offload: true, nowMs: 1 });
  t.is(core.exports.census(), SMALL_CAPACITIES.frames);
  const { base } = core.region(abi.RegionId.FREE);
  const offsets = new Set<number>();
  for (let i = 0; i < SMALL_CAPACITIES.frames; i++)
    offsets.add(core.words.getUint32(base + i * 4, true));
  t.is(offsets.size, SMALL_CAPACITIES.frames);
  t.true([...offsets].every((offset) => offset % SMALL_CAPACITIES.frameSize === 0));
});

test('start: the core counts what goes through it, in packets and bytes', (t) => {
  const engine = openEngine();
  const [trunk] = openPorts(engine);
  const frame = stamped(IF.POD_A, packet({ proto: 'udp', src: A4, dst: B4 }));
  for (let i = 0; i < 3; i++) trunk?.push(frame);
  trunk?.push(frame.slice(0, 20));
  engine.core.exports.runBurst(64, engine.nowMs);
  const { LaneCounter } = abi;
  t.is(engine.counter(LaneCounter.RX_PACKETS), 4);
  t.is(engine.counter(LaneCounter.RX_BYTES), 3 * frame.length + 20);
  t.is(engine.counter(LaneCounter.TX_PACKETS), 3);
  t.is(engine.counter(LaneCounter.TX_BYTES), 3 * frame.length);
  t.is(engine.counter(LaneCounter.DROPPED), 1);
  t.is(engine.counter(LaneCounter.BURSTS), 1);
  const { tally } = engine.flow(A4, 40000, B4, 80);
  t.is(engine.core.words.getBigUint64(tally + abi.TALLY_LANE_PACKETS_OFF, true), 3n);
  t.is(
    engine.core.words.getBigUint64(tally + abi.TALLY_LANE_BYTES_OFF, true),
    BigInt(3 * frame.length),
  );
});
