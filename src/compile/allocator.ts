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

/** Runs of entries of SETS, MAGLEV and RANGES. */
export interface RangeAllocator {
  /** The shortest run that is long enough. @returns undefined when none is */
  take(count: number): Range | undefined;
  /** Give back a range nobody has been told of: at once free. */
  giveBack(range: Range): void;
  retire(range: Range): void;
  reclaim(): void;
  used(): number;
}

/**
 * Free runs, segregated by their length: most are as long as another, because sets of a size have
 * Maglev tables of a size. Whatever the number of runs, one is found, left and joined by look-ups;
 * only a length that is new or gone moves the list of lengths.
 */
function createFreeRuns() {
  /** First entries of the runs of a length. */
  const byCount = new Map<number, Set<number>>();
  /** Lengths there are, ascending. */
  const counts: number[] = [];
  const countAt = new Map<number, number>();
  const firstByEnd = new Map<number, number>();

  /** Place in `counts` of the first that is not below. */
  const placeOf = (count: number): number => {
    let low = 0;
    for (let high = counts.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((counts[middle] ?? Infinity) < count) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const add = ({ first, count }: Range): void => {
    if (count === 0) return;
    const firsts = byCount.get(count);
    if (firsts) firsts.add(first);
    else {
      byCount.set(count, new Set([first]));
      counts.splice(placeOf(count), 0, count);
    }
    countAt.set(first, count);
    firstByEnd.set(first + count, first);
  };

  const drop = ({ first, count }: Range): void => {
    const firsts = byCount.get(count);
    firsts?.delete(first);
    if (firsts?.size === 0) {
      byCount.delete(count);
      counts.splice(placeOf(count), 1);
    }
    countAt.delete(first);
    firstByEnd.delete(first + count);
  };

  return {
    drop,
    /** Put a run among the free ones, joined with what it touches. */
    join: ({ first, count }: Range): void => {
      const before = firstByEnd.get(first);
      const after = countAt.get(first + count);
      if (before !== undefined) drop({ first: before, count: first - before });
      if (after !== undefined) drop({ first: first + count, count: after });
      const start = before ?? first;
      add({ first: start, count: first + count + (after ?? 0) - start });
    },
    /** A shortest run of at least `count`. */
    find: (count: number): Range | undefined => {
      const found = counts[placeOf(count)];
      const [first] = found === undefined ? [] : (byCount.get(found) ?? []);
      return found === undefined || first === undefined ? undefined : { first, count: found };
    },
  };
}

export function createRangeAllocator(capacity: number): RangeAllocator {
  const free = createFreeRuns();
  let retired: Range[] = [];
  let used = capacity;

  const giveBack = (range: Range): void => {
    free.join(range);
    used -= range.count;
  };
  giveBack({ first: 0, count: capacity });

  return {
    take: (count) => {
      const run = free.find(count);
      if (run === undefined) return undefined;
      free.drop(run);
      used += run.count;
      if (run.count > count) giveBack({ first: run.first + count, count: run.count - count });
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
    used: () => used,
  };
}
