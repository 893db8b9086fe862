/** Claims that are tried one by one; a claim that fails does not stop the next. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/errors.js';

/** As `--json` prints it. */
export interface Outcome {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** @param claim what holds when `prove` returns; its detail, or Error with the reason */
export type Check = (claim: string, prove: () => string | Promise<string>) => Promise<boolean>;

/** No proof takes longer. */
const PROOF_MS = 45_000;
const POLL_MS = 40;

async function withinTime<T>(work: T | Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(PROOF_MS, undefined, { signal: over.signal, ref: false }).then((): never => {
    throw new Error(`not over after ${PROOF_MS / 1000} s`);
  });
  // Of the two promises the one that loses is nobody's any more.
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

export interface Checks {
  readonly check: Check;
  readonly outcomes: readonly Outcome[];
}

export function createChecks(report: (outcome: Outcome) => void): Checks {
  const outcomes: Outcome[] = [];
  const settle = (outcome: Outcome): boolean => {
    outcomes.push(outcome);
    report(outcome);
    return outcome.ok;
  };
  return {
    outcomes,
    check: async (claim, prove) => {
      try {
        return settle({ check: claim, ok: true, detail: await withinTime(prove()) });
      } catch (error) {
        return settle({ check: claim, ok: false, detail: messageOf(error) });
      }
    },
  };
}

/** @throws Error with `problem` unless `holds` */
export function expect(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}

/** Ask until there is an answer. @throws Error with `problem` when the time is over */
export async function eventually<T>(
  ms: number,
  problem: string,
  ask: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  for (const until = performance.now() + ms; performance.now() < until;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(POLL_MS);
  }
  throw new Error(`${problem} within ${ms / 1000} s`);
}
