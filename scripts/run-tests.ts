/**
 * Run ava and say plainly what came of it: failures as they happen, passed tests by area, every
 * skipped test with its reason, and a last line that a script can read.
 *
 * Ended by SIGTERM or SIGINT, it still reports what it knows, as a failure.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CASE_PAGES, type CaseList, createTapSummary, readCases } from './tap-summary.js';

const AVA = fileURLToPath(new URL('../node_modules/ava/entrypoints/cli.mjs', import.meta.url));
const ROOT = new URL('../', import.meta.url);
/** Signs of life for those who watch a log. */
const PROGRESS_EVERY = 250;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The cases of every page. */
function readLists(): CaseList[] {
  return CASE_PAGES.map((page) => readCases(page, readFileSync(new URL(page.page, ROOT), 'utf8')));
}

/** @returns the exit code */
async function runTests(args: readonly string[]): Promise<number> {
  const ava = spawn(process.execPath, [AVA, '--tap', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Some files by name are no claim to all cases.
  const isWhole = args.every((arg) => arg.startsWith('-'));
  const summary = createTapSummary(isWhole ? readLists() : []);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      summary.fail(`the run was ended by ${signal}`);
      ava.kill(signal);
    });
  }
  const ended = new Promise<number>((resolve, reject) => {
    ava.once('error', reject);
    ava.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  let reported = 0;
  for await (const line of createInterface({ input: ava.stdout })) {
    for (const text of summary.read(line)) print(text);
    if (summary.count() < reported + PROGRESS_EVERY) continue;
    reported = summary.count();
    print(`  ${String(reported)} tests so far`);
  }
  const code = await ended;
  for (const text of summary.finish(code)) print(text);
  return summary.failed() === 0 ? 0 : 1;
}

process.exitCode = await runTests(process.argv.slice(2));
