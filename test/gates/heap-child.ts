/**
 * Prints how many bytes of JavaScript heap a million frames leave behind, as JSON. Started by
 * heap.test.ts with --expose-gc.
 */
import { put, ready, slice, webService } from '../model/objects.js';
import { A4, B4, FRAME_PTR, IF, openEngine } from '../support/engine.js';
import { packet } from '../support/frames.js';

const FRAMES = 1_000_000;
const WARM_UP = 50_000;

const engine = openEngine();
engine.apply(
  put('Service', webService('web', '10.96.0.10')),
  put('EndpointSlice', slice('web-1', 'web', [ready(B4)])),
);
const { view, exports } = engine.core;
const frames = ['S', 'A', 'FA'].map((flags) =>
  packet({ proto: 'tcp', src: A4, dst: '10.96.0.10', flags, payload: 'x'.repeat(20) }),
);

function run(count: number): number {
  let sent = 0;
  for (let i = 0; i < count; i++) {
    const frame = frames[i % frames.length];
    if (frame === undefined) continue;
    view.set(frame, FRAME_PTR);
    // Another source port most of the time: flows are made, hit and evicted.
    view[FRAME_PTR + 34] = i & 0xff;
    view[FRAME_PTR + 35] = (i >>> 8) & 0xff;
    if (exports.processFrame(IF.POD_A, FRAME_PTR, frame.length, 1_000_000 + i) === 1) sent++;
  }
  return sent;
}

run(WARM_UP);
const { gc } = globalThis;
if (gc === undefined) throw new Error('start me with --expose-gc');
gc();
const before = process.memoryUsage();
const sent = run(FRAMES);
gc();
const after = process.memoryUsage();
process.stdout.write(
  JSON.stringify({
    sent,
    heap: after.heapUsed - before.heapUsed,
    buffers: after.arrayBuffers - before.arrayBuffers,
  }),
);
