/** The report of a run as files. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../../src/disk.js';
import { htmlReport } from './html.js';
import { markdownReport } from './markdown.js';
import { runText, type Run } from './run-file.js';

const PROBE = '.writable';

/**
 * Find out whether a report can be written into a directory, made if it is not there: before an hour
 * of measuring, not after.
 *
 * @throws Error with one sentence
 */
export function prepareReport(dir: string): void {
  const probe = path.join(dir, PROBE);
  try {
    makeFolder(dir);
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `no report can be written into ${dir} (${why}): say another folder by --report`,
    );
  }
}

/**
 * Write `index.html`, `summary.md` and `run.jsonl` into a directory, made if it is not there.
 *
 * @returns a sentence that says where
 */
export function writeReport(dir: string, run: Run): string {
  prepareReport(dir);
  writeFileSync(path.join(dir, 'index.html'), htmlReport(run));
  writeFileSync(path.join(dir, 'summary.md'), markdownReport(run));
  writeFileSync(path.join(dir, 'run.jsonl'), runText(run));
  return `report: ${path.join(dir, 'index.html')}, and summary.md and run.jsonl beside it`;
}
