/** Printing: JSON lines for programs, a table for people. */
import type { Result } from './harness.js';
import type { Machine } from './machine.js';

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

export interface Reporter {
  machine(machine: Machine): void;
  line(line: Line): void;
}

/** Significant digits that survive: more would be noise. */
const DIGITS = 5;

function round(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/** The keys in the order they are read in. */
function rounded(result: Result): Result {
  const { name, unit, better, against, samples } = result;
  const value = round(result.value);
  const ratio = result.ratio === null ? null : round(result.ratio);
  return { name, value, unit, better, against, ratio, samples, spread: round(result.spread) };
}

/** One JSON object a line, on standard output. */
export const jsonReporter: Reporter = {
  machine: (machine) => console.log(JSON.stringify({ machine })),
  line: (line) => {
    const printed = 'value' in line ? rounded(line) : line;
    console.log(JSON.stringify(printed));
  },
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
