/** The command line of a run. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';

/** Fewer pairs have no meaningful median. */
export const SAMPLES_MIN = 5;
const REPORT_DIR = fileURLToPath(new URL('../build/bench/report', import.meta.url));

export interface Options {
  /** Parts of the names of the suites to run; none: all of them. */
  readonly filters: readonly string[];
  readonly json: boolean;
  readonly quick: boolean;
  readonly samples: number;
  /** Judge the results by their bars and by the baseline. */
  readonly check: boolean;
  readonly save: boolean;
  /** Directory for a report of this run. */
  readonly report: string | undefined;
  /** A run that was kept, of which a report is to be made without running anything. */
  readonly reportFrom: string | undefined;
}

function sampleCount(text: string): number {
  const samples = Number(text);
  if (Number.isInteger(samples) && samples >= SAMPLES_MIN) return samples;
  throw new InvalidArgumentError(`expected a whole number from ${SAMPLES_MIN} on`);
}

/**
 * @param args  without the interpreter and the script
 * @throws      CommanderError naming what is wrong with them
 */
export function readOptions(args: readonly string[]): Options {
  const command = new Command('bench')
    .description('Measure, print a line a result, and make a report of it.')
    .argument('[FILTER...]', 'run the suites that have a result with one of these in its name')
    .option('--json', 'JSON lines on standard output, progress on standard error', false)
    .option('--quick', 'shorter samples: for a look, not for a claim', false)
    .option('--samples <N>', `pairs to take, at least ${SAMPLES_MIN}`, sampleCount, SAMPLES_MIN)
    .option('--check', 'fail when a ratio misses its bar or is worse than baseline.json', false)
    .option('--save', "make this run's ratios the baseline", false)
    .option('--report [DIR]', 'write index.html, summary.md and run.jsonl (build/bench/report)')
    .option('--report-from <FILE>', 'make the report of an earlier run: its run.jsonl, or --json')
    .exitOverride()
    .showHelpAfterError('--help shows all options')
    .parse(args, { from: 'user' });
  const given = command.opts<{
    json: boolean;
    quick: boolean;
    samples: number;
    check: boolean;
    save: boolean;
    report?: string | true;
    reportFrom?: string;
  }>();
  const { json, quick, samples, check, save, report, reportFrom } = given;
  const isReported = report !== undefined || reportFrom !== undefined;
  const dir = typeof report === 'string' ? path.resolve(report) : REPORT_DIR;
  return {
    ...{ filters: command.args, json, quick, samples, check, save, reportFrom },
    report: isReported ? dir : undefined,
  };
}
