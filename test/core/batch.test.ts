/** `processBatch` says of many frames what `processFrame` says of each. */
import test from 'ava';
import * as abi from '../../assembly/abi.js';
import { EMPTY, VIP, VIP6, corpus } from '../fuzz/frames.js';
import { put, ready, slice, webService } from '../model/objects.js';
import { B4, B6, openEngine } from '../support/engine.js';
import type { Engine } from '../support/engine.js';

/** Descriptors, and behind them a slot for each frame with room to grow in front. */
const DESCRIPTORS = abi.SCRATCH_BASE;
const SLOTS = abi.SCRATCH_BASE + 0x4000;
const SLOT = 2048;
const BATCH = 200;

interface Fate {
  readonly verdict: number;
  readonly drop: number;
  readonly action: number;
  readonly outIfindex: number;
  readonly row: number;
  readonly frame: string;
}

type Sent = readonly { readonly ifindex: number; readonly frame: Uint8Array }[];

function batch(engine: Engine, sent: Sent): { readonly count: number; readonly fates: Fate[] } {
  const { view, words, exports } = engine.core;
  for (const [i, { ifindex, frame }] of sent.entries()) {
    const at = DESCRIPTORS + i * abi.FRAME_DESC_SIZE;
    const ptr = SLOTS + i * SLOT + abi.FRAME_HEADROOM;
    view.fill(0xee, at, at + abi.FRAME_DESC_SIZE);
    view.set(frame, ptr);
    words.setUint32(at + abi.FRAME_PTR_OFF, ptr, true);
    words.setUint32(at + abi.FRAME_LEN_OFF, frame.length, true);
    words.setUint32(at + abi.FRAME_IN_IFINDEX_OFF, ifindex, true);
  }
  const count = exports.processBatch(DESCRIPTORS, sent.length, engine.nowMs);
  const fates = sent.map((_, i) => {
    const at = DESCRIPTORS + i * abi.FRAME_DESC_SIZE;
    const ptr = words.getUint32(at + abi.FRAME_PTR_OFF, true);
    const len = words.getUint32(at + abi.FRAME_LEN_OFF, true);
    return {
      verdict: words.getUint8(at + abi.FRAME_VERDICT_OFF),
      drop: words.getUint8(at + abi.FRAME_DROP_OFF),
      action: words.getUint8(at + abi.FRAME_ACTION_OFF),
      outIfindex: words.getUint32(at + abi.FRAME_OUT_IFINDEX_OFF, true),
      row: words.getUint32(at + abi.FRAME_ROW_OFF, true),
      frame: Buffer.from(view.subarray(ptr, ptr + len)).toString('hex'),
    };
  });
  return { count, fates };
}

function oneByOne(engine: Engine, sent: Sent): Fate[] {
  return sent.map(({ ifindex, frame }) => {
    const { verdict, drop, action, outIfindex, row, frame: left } = engine.send(ifindex, frame);
    return { verdict, drop, action, outIfindex, row, frame: Buffer.from(left).toString('hex') };
  });
}

function counters(engine: Engine): string {
  const { view } = engine.core;
  const at = abi.COUNTERS_BASE;
  return Buffer.from(view.subarray(at, at + abi.COUNTERS_BYTES)).toString('hex');
}

test('batch: every frame has the verdict, the way out, the row and the bytes it has alone', (t) => {
  const [together, alone] = [openEngine(), openEngine()];
  for (const engine of [together, alone]) {
    engine.apply(
      put('Service', webService('web', VIP)),
      put('Service', webService('web6', VIP6)),
      put('Service', webService('empty', EMPTY)),
      put('EndpointSlice', slice('web-1', 'web', [ready(B4)])),
      put('EndpointSlice', slice('web6-1', 'web6', [ready(B6)])),
    );
  }
  const all = corpus();
  const verdicts = new Set<number>();
  for (let first = 0; first < all.length; first += BATCH) {
    const sent = all.slice(first, first + BATCH);
    const { count, fates } = batch(together, sent);
    const expected = oneByOne(alone, sent);
    t.deepEqual(fates, expected, `frames from ${first} on`);
    for (const { verdict } of expected) verdicts.add(verdict);
    t.is(count, expected.filter(({ verdict }) => verdict === abi.Verdict.TX).length);
  }
  t.deepEqual([...verdicts].sort(), [abi.Verdict.TX, abi.Verdict.DROP]);
  t.is(counters(together), counters(alone));
});

test('batch: no frames, no change', (t) => {
  const engine = openEngine();
  const before = counters(engine);
  t.is(engine.core.exports.processBatch(DESCRIPTORS, 0, engine.nowMs), 0);
  t.is(counters(engine), before);
});
