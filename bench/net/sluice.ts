/** What the suites that need the built product ask for. */
import { existsSync } from 'node:fs';
import { packageRoot } from '../../src/package-root.js';

const BUILT = ['build/native/sluice.node', 'build/core/core.wasm'];

/** Why the data plane cannot start here, or undefined. */
export function missingNative(): string | undefined {
  const absent = BUILT.filter((file) => !existsSync(`${packageRoot()}/${file}`));
  return absent.length > 0 ? `not built: ${absent.join(', ')} (npm run build)` : undefined;
}
