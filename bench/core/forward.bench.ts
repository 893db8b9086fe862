/**
 * What a packet of an established flow costs when everything is in the cache: the whole way
 * (parse, look-up, rewrite) of 256 flows, and the rewriting alone.
 */
import type { Context, Result, Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { compareAll, comparison, measureBatch } from '../harness.js';
import { missingCompiler } from '../twin.js';
import { createForwardWorld, type Kind } from './forward-world.js';
import { namesOf } from './rivals.js';
import { missingModule } from './world.js';

/** The rewriting alone is that of one flow: a row's deltas are right for its own packets. */
const FLOWS: Readonly<Record<Kind, number>> = { forward: 256, nat: 1 };
const FRAMES = 1024;

async function run(context: Context, kind: Kind, name: string): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const spec = { kind, flows: FLOWS[kind], frames: FRAMES, withJs: true };
  const { wasm, js, twin, frames } = await createForwardWorld(context.scope, spec);
  const timed = (loop: () => number) => () =>
    Promise.resolve({ ns: measureBatch(() => void loop(), frames, context.quick) });
  const rivals = new Map([['c', () => twin.sample()]]);
  const inJs = js && timed(js);
  const all = inJs ? new Map([['js', inJs], ...rivals]) : rivals;
  const pairs = await compareAll<'ns'>(timed(wasm), all, context.samples);
  const label = { subject: name, unit: 'ns/packet', better: 'lower' } as const;
  return [...pairs].map(([rival, pair]) =>
    rival === 'c'
      ? comparison(
          { ...label, name: `${name}/c`, rival: 'C' },
          pair,
          'ns',
          'the same in C, gcc -O3',
        )
      : comparison(
          { ...label, name, rival: 'JavaScript' },
          pair,
          'ns',
          kind === 'nat'
            ? 'JavaScript: DataView'
            : 'JavaScript: a Map of tuples, DataView, objects',
        ),
  );
}

async function missing(): Promise<string | undefined> {
  return missingModule() ?? (await missingCompiler());
}

function suite(name: string, kind: Kind): Suite {
  return { names: namesOf(name, false), missing, run: (context) => run(context, kind, name) };
}

export const suites: readonly Suite[] = [
  suite('core/forward/256-flows', 'forward'),
  suite('core/nat/64', 'nat'),
];
