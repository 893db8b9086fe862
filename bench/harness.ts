/**
 * What a suite is, and how two variants are compared: sample by sample in turn, ratio pair by
 * pair, then the median. README.md says what the numbers mean.
 */
import Benchmark from 'benchmark';
import type { Scope } from './scope.js';

export type Better = 'higher' | 'lower';

/** One line of output. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly better: Better;
  /** What the ratio is taken against; null when the number stands alone. */
  readonly against: string | null;
  /** Median over the pairs of ours / theirs. */
  readonly ratio: number | null;
  readonly samples: number;
  /** Interquartile range / median of the pairs' ratios; of the values when there is no rival. */
  readonly spread: number;
  /** First and third quartile of our values. */
  readonly range: Range;
  /** What was measured, where several results say it against different rivals; else the name. */
  readonly subject?: string;
  /** Who `against` is, in a word or two. */
  readonly rival?: string;
  /** The rival's median and quartiles. */
  readonly theirs?: number;
  readonly theirRange?: Range;
  /** Where on the axis of a sweep this was measured. */
  readonly at?: Point;
}

/** First and third quartile. */
export type Range = readonly [number, number];

/** One place on the axis of a sweep. */
export interface Point {
  /** What grows: "flows", "services". */
  readonly axis: string;
  readonly x: number;
  /** Bytes of tables that a look-up may touch at this place; what the caches are compared with. */
  readonly bytes?: number;
}

/** What the runner hands to a suite. */
export interface Context {
  /** Pairs to take, at least five. */
  readonly samples: number;
  /** Shorter samples: for a look, not for a claim. */
  readonly quick: boolean;
  /** Whatever is made is registered here and removed whatever happens. */
  readonly scope: Scope;
  /** Progress, to standard error. */
  note(message: string): void;
  /** One of the suite's results cannot be had here. */
  skip(name: string, reason: string): void;
}

export interface Suite {
  /** Every name its results may carry; the first is the suite's own. */
  readonly names: readonly [string, ...string[]];
  /** Why the suite cannot run here, or undefined when it can. */
  missing(): Promise<string | undefined>;
  run(context: Context): Promise<readonly Result[]>;
}

/** One sample of one variant: several numbers may come out of one run. */
export type Sample<K extends string> = Readonly<Record<K, number>>;
export type Sampler<K extends string> = () => Promise<Sample<K>>;

/** Samples of both variants, in the order they were taken: ours[i] directly before theirs[i]. */
export interface Pairs<K extends string> {
  readonly ours: readonly Sample<K>[];
  readonly theirs: readonly Sample<K>[];
}

/** What a result is called and which way is good. */
export interface Label {
  readonly name: string;
  readonly unit: string;
  readonly better: Better;
  readonly subject?: string;
  readonly rival?: string;
  readonly at?: Point;
}

/** @throws RangeError on an empty list */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError('median of no samples');
  return (upper + lower) / 2;
}

/** Linear interpolation between the two nearest ranks. @param sorted ascending */
function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const lower = sorted[Math.floor(place)] ?? NaN;
  const upper = sorted[Math.ceil(place)] ?? NaN;
  return lower + (upper - lower) * (place % 1);
}

function quartiles(values: readonly number[]): Range {
  const sorted = [...values].sort((a, b) => a - b);
  return [quantile(sorted, 0.25), quantile(sorted, 0.75)];
}

/** Relative width of the middle half: what one disturbed sample cannot widen. */
export function spread(values: readonly number[]): number {
  const [first, third] = quartiles(values);
  return (third - first) / median(values);
}

/**
 * Take samples A B A B ...
 *
 * @param warmUp  take one uncounted sample of each first
 */
export async function comparePairs<K extends string>(
  samplers: { ours: Sampler<K>; theirs: Sampler<K> },
  count: number,
  warmUp = true,
): Promise<Pairs<K>> {
  if (warmUp) {
    await samplers.ours();
    await samplers.theirs();
  }
  const ours: Sample<K>[] = [];
  const theirs: Sample<K>[] = [];
  for (let i = 0; i < count; i++) {
    ours.push(await samplers.ours());
    theirs.push(await samplers.theirs());
  }
  return { ours, theirs };
}

/**
 * Take samples A B C A B C ...: one of ours stands beside one of each rival.
 *
 * @param rivals  by name
 * @returns       pairs by name of the rival, in the same order
 */
export async function compareAll<K extends string>(
  ours: Sampler<K>,
  rivals: ReadonlyMap<string, Sampler<K>>,
  count: number,
): Promise<Map<string, Pairs<K>>> {
  const mine: Sample<K>[] = [];
  const others = new Map([...rivals.keys()].map((name) => [name, [] as Sample<K>[]]));
  // The first round warms up and does not count.
  for (let round = -1; round < count; round++) {
    const sample = await ours();
    if (round >= 0) mine.push(sample);
    for (const [name, sampler] of rivals) {
      const other = await sampler();
      if (round >= 0) others.get(name)?.push(other);
    }
  }
  return new Map([...others].map(([name, theirs]) => [name, { ours: mine, theirs }]));
}

/** The result for one of the numbers of a comparison. */
export function comparison<K extends string>(
  label: Label,
  pairs: Pairs<K>,
  key: K,
  against: string,
): Result {
  const ours = pairs.ours.map((sample) => sample[key]);
  const theirs = pairs.theirs.map((sample) => sample[key]);
  const ratios = theirs.map((value, i) => (ours[i] ?? NaN) / value);
  return {
    ...label,
    value: median(ours),
    against,
    ratio: median(ratios),
    samples: ratios.length,
    spread: spread(ratios),
    range: quartiles(ours),
    theirs: median(theirs),
    theirRange: quartiles(theirs),
  };
}

/** A number that is only reported. */
export function alone(label: Label, values: readonly number[]): Result {
  return {
    ...label,
    value: median(values),
    against: null,
    ratio: null,
    samples: values.length,
    spread: spread(values),
    range: quartiles(values),
  };
}

/** Seconds benchmark.js spends on one sample. */
const SAMPLE_SEC = 0.25;
const QUICK_SAMPLE_SEC = 0.03;
/** Shortest of benchmark.js's own cycles. */
const CYCLE_SEC = 0.02;

/**
 * One sample by benchmark.js. A batch that takes as long as one of its cycles is one: it is timed
 * as it is, because benchmark.js would want several of them.
 *
 * @param batch  runs `opsPerBatch` operations: at least a thousand where one is shorter than a
 *               microsecond, so that the call into WebAssembly does not count
 * @returns      nanoseconds per operation, median of the cycles
 */
export function measureBatch(batch: () => void, opsPerBatch: number, quick: boolean): number {
  const once = secondsOf(batch);
  if (once >= CYCLE_SEC) {
    const rest = quick ? [] : [secondsOf(batch), secondsOf(batch)];
    return (median([once, ...rest]) * 1e9) / opsPerBatch;
  }
  const bench = new Benchmark('batch', batch, {
    maxTime: quick ? QUICK_SAMPLE_SEC : SAMPLE_SEC,
    minTime: CYCLE_SEC,
    minSamples: 3,
  });
  bench.run({ async: false });
  const failure: unknown = bench.error;
  if (failure) throw new Error('benchmark.js: batch failed', { cause: failure });
  return (median(bench.stats.sample) * 1e9) / opsPerBatch;
}

function secondsOf(batch: () => void): number {
  const begin = process.hrtime.bigint();
  batch();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}
