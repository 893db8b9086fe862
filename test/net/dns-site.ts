/** A site whose agent answers the cluster's DNS, and how it is asked. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Namespace } from '../support/netns.js';
import { eventually } from './attached/site.js';
import type { Site } from './attached/site.js';

export const VIP = { ipv4: '10.96.0.10', ipv6: 'fd00:10:96::a' };
export const KUBERNETES = '10.96.0.1';

export function service(
  namespace: string,
  name: string,
  clusterIPs: string[],
  ports: object[],
): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name } },
    spec: { clusterIP: clusterIPs[0], clusterIPs, ports },
  };
}

const DNS_PORTS = [
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'dns-tcp', port: 53, protocol: 'TCP' },
];
export const OBJECTS = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
  service('kube-system', 'kube-dns', [VIP.ipv4, VIP.ipv6], DNS_PORTS),
  service('default', 'kubernetes', [KUBERNETES], [{ name: 'https', port: 443 }]),
];

export function write(site: Site, name: string, objects: readonly object[]): void {
  const text = objects.map((object) => stringify(object)).join('---\n');
  writeFileSync(join(site.folder, 'cluster', name), text);
}

export async function dig(from: Namespace, ...words: string[]): Promise<string> {
  const { stdout } = await from.runAsync(['dig', '+short', '+tries=2', '+time=2', ...words]);
  return stdout.trim();
}

/** What a question comes to, once it does. @returns the last answer */
export async function until(ask: () => Promise<string>, wanted: string): Promise<string> {
  let last = '';
  await eventually(async () => {
    last = await ask();
    return last === wanted ? undefined : last;
  });
  return last;
}

interface StatusShape {
  readonly counters: { readonly lane: Readonly<Record<string, number>> };
}

export async function counter(site: Site, name: string): Promise<number> {
  const { stdout } = await site.sluice('status', '--json');
  return (JSON.parse(stdout) as StatusShape).counters.lane[name] ?? 0;
}

export const KEYS = {
  keys: { serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'], dns: {} },
  tools: ['dig'],
};
