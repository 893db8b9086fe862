/**
 * Properties with their seed in the log of the test, so that any run can be repeated:
 * `FC_SEED=123 npx ava ...`.
 */
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';

export function checkProperty<T>(
  t: ExecutionContext,
  arbitrary: fc.Arbitrary<T>,
  numRuns: number,
  holds: (value: T) => void,
): void {
  const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff);
  t.log(`seed ${seed}`);
  fc.assert(fc.property(arbitrary, holds), { seed, numRuns });
  t.pass();
}
