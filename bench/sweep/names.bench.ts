/**
 * sweep/names: one address query answered in place when there are 100 to a million names. A look-up
 * touches the row of the name and the entry with its records, wherever they lie.
 */
import { RegionId } from '../../assembly/abi.js';
import {
  answerInJavaScript,
  CASES,
  putNames,
  queriesOf,
  ROOM,
  ROOM_LEN,
  STRIDE,
  writeTemplates,
} from '../core/dns-world.js';
import { digestWords } from '../core/inputs.js';
import { createWorld } from '../core/world.js';
import type { Context, Result, Suite } from '../harness.js';
import { shortNumber } from '../report/numbers.js';
import { startTwin } from '../twin.js';
import { IN_C, lacksMemory, measureAt, sweepSuite, timedBatch, type Sweep } from './sweep.js';

const SWEEP: Sweep = {
  name: 'sweep/names',
  axis: 'names',
  unit: 'ns/query',
  places: [100, 400, 1600, 6400, 25_000, 50_000, 100_000, 200_000, 400_000, 1_000_000],
  quick: [100, 1600, 25_000, 200_000],
  rivals: {
    c: IN_C,
    js: { label: 'dns-packet', against: 'dns-packet: decode, Map, encode' },
  },
};
/** Different queries a pass: where there are more names than this, most of a pass is misses. */
const QUERIES_MAX = 131_072;
/** dns-packet needs microseconds a query: a part of them is enough. */
const JS_QUERIES = 4096;
/** The Map of answers takes half a kilobyte a name. */
const JS_NAMES_MAX = 200_000;
/** Operations a sample of the C twin: some milliseconds. */
const TWIN_OPS = 200_000;
/** The KIND of dns.c that has names without SRV records. */
const KIND_A_ONLY = 3;
/** A cache line of the row, two of the entry. */
const BYTES_A_NAME = 3 * 64;
/** Of RRSETS, for a name of some forty octets, its address record and what the arena adds. */
const RRSET_BYTES = 160;

async function measureNames(context: Context, names: number): Promise<Result[]> {
  if (lacksMemory(context, `${SWEEP.name}/${shortNumber(names)}`, names * 1024)) return [];
  const queries = Math.min(QUERIES_MAX, Math.max(names, 4096));
  const { core, exports } = createWorld({
    names: names + 4096,
    rrsetBytes: Math.max(1 << 20, names * RRSET_BYTES),
    frames: Math.ceil((queries * STRIDE) / 4096),
  });
  putNames(core, names, false);
  const [question] = CASES;
  const messages = queriesOf(question, names, queries);
  const { base } = core.region(RegionId.UMEM);
  writeTemplates(core, base, messages);
  const answerAll = (): number => exports.benchDns(base, queries, STRIDE, ROOM, ROOM_LEN) >>> 0;
  const { capacity } = core.region(RegionId.NAMES);
  const repeats = Math.ceil(TWIN_OPS / queries);
  const args = [KIND_A_ONLY, queries, repeats, names, capacity];
  const twin = await startTwin(context.scope, 'dns', args);
  const digest = digestWords(core.view.slice(base, base + queries * STRIDE));
  if (digest !== twin.digest) throw new Error('the C twin asks other questions');
  const [sum, { result }] = [answerAll(), await twin.sample()];
  if (sum !== result) throw new Error(`replies: WebAssembly got ${sum}, C ${result}`);

  let _sink = 0;
  const answer = names <= JS_NAMES_MAX ? answerInJavaScript(names, false) : undefined;
  const some = messages.slice(0, JS_QUERIES);
  const inJs =
    answer &&
    ((): void => {
      for (const message of some) _sink ^= answer(message).length;
    });
  return measureAt(
    context,
    SWEEP,
    { x: names, bytes: names * BYTES_A_NAME },
    {
      ours: timedBatch(context, () => void answerAll(), queries),
      rivals: {
        c: () => twin.sample(),
        js: inJs && timedBatch(context, inJs, some.length),
      },
    },
  );
}

export const suites: readonly Suite[] = [sweepSuite(SWEEP, measureNames)];
