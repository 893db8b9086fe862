/** Parts of a pass: each fails by itself, and is done again only when its inputs have changed. */
import { messageOf } from '../errors.js';

/** One pass under way. */
export interface Pass {
  readonly isFull: boolean;
  readonly problems: string[];
}

/** @returns undefined when it failed, which is then among the problems */
export function attempt<T>({ problems }: Pass, what: string, step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    problems.push(`${what}: ${messageOf(error)}`);
    return undefined;
  }
}

/** Part of a pass. */
export interface Step {
  /**
   * @param inputs  all that the work depends on; compared by identity
   * @returns       what went wrong; undefined: it is done, now or at an earlier pass
   */
  run(pass: Pass, inputs: readonly unknown[], work: () => void): string | undefined;
}

/** @param what  in the words of a problem */
export function createStep(what: string): Step {
  let done: readonly unknown[] | undefined;
  return {
    run: (pass, inputs, work) => {
      const isDone = done?.every((input, i) => input === inputs[i]) ?? false;
      if (isDone && !pass.isFull) return undefined;
      done = undefined;
      const before = pass.problems.length;
      attempt(pass, what, work);
      if (pass.problems.length === before) done = inputs;
      return pass.problems[before];
    },
  };
}
