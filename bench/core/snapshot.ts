/** Linear memory in a file, for a C twin that asks the very same tables (bench/native/tables.h). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Core } from '../../src/core/core.js';
import type { Scope } from '../scope.js';

/** @returns the file; it goes with the scope */
export function writeSnapshot(scope: Scope, core: Core): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  scope.defer(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const file = path.join(dir, 'memory');
  writeFileSync(file, core.view);
  return file;
}
