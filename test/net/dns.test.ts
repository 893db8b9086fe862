/** The cluster's DNS as pods, the node and clients outside see it, with real resolvers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from '../support/netns.js';
import { packageFile } from '../../src/package-root.js';
import { NODE, OUTSIDE, siteTest } from './attached/site.js';
import type { Site } from './attached/site.js';
import { KEYS, KUBERNETES, OBJECTS, VIP, counter, dig, service, until, write } from './dns-site.js';

const CLI = packageFile('build/host/src/cli.js');
const UPSTREAM_PORT = 5354;

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
    let missing = '';
    const outcome = async (): Promise<string> => {
      missing = (await pod.ns.runAsync(['dig', `@${VIP.ipv4}`, `nosuch.${name}`])).stdout;
      return /status: (\w+)/.exec(missing)?.[1] ?? '';
    };
    // Nothing is denied before the cluster is known completely.
    t.is(await until(outcome, 'NXDOMAIN'), 'NXDOMAIN');
    t.regex(missing, /SOA\s+ns\.dns\.cluster\.local/);
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

const behind = (others: string, address: string): string => `${others}
.:53 {
    hosts {
        ${address} www.example.org
        fallthrough
    }
    kubernetes cluster.local
    reload 2s 1s
}
`;

siteTest(
  'dns: another Corefile with another listener in front is answered in frames as before',
  async (t, site) => {
    write(site, 'dns.yaml', OBJECTS);
    const pod = await site.add();
    const at = `@${VIP.ipv4}`;
    const name = 'kubernetes.default.svc.cluster.local';
    t.is(await until(() => dig(pod.ns, at, name), KUBERNETES), KUBERNETES);
    t.is(await dig(pod.ns, at, 'www.example.org'), '198.51.100.1');
    const other = 'cluster.local:5355 {\n    template ANY ANY {\n    rcode REFUSED\n    }\n}\n';
    writeFileSync(join(site.folder, 'Corefile'), behind(other, '198.51.100.2'));
    const renewed = await until(() => dig(pod.ns, at, 'www.example.org'), '198.51.100.2');
    t.is(renewed, '198.51.100.2');
    const before = await counter(site, 'DNS_ANSWERED');
    for (let i = 0; i < 3; i++) t.is(await dig(pod.ns, at, name), KUBERNETES);
    t.is((await counter(site, 'DNS_ANSWERED')) - before, 3, 'each in its frame');
  },
  {
    ...KEYS,
    files: { Corefile: behind('', '198.51.100.1') },
    keys: { ...KEYS.keys, dns: { corefile: 'Corefile' } },
  },
);

siteTest(
  'dns: while the agent is dead a server of its own on the node answers at the same address',
  async (t, site) => {
    write(site, 'dns.yaml', OBJECTS);
    const pod = await site.add();
    const name = 'kubernetes.default.svc.cluster.local';
    const conf = join(site.folder, 'beside.corefile');
    writeFileSync(conf, `.:53 {\n    kubernetes cluster.local\n}\n`);
    for (const vip of Object.values(VIP)) {
      site.node.run(['ip', 'addr', 'add', vip, 'dev', 'lo']);
    }
    const objects = ['--files', join(site.folder, 'cluster')];
    const bind = ['--bind', ...Object.values(VIP)];
    const beside = site.node.start([
      process.execPath,
      ...[CLI, 'dns', '--conf', conf, '--log-level', 'info'],
      ...objects,
      ...bind,
    ]);
    await beside.waitFor(/\(tcp\)/);
    const asked = (): Promise<string>[] => [
      ...Object.values(VIP).map((vip) => dig(pod.ns, `@${vip}`, name)),
      dig(pod.ns, `@${VIP.ipv4}`, '+tcp', name),
      dig(site.node, `@${VIP.ipv4}`, name),
    ];
    for (const vip of Object.values(VIP)) {
      t.is(await until(() => dig(pod.ns, `@${vip}`, name), KUBERNETES), KUBERNETES);
    }
    const before = await counter(site, 'DNS_ANSWERED');
    t.deepEqual(await Promise.all(asked()), Array(4).fill(KUBERNETES));
    t.is((await counter(site, 'DNS_ANSWERED')) - before, 3, 'the agent answers while it lives');
    await site.stopAgent('SIGKILL');
    // The first query meets rows and a heartbeat of the dead one.
    t.is(await until(() => dig(pod.ns, `@${VIP.ipv4}`, name), KUBERNETES), KUBERNETES);
    t.deepEqual(await Promise.all(asked()), Array(4).fill(KUBERNETES));
    await site.startAgent();
    const again = await counter(site, 'DNS_ANSWERED');
    t.is(await until(() => dig(pod.ns, `@${VIP.ipv4}`, name), KUBERNETES), KUBERNETES);
    t.true((await counter(site, 'DNS_ANSWERED')) > again, 'and when it is back');
    await beside.stop();
  },
  KEYS,
);
