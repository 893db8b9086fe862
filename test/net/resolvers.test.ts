/** Stub resolvers of real C libraries in pods, through the search lists that a kubelet writes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { packageFile } from '../../src/package-root.js';
import type { Command, Namespace } from '../support/netns.js';
import { OUTSIDE, eventually, siteTest } from './attached/site.js';
import type { Site } from './attached/site.js';

const VIP = '10.96.0.10';
const KUBERNETES = '10.96.0.1';
const KUBERNETES6 = 'fd00:10:96::1';
const UPSTREAM_PORT = 5354;
const CLI = packageFile('build/host/src/cli.js');

function service(namespace: string, name: string, clusterIPs: string[], ports: object[]): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name } },
    spec: { clusterIP: clusterIPs[0], clusterIPs, ports },
  };
}

const OBJECTS = [
  service(
    'kube-system',
    'kube-dns',
    [VIP],
    [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
  ),
  service('default', 'kubernetes', [KUBERNETES, KUBERNETES6], [{ name: 'https', port: 443 }]),
];

const COREFILE = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . ${OUTSIDE.ipv4}:${UPSTREAM_PORT}
    cache 30
}
`;
const UPSTREAM = `example.com:${UPSTREAM_PORT} {
    hosts {
        198.51.100.8 _sip._tcp.abc_d.example.com
    }
    template ANY ANY {
        match long|kubernetes
        rcode NXDOMAIN
        fallthrough
    }
}
.:${UPSTREAM_PORT} {
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`;
/** What getaddrinfo finds, an address a line; else its error. */
const PROGRAM = `#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
  int failed = getaddrinfo(argv[1], NULL, &hints, &found);
  if (failed) return puts(gai_strerror(failed)), 1;
  for (; found; found = found->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void *at = found->ai_family == AF_INET
      ? (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr
      : (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
    puts(inet_ntop(found->ai_family, at, text, sizeof text));
  }
  return 0;
}
`;

/** resolv.conf as a kubelet writes it for pods of namespace default. */
const CLUSTER_FIRST = `nameserver ${VIP}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
`;

/** Run a command where /etc/resolv.conf is another. @returns lines, sorted, each once */
async function resolve(ns: Namespace, file: string, command: Command): Promise<string[]> {
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const { stdout } = await ns.runAsync([
    'unshare',
    '--mount',
    'sh',
    '-c',
    script,
    file,
    ...command,
  ]);
  return [...new Set(stdout.split('\n').map((line) => line.split(' ')[0] ?? ''))]
    .filter(Boolean)
    .sort();
}

function write(site: Site, name: string, text: string): string {
  const file = join(site.folder, name);
  writeFileSync(file, text);
  return file;
}

async function begin(site: Site) {
  write(site, 'cluster/dns.yaml', OBJECTS.map((object) => stringify(object)).join('---\n'));
  const conf = write(site, 'upstream.corefile', UPSTREAM);
  const upstream = site.outside.start([process.execPath, CLI, 'dns', '--conf', conf]);
  await upstream.waitFor(/\(tcp\)/);
  const { ns } = await site.add();
  await eventually(async () => {
    const command = ['dig', '+short', `@${VIP}`, 'kubernetes.default.svc.cluster.local'] as const;
    const { stdout } = await ns.runAsync(command);
    return stdout.trim() === KUBERNETES ? undefined : stdout;
  });
  return { ns, upstream };
}

const OPTIONS = {
  keys: { serviceCIDRs: ['10.96.0.0/16'], dns: { corefile: 'Corefile' } },
  files: { Corefile: COREFILE },
  tools: ['dig', 'unshare', 'getent'],
};
const BOTH = [KUBERNETES, KUBERNETES6].sort();

siteTest(
  'resolvers: glibc finds names through the search list, over UDP and TCP [dns 59]',
  async (t, site) => {
    const { ns, upstream } = await begin(site);
    const plain = write(site, 'resolv.conf', CLUSTER_FIRST);
    const byTcp = write(
      site,
      'resolv-tcp.conf',
      CLUSTER_FIRST.replace('ndots:5', 'ndots:5 use-vc'),
    );
    for (const file of [plain, byTcp]) {
      for (const name of ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc']) {
        t.deepEqual(await resolve(ns, file, ['getent', 'ahosts', name]), BOTH, name);
      }
      t.deepEqual(await resolve(ns, file, ['getent', 'ahosts', 'nosuch.default']), []);
    }
    await upstream.stop();
  },
  OPTIONS,
);

siteTest(
  'resolvers: musl finds them as well [dns 59]',
  async (t, site) => {
    const { ns, upstream } = await begin(site);
    const source = write(site, 'lookup.c', PROGRAM);
    const program = join(site.folder, 'lookup');
    site.node.run(['musl-gcc', '-static', '-o', program, source]);
    const file = write(site, 'resolv.conf', CLUSTER_FIRST);
    for (const name of ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc']) {
      t.deepEqual(await resolve(ns, file, [program, name]), BOTH, name);
    }
    const missing = await resolve(ns, file, [program, 'nosuch.default']);
    t.deepEqual(missing, ['Name'], 'Name does not resolve');
    await upstream.stop();
  },
  { ...OPTIONS, tools: [...OPTIONS.tools, 'musl-gcc'] },
);

siteTest(
  'resolvers: long search lists, a search for the root, names with underscores, a host network [dns 62]',
  async (t, site) => {
    const { ns, upstream } = await begin(site);
    const sip = '_sip._tcp.abc_d.example.com';
    const long = Array.from({ length: 6 }, (_, i) => `${'long'.repeat(10)}${i}.example.com`);
    const search = ['.', sip, ...long, 'default.svc.cluster.local', 'svc.cluster.local'].join(' ');
    const many = write(
      site,
      'resolv-many.conf',
      `nameserver ${VIP}\nsearch ${search}\noptions ndots:5\n`,
    );
    t.true(search.length > 256);
    t.deepEqual(await resolve(ns, many, ['getent', 'ahosts', 'kubernetes']), BOTH);
    t.deepEqual(await resolve(ns, many, ['getent', 'ahostsv4', sip]), ['198.51.100.8']);
    const host = write(site, 'resolv.conf', CLUSTER_FIRST);
    t.deepEqual(await resolve(site.node, host, ['getent', 'ahosts', 'kubernetes']), BOTH);
    t.deepEqual(await resolve(site.node, host, ['getent', 'ahostsv4', sip]), ['198.51.100.8']);
    await upstream.stop();
  },
  OPTIONS,
);
