/**
 * What a Corefile sets for the whole server, in whichever block it stands, and what a block sets for
 * the places that it is served at.
 */
import { failAt } from '../corefile/complaint.js';
import type { Corefile, Directive, ServerBlock } from '../corefile/corefile.js';
import { readHealth } from '../plugins/health.js';
import type { HealthOptions } from '../plugins/health.js';
import { readPrometheus } from '../plugins/prometheus.js';
import type { PrometheusOptions } from '../plugins/prometheus.js';
import { readReady } from '../plugins/ready.js';
import type { ReadyOptions } from '../plugins/ready.js';
import { readReload } from '../plugins/reload.js';
import type { ReloadOptions } from '../plugins/reload.js';
import { readRoot } from '../plugins/root.js';
import { readTimeouts } from '../plugins/timeouts.js';
import type { StreamTimeouts } from '../plugins/timeouts.js';
import { readTls } from '../plugins/tls.js';
import type { TlsFiles } from '../plugins/tls.js';
import { WITHOUT_EFFECT } from '../plugins/without-effect.js';

export interface Settings {
  readonly health: readonly HealthOptions[];
  readonly ready: readonly ReadyOptions[];
  readonly prometheus: readonly PrometheusOptions[];
  readonly reload: ReloadOptions | undefined;
}

/** What a server block sets besides its plugins. */
export interface BlockSettings {
  /** Where relative file names start from. */
  readonly folder: string;
  readonly tls: TlsFiles | undefined;
  readonly timeouts: StreamTimeouts | undefined;
}

/** Directives that a server block has once. */
const ONCE: ReadonlySet<string> = new Set(['root', 'tls', 'timeouts', ...WITHOUT_EFFECT.keys()]);

/**
 * @param folder  of the Corefile
 * @throws DataplaneError ERR_CONFIG
 */
export function readBlockSettings({ directives }: ServerBlock, folder: string): BlockSettings {
  const found = new Map<string, Directive>();
  for (const directive of directives) {
    const { name } = directive;
    if (!ONCE.has(name.text)) continue;
    if (found.has(name.text)) failAt(name, `${name.text}: expected once in a server block`);
    found.set(name.text, directive);
    WITHOUT_EFFECT.get(name.text)?.(directive);
  }
  const [root, tls, timeouts] = ['root', 'tls', 'timeouts'].map((name) => found.get(name));
  const ownFolder = root === undefined ? folder : readRoot(root, folder);
  return {
    folder: ownFolder,
    tls: tls && readTls(tls, ownFolder),
    timeouts: timeouts && readTimeouts(timeouts),
  };
}

/** @throws DataplaneError ERR_CONFIG */
export function readSettings({ blocks }: Corefile): Settings {
  const all = (name: string): Directive[] =>
    blocks.flatMap(({ directives }) => directives.filter((each) => each.name.text === name));
  return {
    health: all('health').map(readHealth),
    ready: all('ready').map(readReady),
    prometheus: all('prometheus').map(readPrometheus),
    reload: all('reload').map(readReload)[0],
  };
}
