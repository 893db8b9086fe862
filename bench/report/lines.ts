/** Printing: JSON lines for programs, a table for people. */
import type { Range, Result } from '../harness.js';
import type { Machine } from '../machine.js';

/** A suite that could not run, and why. */
export interface Skip {
  readonly name: string;
  readonly skipped: true;
  readonly reason: string;
}

/** A suite that broke. */
export interface Failure {
  readonly name: string;
  readonly failed: true;
  readonly reason: string;
}

export type Line = Result | Skip | Failure;

/** How a run was made: what it takes to make it again. */
export interface RunHead {
  /** When it began: ISO 8601, UTC. */
  readonly date: string;
  /** As it would be typed. */
  readonly command: string;
  readonly quick: boolean;
  readonly samples: number;
  /** Load average of the last minute before it began. */
  readonly load: number;
}

export interface Reporter {
  machine(machine: Machine, run: RunHead): void;
  line(line: Line): void;
}

/** Significant digits that survive: more would be noise. */
const DIGITS = 5;

function round(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/** The keys in the order they are read in. */
export function rounded(result: Result): Result {
  const { name, unit, better, against, samples, subject, rival, theirs, theirRange, at } = result;
  return {
    ...{ name, value: round(result.value), unit, better, against },
    ratio: result.ratio === null ? null : round(result.ratio),
    ...{ samples, spread: round(result.spread), range: roundRange(result.range) },
    ...(subject === undefined ? {} : { subject }),
    ...(rival === undefined ? {} : { rival }),
    ...(theirs === undefined ? {} : { theirs: round(theirs) }),
    ...(theirRange === undefined ? {} : { theirRange: roundRange(theirRange) }),
    ...(at === undefined ? {} : { at }),
  };
}

function roundRange([first, third]: Range): Range {
  return [round(first), round(third)];
}

/** One line as it is printed and kept. */
export function lineText(line: Line): string {
  return JSON.stringify('value' in line ? rounded(line) : line);
}

/** One JSON object a line, on standard output. */
export const jsonReporter: Reporter = {
  machine: (machine, run) => console.log(JSON.stringify({ machine, run })),
  line: (line) => console.log(lineText(line)),
};

const WIDTHS = { name: 32, value: 20, ratio: 10, spread: 9, samples: 4 };

function row(cells: Record<keyof typeof WIDTHS, string>, last: string): string {
  return [
    cells.name.padEnd(WIDTHS.name),
    cells.value.padStart(WIDTHS.value),
    cells.ratio.padStart(WIDTHS.ratio),
    cells.spread.padStart(WIDTHS.spread),
    cells.samples.padStart(WIDTHS.samples),
    ` ${last}`,
  ].join(' ');
}

function describe(result: Result): string {
  const arrow = result.better === 'higher' ? '↑' : '↓';
  return row(
    {
      name: result.name,
      value: `${round(result.value)} ${result.unit}`,
      ratio: result.ratio === null ? '' : `${result.ratio.toFixed(3)} ${arrow}`,
      spread: `${(result.spread * 100).toFixed(0)} %`,
      samples: String(result.samples),
    },
    result.against ?? '',
  );
}

/** A table that grows line by line. */
export const tableReporter: Reporter = {
  machine: (m) => {
    console.log(`${m.cpu}, ${m.cores} cores (governor ${m.governor}), Linux ${m.kernel}`);
    console.log(`Node ${m.node}, asc ${m.asc}, commit ${m.commit}\n`);
    const head = { name: 'name', value: 'median', ratio: 'ratio', spread: 'spread', samples: 'n' };
    console.log(row(head, 'against (↑ more is better, ↓ less is better)'));
  },
  line: (line) => {
    if ('value' in line) console.log(describe(line));
    else if ('skipped' in line) console.log(`${line.name}: skipped: ${line.reason}`);
    else console.log(`${line.name}: FAILED: ${line.reason}`);
  },
};
