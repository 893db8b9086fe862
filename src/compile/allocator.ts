/**
 * Indices and ranges of the tables that rows point into.
 *
 * What is given back is only retired: it can be taken again after `reclaim`, that is after the
 * deltas that stop using it have been handed over.
 */

/** Single indices of SERVICES and BACKENDS. */
export interface IndexAllocator {
  /** @returns undefined when all are taken */
  take(): number | undefined;
  retire(idx: number): void;
  reclaim(): void;
  used(): number;
}

export function createIndexAllocator(capacity: number): IndexAllocator {
  const free: number[] = [];
  let retired: number[] = [];
  let next = 0;
  return {
    take: () => free.pop() ?? (next < capacity ? next++ : undefined),
    retire: (idx) => {
      retired.push(idx);
    },
    reclaim: () => {
      free.push(...retired);
      retired = [];
    },
    used: () => next - free.length,
  };
}

export interface Range {
  readonly first: number;
  readonly count: number;
}

/** Runs of entries of SETS and MAGLEV. */
export interface RangeAllocator {
  /** First fit. @returns undefined when no run is long enough */
  take(count: number): Range | undefined;
  /** Give back a range nobody has been told of: at once free. */
  giveBack(range: Range): void;
  retire(range: Range): void;
  reclaim(): void;
  used(): number;
}

export function createRangeAllocator(capacity: number): RangeAllocator {
  /** Free runs by position, never touching one another. */
  const free: Range[] = capacity > 0 ? [{ first: 0, count: capacity }] : [];
  let retired: Range[] = [];

  const giveBack = ({ first, count }: Range): void => {
    const found = free.findIndex((run) => run.first > first);
    const at = found < 0 ? free.length : found;
    const before = free[at - 1];
    const after = free[at];
    const joinsBefore = before !== undefined && before.first + before.count === first;
    const joinsAfter = after !== undefined && first + count === after.first;
    const start = joinsBefore ? before.first : first;
    const end = joinsAfter ? after.first + after.count : first + count;
    const from = joinsBefore ? at - 1 : at;
    free.splice(from, Number(joinsBefore) + Number(joinsAfter), {
      first: start,
      count: end - start,
    });
  };

  return {
    take: (count) => {
      const at = free.findIndex((run) => run.count >= count);
      const run = free[at];
      if (run === undefined) return undefined;
      const rest = { first: run.first + count, count: run.count - count };
      free.splice(at, 1, ...(rest.count > 0 ? [rest] : []));
      return { first: run.first, count };
    },
    giveBack,
    retire: (range) => {
      retired.push(range);
    },
    reclaim: () => {
      retired.forEach(giveBack);
      retired = [];
    },
    used: () => capacity - free.reduce((sum, run) => sum + run.count, 0),
  };
}
