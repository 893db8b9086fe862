/** The cluster's DNS as pods, the node and clients outside see it, with real resolvers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { Namespace, Running } from '../support/netns.js';
import { packageFile } from '../../src/package-root.js';
import { NODE, OUTSIDE, eventually, siteTest } from './attached/site.js';
import type { Site } from './attached/site.js';

const CLI = packageFile('build/host/src/cli.js');
const VIP = { ipv4: '10.96.0.10', ipv6: 'fd00:10:96::a' };
const KUBERNETES = '10.96.0.1';
const UPSTREAM_PORT = 5354;

function service(namespace: string, name: string, clusterIPs: string[], ports: object[]): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name } },
    spec: { clusterIP: clusterIPs[0], clusterIPs, ports },
  };
}

const DNS_PORTS = [
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'dns-tcp', port: 53, protocol: 'TCP' },
];
const OBJECTS = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
  service('kube-system', 'kube-dns', [VIP.ipv4, VIP.ipv6], DNS_PORTS),
  service('default', 'kubernetes', [KUBERNETES], [{ name: 'https', port: 443 }]),
];

function write(site: Site, name: string, objects: readonly object[]): void {
  const text = objects.map((object) => stringify(object)).join('---\n');
  writeFileSync(join(site.folder, 'cluster', name), text);
}

/** Somebody outside who knows names that the cluster does not. */
async function startUpstream(site: Site): Promise<Running> {
  const conf = join(site.folder, 'upstream.corefile');
  writeFileSync(
    conf,
    `example.org:${UPSTREAM_PORT} {
    hosts {
        198.51.100.7 www.example.org
    }
}
`,
  );
  const upstream = site.outside.start([process.execPath, CLI, 'dns', '--conf', conf]);
  await upstream.waitFor(/\(tcp\)/);
  return upstream;
}

const COREFILE = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . ${OUTSIDE.ipv4}:${UPSTREAM_PORT}
    cache 30
    reload 2s 1s
    loadbalance
}
`;

async function dig(from: Namespace, ...words: string[]): Promise<string> {
  const { stdout } = await from.runAsync(['dig', '+short', '+tries=2', '+time=2', ...words]);
  return stdout.trim();
}

/** What a question comes to, once it does. @returns the last answer */
async function until(ask: () => Promise<string>, wanted: string): Promise<string> {
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

async function counter(site: Site, name: string): Promise<number> {
  const { stdout } = await site.sluice('status', '--json');
  return (JSON.parse(stdout) as StatusShape).counters.lane[name] ?? 0;
}

const KEYS = {
  keys: { serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'], dns: {} },
  tools: ['dig'],
};

siteTest(
  'dns: pods, the node and clients outside are answered in their frames, over both families',
  async (t, site) => {
    write(site, 'dns.yaml', OBJECTS);
    const pod = await site.add();
    const name = 'kubernetes.default.svc.cluster.local';
    t.is(await until(() => dig(pod.ns, `@${VIP.ipv4}`, name), KUBERNETES), KUBERNETES);
    const before = await counter(site, 'DNS_ANSWERED');
    t.is(await dig(pod.ns, `@${VIP.ipv4}`, name), KUBERNETES);
    t.is(await dig(pod.ns, `@${VIP.ipv6}`, name), KUBERNETES);
    t.is(await dig(site.node, `@${VIP.ipv4}`, name), KUBERNETES);
    site.outside.run(['ip', 'route', 'add', '10.96.0.0/16', 'via', NODE.ipv4]);
    t.is(await dig(site.outside, `@${VIP.ipv4}`, name), KUBERNETES);
    t.is((await counter(site, 'DNS_ANSWERED')) - before, 4, 'each in its frame');
    t.is(await dig(pod.ns, `@${VIP.ipv4}`, '-x', KUBERNETES), `${name}.`);
    const missing = await pod.ns.runAsync(['dig', `@${VIP.ipv4}`, `nosuch.${name}`]);
    t.regex(missing.stdout, /status: NXDOMAIN/);
    t.regex(missing.stdout, /SOA\s+ns\.dns\.cluster\.local/);
  },
  KEYS,
);

siteTest(
  'dns: TCP and what is not of the cluster go to the server, and pods come with their own address',
  async (t, site) => {
    write(site, 'dns.yaml', OBJECTS);
    const upstream = await startUpstream(site);
    const pod = await site.add();
    for (const family of ['ipv4', 'ipv6'] as const) {
      const at = `@${VIP[family]}`;
      t.is(await until(() => dig(pod.ns, at, 'www.example.org'), '198.51.100.7'), '198.51.100.7');
      t.is(await dig(pod.ns, at, '+tcp', 'kubernetes.default.svc.cluster.local'), KUBERNETES);
      t.is(await dig(pod.ns, at, '+tcp', 'www.example.org'), '198.51.100.7');
    }
    t.is(await dig(site.node, `@${VIP.ipv4}`, '+tcp', 'www.example.org'), '198.51.100.7');
    await upstream.stop();
  },
  { ...KEYS, files: { Corefile: COREFILE }, keys: { ...KEYS.keys, dns: { corefile: 'Corefile' } } },
);

siteTest(
  'dns: an agent that is killed has its names again before the cluster is heard of',
  async (t, site) => {
    write(site, 'dns.yaml', OBJECTS);
    const pod = await site.add();
    const name = 'kubernetes.default.svc.cluster.local';
    t.is(await until(() => dig(pod.ns, `@${VIP.ipv4}`, name), KUBERNETES), KUBERNETES);
    await site.stopAgent('SIGKILL');
    await delay(100);
    await site.startAgent();
    t.is(await dig(pod.ns, `@${VIP.ipv4}`, name), KUBERNETES);
    write(site, 'more.yaml', [service('default', 'web', ['10.96.7.7'], [{ port: 80 }])]);
    t.is(
      await until(() => dig(pod.ns, `@${VIP.ipv4}`, 'web.default.svc.cluster.local'), '10.96.7.7'),
      '10.96.7.7',
    );
  },
  KEYS,
);
