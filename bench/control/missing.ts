/** What the control plane's suites need. */
import { existsSync } from 'node:fs';
import { packageFile } from '../../src/package-root.js';

/** Why there is no core, or undefined. */
export function missingCore(): Promise<string | undefined> {
  const isThere = existsSync(packageFile('build/core/core.wasm'));
  return Promise.resolve(isThere ? undefined : 'not built: build/core/core.wasm (npm run build)');
}
