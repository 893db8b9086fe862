/** A folder for a report is found good or bad before anything is measured. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { prepareReport } from '../../bench/report/write.js';

test('bench: a folder for a report is made, and left empty', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-report-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  prepareReport(join(folder, 'a/b'));
  t.deepEqual(readdirSync(join(folder, 'a/b')), []);
});

test('bench: a folder where nothing can be written is named at once', (t) => {
  for (const folder of ['/proc/x/y', '/dev/null/x', '/proc']) {
    const error = t.throws(() => {
      prepareReport(folder);
    });
    t.regex(error.message, new RegExp(`^no report can be written into ${folder} \\(`), folder);
  }
});
