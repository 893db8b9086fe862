/** What the suites that need the built product ask for. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/package-root.js';

/** A lane's worker thread starts from compiled code only. */
const LANE_CLIENT = 'build/host/src/core/lane-client.js';
const BUILT = [LANE_CLIENT, 'build/native/sluice.node', 'build/core/core.wasm'];

/** Why the data plane cannot start here, or undefined. */
export function missingNative(): string | undefined {
  const absent = BUILT.filter((file) => !existsSync(`${packageRoot()}/${file}`));
  return absent.length > 0 ? `not built: ${absent.join(', ')} (npm run build)` : undefined;
}

/** The host's compiled lane client; its types are those of the source. */
export async function importLaneClient(): Promise<typeof import('../../src/core/lane-client.js')> {
  return (await import(
    pathToFileURL(`${packageRoot()}/${LANE_CLIENT}`).href
  )) as typeof import('../../src/core/lane-client.js');
}
