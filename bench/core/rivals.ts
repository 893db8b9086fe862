/** One hot path against several rivals, all of them in turn. */
import {
  compareAll,
  comparison,
  measureBatch,
  type Context,
  type Result,
  type Sampler,
  type Suite,
} from '../harness.js';
import { startTwin } from '../twin.js';

/** One loop in several languages; all loops do the same number of operations a call. */
export interface HotPath {
  readonly name: string;
  readonly unit: string;
  /** Operations of one call. */
  readonly ops: number;
  wasm(): number;
  readonly js: { readonly label?: string; readonly against: string; readonly loop: () => number };
  /** Undefined where its package is not installed; the suite has said so. */
  readonly library?: { readonly name: string; readonly against: string } & Loop;
  /** Program and arguments of the C twin. */
  readonly twin: readonly [string, readonly (number | string)[]];
}

interface Loop {
  readonly ops: number;
  loop(): void;
}

/** Names of the results of a hot path; the first is the one against JavaScript. */
export function namesOf(name: string, hasLibrary: boolean): Suite['names'] {
  return [name, `${name}/c`, ...(hasLibrary ? [`${name}/lib`] : [])];
}

/** @throws Error when two loops get different results */
export async function measureHotPath(context: Context, path: HotPath): Promise<Result[]> {
  const { name, unit, ops, js, library } = path;
  const twin = await startTwin(context.scope, ...path.twin);
  const [sum, inJs, inC] = [path.wasm() >>> 0, js.loop() >>> 0, (await twin.sample()).result];
  if (sum !== inC || sum !== inJs) {
    throw new Error(`${name}: WebAssembly got ${sum}, C ${inC}, JavaScript ${inJs}`);
  }
  const timed = (loop: () => unknown, count: number): Sampler<'ns'> => {
    return () => Promise.resolve({ ns: measureBatch(() => void loop(), count, context.quick) });
  };
  const rivals = new Map<string, Sampler<'ns'>>([
    ['js', timed(js.loop, ops)],
    ['c', () => twin.sample()],
  ]);
  if (library)
    rivals.set(
      'lib',
      timed(() => {
        library.loop();
      }, library.ops),
    );
  const pairs = await compareAll(
    timed(() => path.wasm(), ops),
    rivals,
    context.samples,
  );
  const said: Readonly<Record<string, readonly [string, string, string]>> = {
    js: [name, js.label ?? 'JavaScript', js.against],
    c: [`${name}/c`, 'C', 'the same in C, gcc -O3'],
    lib: [`${name}/lib`, library?.name ?? '', library?.against ?? ''],
  };
  return [...pairs].map(([rival, pair]) => {
    const [result, label, against] = said[rival] ?? ['', '', ''];
    const about = { name: result, subject: name, rival: label, unit, better: 'lower' as const };
    return comparison(about, pair, 'ns', against);
  });
}
