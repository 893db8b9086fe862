/**
 * How far a run is, and how long it will go on. The first run on a machine takes what is left to be
 * like what is done; it notes what each suite took, and the next one knows better.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

const Durations = z.record(z.string(), z.number());

/** Seconds that suites took here before. */
export type Durations = z.infer<typeof Durations>;

/** @returns what was noted; nothing where there is no such file, or another's */
export function readDurations(file: string): Durations {
  try {
    return Durations.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {}; // an estimate is no reason to fail: the first run has none either
  }
}

/** @returns why they could not be noted; undefined when they were */
export function writeDurations(file: string, durations: Durations): string | undefined {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(durations, undefined, 1)}\n`);
    return undefined;
  } catch (error) {
    // The tree may be somebody else's: the next estimate is a worse one, and that is all.
    return `durations are not noted: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Seconds that the suites still to come will take.
 *
 * @param known  what suites took before
 * @param spent  seconds of the suites that this run has done, by name
 * @returns      undefined when there is nothing to tell it by
 */
export function secondsLeft(
  left: readonly string[],
  known: Durations,
  spent: Durations,
): number | undefined {
  const done = Object.entries(spent).filter(([, seconds]) => seconds > 0);
  const total = done.reduce((sum, [, seconds]) => sum + seconds, 0);
  const before = done.reduce((sum, [name, seconds]) => sum + (known[name] ?? seconds), 0);
  // A machine that is busier than last time is so for the rest, too.
  const pace = before > 0 ? total / before : 1;
  const mean = done.length > 0 ? total / done.length : undefined;
  let seconds = 0;
  for (const name of left) {
    const one = known[name] === undefined ? mean : known[name] * pace;
    if (one === undefined) return undefined;
    seconds += one;
  }
  return seconds;
}

/** "40 s", "3 min". */
export function inWords(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** One line for standard error, printed before a suite runs. */
export function progressLine(
  name: string,
  place: { readonly index: number; readonly total: number },
  left: number | undefined,
): string {
  const estimate = left === undefined ? '' : `, about ${inWords(left)} left`;
  return `[${place.index + 1} of ${place.total}${estimate}] ${name}`;
}
