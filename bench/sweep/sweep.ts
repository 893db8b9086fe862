/** What all sweeps share: places on an axis, names for them, and a comparison at each place. */
import { freemem } from 'node:os';
import {
  compareAll,
  comparison,
  measureBatch,
  type Context,
  type Point,
  type Result,
  type Sampler,
  type Suite,
} from '../harness.js';
import { missingModule } from '../core/world.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { shortNumber } from '../report/numbers.js';
import { openScope } from '../scope.js';
import { missingCompiler } from '../twin.js';

/** Memory that is left to everybody else. */
const SPARE_BYTES = 1 << 30;

/** One curve and its places. */
export interface Sweep {
  /** "sweep/flows" */
  readonly name: string;
  /** What grows. */
  readonly axis: string;
  readonly unit: string;
  /** Places of a full run; a quick one takes those that are in `quick`. */
  readonly places: readonly number[];
  readonly quick: readonly number[];
  /** Rivals: the end of the name, what it is called, and what it is. */
  readonly rivals: Readonly<Record<string, Rival>>;
}

export interface Rival {
  readonly label: string;
  readonly against: string;
}

/** The usual rival. */
export const IN_C: Rival = { label: 'C', against: 'the same in C, gcc -O3' };

/** Every name that the results of a sweep can have. */
function sweepNames(sweep: Sweep): readonly [string, ...string[]] {
  const places = new Set([...sweep.quick, ...sweep.places]);
  const names = [...places].flatMap((place) =>
    Object.keys(sweep.rivals).map((rival) => `${sweep.name}/${shortNumber(place)}/${rival}`),
  );
  return [sweep.name, ...names];
}

type Measure = (context: Context, place: number) => Promise<readonly Result[]>;

/** Measure at one place after the other; what one needs is gone before the next begins. */
async function forEachPlace(context: Context, sweep: Sweep, measure: Measure): Promise<Result[]> {
  const results: Result[] = [];
  for (const place of context.quick ? sweep.quick : sweep.places) {
    context.note(`${shortNumber(place)} ${sweep.axis}`);
    const scope = openScope((message) => {
      context.note(message);
    });
    try {
      results.push(...(await measure({ ...context, scope }, place)));
    } finally {
      scope.close();
    }
  }
  return results;
}

/** Why a sweep with a twin in C cannot run here. */
async function missingTwin(): Promise<string | undefined> {
  return missingModule() ?? (await missingCompiler());
}

/**
 * A sweep as a suite, on a processor of its own.
 *
 * @param before   what there is to say before the first place
 * @param missing  of a sweep that needs no twin
 */
export function sweepSuite(
  sweep: Sweep,
  measure: Measure,
  {
    before,
    missing = missingTwin,
  }: {
    readonly before?: (context: Context) => void;
    readonly missing?: () => Promise<string | undefined>;
  } = {},
): Suite {
  return {
    names: sweepNames(sweep),
    missing,
    run: (context) => {
      pinSelf(context.scope, SUBJECT_CPU);
      before?.(context);
      return forEachPlace(context, sweep, measure);
    },
  };
}

/** What is compared at one place: nanoseconds each. */
export interface Samplers {
  readonly ours: Sampler<'ns'>;
  /** By the names of the sweep's rivals; one may be left out where it cannot keep up. */
  readonly rivals: Readonly<Record<string, Sampler<'ns'> | undefined>>;
}

/** One sample of a loop that runs in this process. */
export function timedBatch(context: Context, batch: () => void, ops: number): Sampler<'ns'> {
  return () => Promise.resolve({ ns: measureBatch(batch, ops, context.quick) });
}

/** Compare at one place, all variants in turn. @param bytes  of tables, for the axis */
export async function measureAt(
  context: Context,
  sweep: Sweep,
  place: { readonly x: number; readonly bytes?: number },
  { ours, rivals }: Samplers,
): Promise<Result[]> {
  const here = Object.entries(rivals).flatMap(([name, sampler]) =>
    sampler ? [[name, sampler] as const] : [],
  );
  const pairs = await compareAll(ours, new Map(here), context.samples);
  const at: Point = { axis: sweep.axis, ...place };
  const subject = `${sweep.name}/${shortNumber(place.x)}`;
  return [...pairs].map(([name, pair]) => {
    const rival = sweep.rivals[name];
    if (!rival) throw new Error(`${sweep.name} has no rival "${name}"`);
    const label = { name: `${subject}/${name}`, unit: sweep.unit, better: 'lower' as const };
    return comparison({ ...label, subject, rival: rival.label, at }, pair, 'ns', rival.against);
  });
}

/**
 * Whether a place has to be left out for want of memory; then that is said.
 *
 * @param name  of the results that will be missing
 */
export function lacksMemory(context: Context, name: string, bytes: number): boolean {
  const free = freemem();
  if (free >= bytes + SPARE_BYTES) return false;
  const gib = (n: number): string => (n / 2 ** 30).toFixed(1);
  context.skip(name, `needs ${gib(bytes + SPARE_BYTES)} GiB of free memory, has ${gib(free)}`);
  return true;
}
