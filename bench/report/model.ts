/** A run in the order a reader wants it: what was measured, against whom, and curves. */
import { median } from '../harness.js';
import type { Point, Range, Result } from '../harness.js';
import type { Failure, Line, Skip } from './lines.js';
import { inWords, timesBetter } from './numbers.js';
import type { Run } from './run-file.js';
import { ABOUT_SWEEPS } from './words.js';

/** One rival of a subject. */
export interface Against {
  readonly name: string;
  /** In a word or two. */
  readonly label: string;
  /** In a sentence. */
  readonly against: string;
  readonly ratio: number;
  readonly spread: number;
  readonly theirs: number;
  readonly theirRange: Range;
}

/** What was measured once, and all that it was compared with. */
export interface Subject {
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly value: number;
  readonly range: Range;
  readonly samples: number;
  /** Of the values, where there is no rival. */
  readonly spread: number;
  readonly rivals: readonly Against[];
  readonly at: Point | undefined;
}

export interface CurvePoint {
  readonly x: number;
  readonly value: number;
  readonly range: Range;
}

export interface Curve {
  readonly label: string;
  readonly points: readonly CurvePoint[];
}

/** Subjects along an axis. */
export interface SweepModel {
  readonly name: string;
  readonly axis: string;
  readonly unit: string;
  readonly subjects: readonly Subject[];
  /** Ours first. */
  readonly curves: readonly Curve[];
}

/** Subjects of one layer: the first part of their names. */
export interface Layer {
  readonly name: string;
  readonly subjects: readonly Subject[];
}

export interface Model {
  readonly layers: readonly Layer[];
  readonly sweeps: readonly SweepModel[];
  readonly skipped: readonly Skip[];
  readonly failed: readonly Failure[];
}

/** What ours is called among rivals. */
export const OURS = 'Sluice';

const LAYERS: Readonly<Record<string, string>> = {
  core: 'Core: the hot paths, one by one',
  net: 'Network: packets between namespaces',
  dns: 'DNS: whole servers',
  cni: 'CNI: what a container runtime waits for',
  control: 'Control plane: from an object to a row',
};

/** What a rival is called where the suite gave it no short name: its sentence's beginning. */
function labelOf({ rival, against }: Result): string {
  return rival ?? /^[^:(,]*/.exec(against ?? '')?.[0].trim() ?? '';
}

function againstOf(result: Result): Against[] {
  const { name, against, ratio, spread, value, theirs, theirRange } = result;
  if (against === null || ratio === null) return [];
  const median = theirs ?? value / ratio;
  const range: Range = theirRange ?? [median, median];
  const label = labelOf(result);
  return [{ name, label, against, ratio, spread, theirs: median, theirRange: range }];
}

/** One subject from its results, which say ours more than once: the first one counts. */
function subjectOf(name: string, results: readonly [Result, ...Result[]]): Subject {
  const [{ unit, better, value, range, samples, spread, at }] = results;
  const rivals = results.flatMap(againstOf);
  return { name, unit, better, value, range, samples, spread, rivals, at };
}

function subjectsOf(results: readonly Result[]): Subject[] {
  const groups = new Map<string, [Result, ...Result[]]>();
  for (const result of results) {
    const key = result.subject ?? result.name;
    const group = groups.get(key);
    if (group) group.push(result);
    else groups.set(key, [result]);
  }
  return [...groups].map(([name, group]) => subjectOf(name, group));
}

function curvesOf(subjects: readonly Subject[]): Curve[] {
  const curves = new Map<string, CurvePoint[]>();
  const add = (label: string, point: CurvePoint): void => {
    curves.set(label, [...(curves.get(label) ?? []), point]);
  };
  for (const { at, value, range, rivals } of subjects) {
    if (!at) continue;
    add(OURS, { x: at.x, value, range });
    for (const { label, theirs, theirRange } of rivals) {
      add(label, { x: at.x, value: theirs, range: theirRange });
    }
  }
  return [...curves].map(([label, points]) => ({ label, points }));
}

/** Sweeps in the order of a reader's interest; others after them. */
const SWEEP_ORDER = Object.keys(ABOUT_SWEEPS);

function sweepRank(name: string): number {
  const rank = SWEEP_ORDER.indexOf(name);
  return rank < 0 ? SWEEP_ORDER.length : rank;
}

function sweepsOf(subjects: readonly Subject[]): SweepModel[] {
  const sweeps = new Map<string, Subject[]>();
  for (const subject of subjects) {
    if (!subject.at) continue;
    const name = subject.name.slice(0, subject.name.lastIndexOf('/'));
    sweeps.set(name, [...(sweeps.get(name) ?? []), subject]);
  }
  const inOrder = [...sweeps].sort(([a], [b]) => sweepRank(a) - sweepRank(b));
  return inOrder.map(([name, places]) => ({
    name,
    axis: places[0]?.at?.axis ?? '',
    unit: places[0]?.unit ?? '',
    subjects: places,
    curves: curvesOf(places),
  }));
}

function layersOf(subjects: readonly Subject[]): Layer[] {
  const layers = new Map<string, Subject[]>();
  for (const subject of subjects) {
    if (subject.at) continue;
    const name = subject.name.split('/')[0] ?? '';
    layers.set(name, [...(layers.get(name) ?? []), subject]);
  }
  return [...layers].map(([name, list]) => ({ name: LAYERS[name] ?? name, subjects: list }));
}

export function modelOf({ lines }: Run): Model {
  const isResult = (line: Line): line is Result => 'value' in line;
  const subjects = subjectsOf(lines.filter(isResult));
  return {
    layers: layersOf(subjects),
    sweeps: sweepsOf(subjects),
    skipped: lines.filter((line): line is Skip => 'skipped' in line),
    failed: lines.filter((line): line is Failure => 'failed' in line),
  };
}

/** One sentence for each rival that several hot paths of the core were compared with. */
export function headlinesOf({ layers }: Model): string[] {
  const ratios = new Map<string, number[]>();
  const core = layers.find(({ name }) => name === LAYERS['core']);
  for (const { better, rivals } of core?.subjects ?? []) {
    for (const { label, ratio } of rivals) {
      ratios.set(label, [...(ratios.get(label) ?? []), timesBetter(ratio, better)]);
    }
  }
  return [...ratios].flatMap(([label, times]) => {
    if (times.length < 3) return [];
    const say = (n: number): string =>
      inWords(n, 0, 'higher').replace(/more|less/, (word) =>
        word === 'more' ? 'faster' : 'slower',
      );
    const [worst, best] = [Math.min(...times), Math.max(...times)];
    return [
      `Against ${label}, in ${times.length} hot paths: ${say(median(times))} in the middle, ${say(worst)} at worst, ${say(best)} at best.`,
    ];
  });
}

/** What a reader has to know of a run before believing it; empty: nothing. */
export function doubtsOf({ head, machine }: Run): string[] {
  const doubts: string[] = [];
  if (head.load > 0.5) {
    doubts.push(
      `The machine was busy when the run began (load average ${head.load}): ratios move by tens of percent.`,
    );
  }
  if (head.quick) doubts.push('A quick run: short samples, for a look and not for a claim.');
  if (machine.commit.endsWith('-dirty')) doubts.push('The tree had changes that are in no commit.');
  return doubts;
}
