/**
 * Who knows which names: the Corefile of the nodes, the objects behind it, what pods find in /etc,
 * and the DNS of the world.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFile } from '../../src/package-root.js';
import type { Site } from './site.js';
import type { Host } from './topology.js';

export const CLUSTER_DOMAIN = 'cluster.local';
/** Of the Service kube-system/kube-dns: what pods have in resolv.conf. */
export const DNS_VIP = { ipv4: '10.96.0.2', ipv6: 'fd00:96::2' };
/** Nobody's but the world's. */
export const WORLD_NAME = 'www.example.org';

const DNS_SYSTEM = 'kube-system';
const STARTED = /\(tcp\)/;

/** kubeadm's, with an upstream of the demo's and without `health`, whose port is a pod's here. */
export function nodeCorefile(upstreams: readonly string[]): string {
  return `.:53 {
    errors
    ready
    kubernetes ${CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . ${upstreams.join(' ')} {
        max_concurrent 1000
    }
    cache 30 {
        disable success ${CLUSTER_DOMAIN}
        disable denial ${CLUSTER_DOMAIN}
    }
    loop
    reload
    loadbalance
}
`;
}

/** Namespaces, and the Service that the agents answer as. */
export function namingObjects(namespaces: readonly string[]): object[] {
  const clusterIPs = [DNS_VIP.ipv4, DNS_VIP.ipv6];
  return [
    ...[...namespaces, DNS_SYSTEM].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    })),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: DNS_SYSTEM },
      spec: {
        clusterIP: clusterIPs[0],
        clusterIPs,
        ipFamilies: ['IPv4', 'IPv6'],
        ports: [
          { name: 'dns', protocol: 'UDP', port: 53 },
          { name: 'dns-tcp', protocol: 'TCP', port: 53 },
        ],
      },
    },
  ];
}

/** What kubelet writes for a pod with dnsPolicy ClusterFirst, and files of a plain image. */
const POD_FILES = (namespace: string): Readonly<Record<string, string>> => ({
  'resolv.conf':
    `search ${namespace}.svc.${CLUSTER_DOMAIN} svc.${CLUSTER_DOMAIN} ${CLUSTER_DOMAIN}\n` +
    `nameserver ${DNS_VIP.ipv4}\noptions ndots:5\n`,
  hosts: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
});

/** @returns folder of what every pod of a namespace has in /etc */
export function writePodFiles(site: Site, namespace: string): string {
  const folder = join(site.folder, 'pod-etc');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(POD_FILES(namespace))) {
    // A file is mounted over another one; who has no nsswitch.conf does what ours says.
    if (existsSync(join('/etc', name))) writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** The DNS of everything that is not the cluster's, far away. */
export interface WorldDns {
  /**
   * What it was asked so far: type, class and name, `A IN www.example.org.`; in small letters, since
   * whoever forwards mixes them against forgery.
   */
  queries(): string[];
}

/** `hosts` knows one name; whatever else does not exist. */
function worldCorefile({ ipv4, ipv6 }: Host): string {
  return `example.org:53 {
    log
    hosts {
        ${ipv4} ${WORLD_NAME}
        ${ipv6} ${WORLD_NAME}
    }
}
.:53 {
    log
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`;
}

/** `sluice dns` by itself, without a cluster. @param internet  where it runs, and what it names */
export async function startWorldDns(site: Site, internet: Host): Promise<WorldDns> {
  const corefile = join(site.folder, 'world.corefile');
  writeFileSync(corefile, worldCorefile(internet));
  const cli = packageFile('build/host/src/cli.js');
  const server = internet.ns.start([process.execPath, cli, 'dns', '--conf', corefile]);
  site.watch(server.pid);
  await server.waitFor(STARTED);
  return {
    queries: () =>
      [...server.output().matchAll(/\\"([A-Z0-9]+ IN) (\S+) (?:udp|tcp) /g)].map(
        ([, type = '', name = '']) => `${type} ${name.toLowerCase()}`,
      ),
  };
}
