/**
 * A run as it is kept: the JSON lines that `--json` prints, the first of which says what was
 * measured on and how. Everything a report shows is in here.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Machine } from '../machine.js';
import { lineText, type Line, type RunHead } from './lines.js';

/** Everything about one run. */
export interface Run {
  readonly machine: Machine;
  readonly head: RunHead;
  readonly lines: readonly Line[];
}

const MachineShape = z.object({
  cpu: z.string(),
  cores: z.number(),
  governor: z.string(),
  kernel: z.string(),
  node: z.string(),
  asc: z.string(),
  gcc: z.string(),
  commit: z.string(),
  memoryGib: z.number(),
  caches: z.array(z.object({ level: z.string(), bytes: z.number() })),
});

const HeadShape = z.object({
  machine: MachineShape,
  run: z.object({
    date: z.string(),
    command: z.string(),
    quick: z.boolean(),
    samples: z.number(),
    load: z.number(),
  }),
});

const RangeShape = z.tuple([z.number(), z.number()]).readonly();

const ResultShape = z.object({
  name: z.string(),
  value: z.number(),
  unit: z.string(),
  better: z.enum(['higher', 'lower']),
  against: z.string().nullable(),
  ratio: z.number().nullable(),
  samples: z.number(),
  spread: z.number(),
  range: RangeShape,
  subject: z.string().exactOptional(),
  rival: z.string().exactOptional(),
  theirs: z.number().exactOptional(),
  theirRange: RangeShape.exactOptional(),
  at: z
    .object({ axis: z.string(), x: z.number().positive(), bytes: z.number().exactOptional() })
    .exactOptional(),
});

const LineShape = z.union([
  ResultShape,
  z.object({ name: z.string(), skipped: z.literal(true), reason: z.string() }),
  z.object({ name: z.string(), failed: z.literal(true), reason: z.string() }),
]);

/** The run as text, one JSON object a line. */
export function runText({ machine, head, lines }: Run): string {
  return [JSON.stringify({ machine, run: head }), ...lines.map(lineText), ''].join('\n');
}

/** @throws Error naming the line that is not one of a run */
export function parseRun(text: string): Run {
  const [first, ...rest] = text.split('\n').filter((line) => line.trim() !== '');
  if (first === undefined) throw new Error('a run has one line at least');
  const { machine, run } = read(HeadShape, first, 1);
  return { machine, head: run, lines: rest.map((line, i) => read(LineShape, line, i + 2)) };
}

function read<T>(shape: z.ZodType<T>, text: string, number: number): T {
  try {
    return shape.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`line ${number} is not one of a run: ${text.slice(0, 80)}`, { cause: error });
  }
}

/** @throws Error when the file is not there, or is something else */
export function readRun(file: string): Run {
  return parseRun(readFileSync(file, 'utf8'));
}
