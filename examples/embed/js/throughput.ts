/** How long the core takes for a packet or an answer: the loops of test/vectors/throughput/. */
import { bytesOf, firstFailure, prepare } from './vectors.ts';
import type { Core, LoopFile, Step } from './vectors.ts';

const WARM_UP_MS = 200;
const MEASURED_MS = 1000;
/** Turns between two looks at the clock. */
const TURNS = 64;

export interface Throughput {
  /** Nanoseconds a packet or answer, with the copying in of its bytes; null when there was a failure. */
  readonly nsPerItem: number | null;
  /** The first result that was not the expected one. */
  readonly failure: string | undefined;
}

/**
 * Turn the loop until a second has gone by.
 *
 * @throws Error when the module has another version of the contract than the file
 */
export async function measure(module: WebAssembly.Module, file: LoopFile): Promise<Throughput> {
  const core = await prepare(module, file);
  const unready = firstFailure(core, file.setup);
  if (unready !== undefined) return { nsPerItem: null, failure: `setup: ${unready}` };
  // The turn before the clock runs is the one that says what is wrong, if anything is.
  const failure = firstFailure(core, file.loop.steps);
  if (failure !== undefined) return { nsPerItem: null, failure };
  const turn = turnOf(core, file.loop.steps);
  turnFor(turn, WARM_UP_MS);
  const { turns, wrong, elapsedMs } = turnFor(turn, MEASURED_MS);
  if (wrong > 0) return { nsPerItem: null, failure: `${wrong} of ${turns} turns went otherwise` };
  return { nsPerItem: (elapsedMs * 1e6) / (turns * file.loop.items), failure: undefined };
}

interface Turns {
  readonly turns: number;
  /** Of them, those with another result than the expected one. */
  readonly wrong: number;
  readonly elapsedMs: number;
}

function turnFor(turn: () => boolean, minMs: number): Turns {
  const begin = performance.now();
  let turns = 0;
  let wrong = 0;
  let elapsedMs = 0;
  while (elapsedMs < minMs) {
    for (let i = 0; i < TURNS; i++) wrong += turn() ? 0 : 1;
    turns += TURNS;
    elapsedMs = performance.now() - begin;
  }
  return { turns, wrong, elapsedMs };
}

/** The steps with everything looked up and decoded that can be before the clock runs. */
function turnOf(core: Core, steps: readonly Step[]): () => boolean {
  const actions = steps.map((step) => actionOf(core, step));
  return () => {
    let isRight = true;
    for (const action of actions) isRight = action() && isRight;
    return isRight;
  };
}

/** @returns a function that does the step and says whether its result is the expected one */
function actionOf(core: Core, step: Step): () => boolean {
  if ('call' in step) {
    const { call, args, returns } = step;
    const callee = core.exports[call];
    return () => {
      const result = callee?.(...args);
      return returns === undefined || (result ?? 0) >>> 0 === returns;
    };
  }
  if ('read' in step) return () => firstFailure(core, [step]) === undefined;
  const { at, hex } = step.write;
  const bytes = bytesOf(hex);
  return () => {
    core.memory.set(bytes, at);
    return true;
  };
}
