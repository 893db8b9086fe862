/**
 * Answering queries from a table of 5 000 services: the loop inside WebAssembly against the same in C,
 * and against what one would write with dns-packet: decode, a Map, encode.
 */
import { RegionId, SCRATCH_BASE } from '../../assembly/abi.js';
import { comparePairs, comparison, measureBatch } from '../harness.js';
import type { Context, Result, Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler, startTwin } from '../twin.js';
import {
  answerInJavaScript,
  CASES,
  putNames,
  queriesOf,
  ROOM,
  ROOM_LEN,
  STRIDE,
  writeTemplates,
  type Case,
} from './dns-world.js';
import { digestWords } from './inputs.js';
import { createWorld, missingModule } from './world.js';

const NAMES = 5000;
const QUERIES = 4096;
const TEMPLATES = SCRATCH_BASE;
const TWIN_PASSES = 50;

async function run(context: Context, which: Case): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports } = createWorld({ names: 16_384, rrsetBytes: 4 << 20 });
  putNames(core, NAMES, true);
  const messages = queriesOf(which, NAMES, QUERIES);
  writeTemplates(core, TEMPLATES, messages);
  const answerAll = (): number =>
    exports.benchDns(TEMPLATES, QUERIES, STRIDE, ROOM, ROOM_LEN) >>> 0;
  const twin = await startTwin(context.scope, 'dns', [
    which.kind,
    QUERIES,
    TWIN_PASSES,
    NAMES,
    core.region(RegionId.NAMES).capacity,
  ]);
  const digest = digestWords(core.view.slice(TEMPLATES, TEMPLATES + QUERIES * STRIDE));
  if (digest !== twin.digest) throw new Error('the C twin asks other questions');
  const [sum, { result }] = [answerAll(), await twin.sample()];
  if (sum !== result) throw new Error(`replies: WebAssembly got ${sum}, C ${result}`);

  const answer = answerInJavaScript(NAMES, true);
  let _sink = 0;
  const timed = (batch: () => void) => () =>
    Promise.resolve({ ns: measureBatch(batch, QUERIES, context.quick) });
  const ours = timed(() => void answerAll());
  context.note('against dns-packet');
  const theirs = timed(() => {
    for (const message of messages) _sink ^= answer(message).length;
  });
  const js = await comparePairs({ ours, theirs }, context.samples);
  context.note('against C');
  const c = await comparePairs(
    { ours, theirs: async () => ({ ns: (await twin.sample()).ns }) },
    context.samples,
  );
  const label = {
    name: `core/dns/answer/${which.name}`,
    unit: 'ns/query',
    better: 'lower',
    subject: `core/dns/answer/${which.name}`,
  } as const;
  return [
    comparison({ ...label, rival: 'dns-packet' }, js, 'ns', 'dns-packet: decode, Map, encode'),
    comparison(
      { ...label, name: `${label.name}/c`, rival: 'C' },
      c,
      'ns',
      'the same in C, gcc -O3',
    ),
  ];
}

async function missing(): Promise<string | undefined> {
  return missingModule() ?? (await missingCompiler());
}

export const suites: readonly Suite[] = CASES.map((which) => ({
  names: [`core/dns/answer/${which.name}`, `core/dns/answer/${which.name}/c`],
  missing,
  run: (context: Context) => run(context, which),
}));
