/**
 * What a cluster occupies in a process that has done nothing else. Started with --expose-gc.
 *
 *   memory-child.ts JSON     JSON: Scale of scale.ts; prints {"heap","rss"}: bytes more than before
 */
import { clusterEvents, collectGarbage, createPlane, load, type Scale } from './scale.js';

/** JavaScript's own and the bytes of its buffers, without what is garbage. */
function heapBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function measure(scale: Scale): { heap: number; rss: number } {
  // Warm: what V8 keeps of the code is not the cluster's.
  const small = { ...scale, services: 100 };
  load(createPlane(small), clusterEvents(small));
  const heapBefore = heapBytes();
  const { rss: rssBefore } = process.memoryUsage();
  const plane = createPlane(scale);
  load(plane, clusterEvents(scale));
  const heap = heapBytes() - heapBefore;
  const rss = process.memoryUsage().rss - rssBefore;
  // The plane is used after the measurement: it has not been collected.
  if (!plane.control.isSynced()) throw new Error('not loaded');
  return { heap, rss };
}

console.log(JSON.stringify(measure(JSON.parse(process.argv[2] ?? '{}') as Scale)));
