/** Parsing a query, and no more: lengths proven, labels counted, the name folded and hashed. */
import packet from 'dns-packet';
import { SCRATCH_BASE } from '../../assembly/abi.js';
import type { Context, Result, Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { missingCompiler } from '../twin.js';
import { CASES, queriesOf, STRIDE, writeTemplates } from './dns-world.js';
import { measureHotPath, namesOf } from './rivals.js';
import { createWorld, missingModule } from './world.js';

const NAME = 'core/dns/parse';
const NAMES = 5000;
const QUERIES = 4096;
const TWIN_PASSES = 50;
/** The KIND of dns.c that only parses. */
const KIND_PARSE = 4;
const SLOTS = 32_768;

function run(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports } = createWorld({});
  const [question] = CASES;
  const messages = queriesOf(question, NAMES, QUERIES);
  writeTemplates(core, SCRATCH_BASE, messages);
  return measureHotPath(context, {
    ...{ name: NAME, unit: 'ns/query', ops: QUERIES },
    wasm: () => exports.benchDnsParse(SCRATCH_BASE, QUERIES, STRIDE),
    js: {
      label: 'dns-packet',
      against: 'dns-packet: decode',
      // The question is all there is in these messages: it ends where they do.
      loop: () =>
        messages.reduce((sum, message) => {
          const isA = packet.decode(message).questions?.[0]?.type === 'A';
          return sum + (isA ? 1 : 0) + message.length;
        }, 0),
    },
    twin: ['dns', [KIND_PARSE, QUERIES, TWIN_PASSES, NAMES, SLOTS]],
  });
}

export const suites: readonly Suite[] = [
  {
    names: namesOf(NAME, false),
    missing: async () => missingModule() ?? (await missingCompiler()),
    run,
  },
];
