/** The report of a run as files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { htmlReport } from './html.js';
import { markdownReport } from './markdown.js';
import { runText, type Run } from './run-file.js';

/**
 * Write `index.html`, `summary.md` and `run.jsonl` into a directory, made if it is not there.
 *
 * @returns a sentence that says where
 */
export function writeReport(dir: string, run: Run): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, 'index.html'), htmlReport(run));
  writeFileSync(path.join(dir, 'summary.md'), markdownReport(run));
  writeFileSync(path.join(dir, 'run.jsonl'), runText(run));
  return `report: ${path.join(dir, 'index.html')}, and summary.md and run.jsonl beside it`;
}
