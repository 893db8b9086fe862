/**
 * Answering queries from the wire cache: 5 000 names that an upstream has answered, the loop inside
 * WebAssembly, against what one would write with dns-packet: decode, a Map, encode with the TTL left.
 */
import packet from 'dns-packet';
import { CUT_CACHE_OFF, CUT_LABELS_OFF } from '../../assembly/abi-dns.js';
import { SCRATCH_BASE } from '../../assembly/abi.js';
import type { Core } from '../../src/core/core.js';
import { createNamesWriter } from '../../src/core/names-writer.js';
import { createWireCache } from '../../src/core/wire-cache.js';
import { comparePairs, comparison, measureBatch } from '../harness.js';
import type { Context, Result, Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { createWorld, missingModule } from './world.js';

const NAMES = 5000;
const STEP = 7919;
const TTL_SEC = 300;
const QUERIES = 4096;
const STRIDE = 128;
const TEMPLATES = SCRATCH_BASE;
const ROOM = SCRATCH_BASE + QUERIES * STRIDE - 4096;
const ROOM_LEN = 2048;
const SIDE = { capacity: 9984, maxTtlSec: 3600, minTtlSec: 5 };
const ROOT = Uint8Array.of(0);

const nameOf = (i: number): string => `host${i}.example.org`;

function replyTo(i: number): Buffer {
  const name = nameOf(i);
  return packet.encode({
    type: 'response',
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
    questions: [{ name, type: 'A' }],
    answers: [{ name, type: 'A', ttl: TTL_SEC, data: `192.0.${i >> 8}.${i & 255}` }],
  });
}

function queryFor(i: number, id: number): Buffer {
  return packet.encode({
    type: 'query',
    id,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name: nameOf(i), type: 'A' }],
  });
}

/** A cut for all names, with a cache that has them. The loop's clock stands at 0. */
function fill(core: Core): void {
  const caches = createWireCache(core, SCRATCH_BASE, () => 0);
  const cache = caches.open({
    success: SIDE,
    denial: SIDE,
    servfailSec: 5,
    isTtlKept: false,
    prefetch: undefined,
    stale: undefined,
  });
  const value = new Uint8Array(CUT_LABELS_OFF);
  new DataView(value.buffer).setUint16(CUT_CACHE_OFF, cache, true);
  const writer = createNamesWriter();
  writer.put(1, 0, ROOT, value);
  if (core.applyNames(writer.take()) !== 1) throw new Error('the cut was refused');
  for (let i = 0; i < NAMES; i++) caches.put(cache, queryFor(i, 0), replyTo(i));
  const { success } = caches.counts(cache);
  if (success !== NAMES) throw new Error(`${success} of ${NAMES} replies kept`);
}

/** What a cache made of dns-packet and a Map does with one message. */
function inJavaScript(): (message: Buffer) => Buffer {
  const kept = new Map<string, { reply: packet.Packet; storedMs: number }>();
  for (let i = 0; i < NAMES; i++) {
    kept.set(`${nameOf(i)} A`, { reply: packet.decode(replyTo(i)), storedMs: Date.now() });
  }
  return (message) => {
    const { id = 0, questions = [] } = packet.decode(message);
    const [question] = questions;
    const found = question && kept.get(`${question.name.toLowerCase()} ${question.type}`);
    if (!found) throw new Error('a name is missing');
    const age = Math.floor((Date.now() - found.storedMs) / 1000);
    const answers = (found.reply.answers ?? []).map((answer) =>
      answer.type === 'A' ? { ...answer, ttl: (answer.ttl ?? 0) - age } : answer,
    );
    return packet.encode({ ...found.reply, id, questions, answers });
  };
}

async function run(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports } = createWorld({ cache: 16_384, replyBytes: 4 << 20 });
  fill(core);
  // The last rows of the templates' half of SCRATCH are where a message is answered.
  const queries = Math.floor((ROOM - TEMPLATES) / STRIDE);
  const messages = Array.from({ length: queries }, (_, i) => queryFor((i * STEP) % NAMES, i));
  messages.forEach((message, i) => {
    core.words.setUint32(TEMPLATES + i * STRIDE, message.length, true);
    core.view.set(message, TEMPLATES + i * STRIDE + 4);
  });
  const answerAll = (): number =>
    exports.benchDns(TEMPLATES, queries, STRIDE, ROOM, ROOM_LEN) >>> 0;
  answerAll();
  const last = messages.at(-1);
  const question = last && packet.decode(last).questions?.[0]?.name;
  const given = packet.decode(Buffer.from(core.view.slice(ROOM, ROOM + ROOM_LEN)));
  if (given.answers?.[0]?.name !== question) throw new Error('the last reply is another one');

  const answer = inJavaScript();
  let _sink = 0;
  const timed = (batch: () => void) => () =>
    Promise.resolve({ ns: measureBatch(batch, queries, context.quick) });
  context.note('against dns-packet');
  const pairs = await comparePairs(
    {
      ours: timed(() => void answerAll()),
      theirs: timed(() => {
        for (const message of messages) _sink ^= answer(message).length;
      }),
    },
    context.samples,
  );
  const label = {
    ...{ name: 'core/dns/answer/cached', unit: 'ns/query', better: 'lower' as const },
    rival: 'dns-packet',
  };
  return [comparison(label, pairs, 'ns', 'dns-packet: decode, Map, encode')];
}

export const suites: readonly Suite[] = [
  { names: ['core/dns/answer/cached'], missing: () => Promise.resolve(missingModule()), run },
];
