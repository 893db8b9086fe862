/** Work to measure a runtime by: packets of established flows, and queries for addresses. */
import * as abi from '../../../assembly/abi.js';
import {
  BATCH_LENGTH_OFF,
  BATCH_LISTENER_OFF,
  BATCH_MESSAGE_OFF,
} from '../../../assembly/abi-dns.js';
import { BATCH_ROOM_OFF, BATCH_SIZE } from '../../../assembly/abi-dns.js';
import type { LoopFile } from '../../../src/embed/vectors.js';
import { query } from '../../dns/core/zone.js';
import { namesRig } from '../../dns/names-rig.js';
import { HTTP, put, ready, slice, webService } from '../../model/objects.js';
import { A4, B4, IF } from '../../support/engine.js';
import { packet } from '../../support/frames.js';
import { expectSame, frameRig } from '../frames.js';
import { createRecorder } from '../recorder.js';

const ITEMS = 64;
const FIRST_PORT = 40000;
const VIP = '10.96.0.10';
const NOW_MS = 10_000_000;
/** Descriptors first, then a slot for each frame or message. */
const DESCRIPTORS = abi.SCRATCH_BASE;
const SLOTS = DESCRIPTORS + 0x800;
const FRAME_SLOT = 128;
const MESSAGE_SLOT = 192;
const NAMES = 100;

/** The bytes of all descriptors and slots. */
function laidOut(size: number, slot: number, items: readonly Uint8Array[]) {
  const bytes = new Uint8Array(SLOTS - DESCRIPTORS + slot * items.length);
  const view = new DataView(bytes.buffer);
  items.forEach((item, i) => {
    bytes.set(item, SLOTS - DESCRIPTORS + i * slot);
  });
  return { bytes, view, at: (i: number) => i * size, slotAt: (i: number) => SLOTS + i * slot };
}

/** 64 segments of 64 bytes, each of a TCP connection of its own to one ClusterIP. */
export function packets(): LoopFile {
  const rig = frameRig('');
  const { rec, engine } = rig;
  engine.apply(
    put('Service', webService('web', VIP)),
    put('EndpointSlice', slice('web-1', 'web', [ready(B4, 'node-a')], [HTTP])),
  );
  const to = (i: number) =>
    ({ proto: 'tcp', src: A4, dst: VIP, sport: FIRST_PORT + i, dport: 80 }) as const;
  for (let i = 0; i < ITEMS; i++) {
    const reply = { src: B4, dst: A4, sport: 8080, dport: FIRST_PORT + i, flags: 'SA' } as const;
    rig.send(IF.POD_A, packet({ ...to(i), flags: 'S' }), { out: IF.POD_B });
    rig.send(IF.POD_B, packet({ ...to(i), ...reply }), { out: IF.POD_A });
    rig.send(IF.POD_A, packet({ ...to(i), flags: 'A' }), { out: IF.POD_B });
  }
  const frames = Array.from({ length: ITEMS }, (_, i) =>
    packet({ ...to(i), flags: 'PA', payload: 'ten octets' }),
  );
  const { bytes, view, at, slotAt } = laidOut(abi.FRAME_DESC_SIZE, FRAME_SLOT, frames);
  frames.forEach((frame, i) => {
    view.setUint32(at(i) + abi.FRAME_PTR_OFF, slotAt(i), true);
    view.setUint32(at(i) + abi.FRAME_LEN_OFF, frame.length, true);
    view.setUint32(at(i) + abi.FRAME_IN_IFINDEX_OFF, IF.POD_A, true);
  });
  return rec.loop(
    'packets',
    'processBatch over 64 frames of 64 bytes, each of an established flow through one Service: parsed, found, translated',
    ITEMS,
    () => {
      rec.write(DESCRIPTORS, bytes);
      const sent = rec.core.exports.processBatch(DESCRIPTORS, ITEMS, NOW_MS);
      expectSame('frames sent', sent, ITEMS);
    },
  );
}

/** 64 queries for the addresses of Services of a zone. */
export function answers(): LoopFile {
  const rec = createRecorder();
  const rig = namesRig({ core: rec.core });
  rig.apply(
    ...Array.from({ length: NAMES }, (_, i) =>
      put('Service', webService(`service-${String(i)}`, `10.96.1.${String(i)}`)),
    ),
  );
  const queries = Array.from({ length: ITEMS }, (_, i) =>
    query(`service-${String((i * 37) % NAMES)}.default.svc.cluster.local`, { id: i + 1 }),
  );
  const { bytes, view, at, slotAt } = laidOut(BATCH_SIZE, MESSAGE_SLOT, queries);
  queries.forEach((message, i) => {
    view.setUint32(at(i) + BATCH_MESSAGE_OFF, slotAt(i), true);
    view.setUint32(at(i) + BATCH_LENGTH_OFF, message.length, true);
    view.setUint32(at(i) + BATCH_ROOM_OFF, MESSAGE_SLOT, true);
    view.setUint16(at(i) + BATCH_LISTENER_OFF, 1, true);
  });
  return rec.loop(
    'answers',
    `dnsBatch over 64 A queries for names of a zone of ${String(NAMES)} Services`,
    ITEMS,
    () => {
      rec.write(DESCRIPTORS, bytes);
      const replies = rec.core.exports.dnsBatch(DESCRIPTORS, ITEMS, NOW_MS);
      expectSame('replies', replies, ITEMS);
    },
  );
}
