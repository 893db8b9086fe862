/**
 * What the process counts that the DNS threads belong to: what it is, and how it gets on with its
 * Corefile.
 *
 * Spec  CoreDNS, plugin/metrics, plugin/reload, plugin/health
 */
import type { EnabledPlugin } from '../dns/chain/zone-labels.js';
import type { Corefile } from '../dns/corefile/corefile.js';
import { createSums } from '../dns/server/series.js';
import type { Family } from '../dns/server/series.js';

/** Gauges that are made anew from what is: a Corefile that is gone leaves nothing behind. */
export function corefileFamilies(
  { hash }: Pick<Corefile, 'hash'>,
  plugins: readonly EnabledPlugin[],
  version: string,
): Family[] {
  const family = (name: string, help: string): Omit<Family, 'values'> => ({
    ...{ name, help, type: 'gauge', aggregator: 'max' },
  });
  const enabled = createSums();
  for (const plugin of plugins) enabled.set({ ...plugin }, 1);
  const build = { version, revision: '', goversion: process.version };
  return [
    {
      ...family('coredns_build_info', 'What runs: always 1'),
      values: [{ value: 1, labels: build }],
    },
    {
      ...family('coredns_plugin_enabled', 'Plugins of each server block: 1'),
      values: enabled.values(),
    },
    {
      ...family('coredns_reload_version_info', 'Hash of the Corefile: 1'),
      values: [{ value: 1, labels: { hash: 'sha512', value: hash } }],
    },
  ];
}
