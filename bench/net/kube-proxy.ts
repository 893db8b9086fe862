/**
 * The kernel's side of every comparison: the nftables rules that kube-proxy's nftables mode
 * programs for ClusterIP services, chain for chain, so that a packet meets the same hooks,
 * look-ups and verdict maps as on a real node. Source: pkg/proxy/nftables of Kubernetes 1.33.
 */
import { createHash } from 'node:crypto';
import { run, runSync } from './sh.js';
import type { Netns } from './netns.js';

export interface ClusterIPService {
  readonly clusterIP: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Addresses of the endpoints; all listen on `targetPort`. */
  readonly endpoints: readonly string[];
  readonly targetPort: number;
  /** It can be reached at this port of the node, too, from everywhere (Cluster policy). */
  readonly nodePort?: number;
}

export interface KubeProxyConfig {
  /** Sources outside of it are masqueraded on the way to a ClusterIP. */
  readonly podCIDR: string;
  readonly serviceCIDR: string;
  readonly nodeAddress: string;
  readonly services: readonly ClusterIPService[];
}

const TABLE = 'kube-proxy';
/** kube-proxy's default masqueradeBit 14. */
const MARK = '0x4000';

/** Chain names end in what they are for; eight letters before tell equal ones apart. */
function hashed(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex').toUpperCase();
  return `${digest.slice(0, 8)}-${name}`;
}

function serviceName(service: ClusterIPService): string {
  return `bench/${service.clusterIP}/${service.protocol}/${service.port}`;
}

function serviceChains(service: ClusterIPService, podCIDR: string): string[] {
  const { clusterIP, protocol, targetPort, endpoints, nodePort } = service;
  const name = serviceName(service);
  const chain = `service-${hashed(name)}`;
  const targets = endpoints.map((address) => ({
    address,
    chain: `endpoint-${hashed(`${name}__${address}/${targetPort}`)}`,
  }));
  const external = `external-${hashed(name)}`;
  const exposed = [
    `add chain ip ${TABLE} ${external}`,
    `add rule ip ${TABLE} ${external} jump mark-for-masquerade`,
    `add rule ip ${TABLE} ${external} goto ${chain}`,
    `add element ip ${TABLE} service-nodeports { ${protocol} . ${nodePort} : goto ${external} }`,
  ];
  const choices = targets.map((target, i) => `${i} : goto ${target.chain}`).join(', ');
  return [
    ...targets.flatMap((target) => [
      `add chain ip ${TABLE} ${target.chain}`,
      `add rule ip ${TABLE} ${target.chain} ip saddr ${target.address} jump mark-for-masquerade`,
      `add rule ip ${TABLE} ${target.chain} meta l4proto ${protocol} dnat to ${target.address}:${targetPort}`,
    ]),
    `add chain ip ${TABLE} ${chain}`,
    `add rule ip ${TABLE} ${chain} ip daddr ${clusterIP} ip saddr != ${podCIDR} jump mark-for-masquerade`,
    `add rule ip ${TABLE} ${chain} numgen random mod ${endpoints.length} vmap { ${choices} }`,
    `add element ip ${TABLE} cluster-ips { ${clusterIP} }`,
    `add element ip ${TABLE} service-ips { ${clusterIP} . ${protocol} . ${service.port} : goto ${chain} }`,
    ...(nodePort === undefined ? [] : exposed),
  ];
}

const DESTINATION = 'ipv4_addr . inet_proto . inet_service';

/** Sets, maps, hooks and rules that are there whatever the services. */
function baseRules({ serviceCIDR, nodeAddress }: KubeProxyConfig): string[] {
  const objects = [
    'set cluster-ips { type ipv4_addr ; }',
    'set nodeport-ips { type ipv4_addr ; }',
    `map firewall-ips { type ${DESTINATION} : verdict ; }`,
    'map no-endpoint-nodeports { type inet_proto . inet_service : verdict ; }',
    `map no-endpoint-services { type ${DESTINATION} : verdict ; }`,
    `map service-ips { type ${DESTINATION} : verdict ; }`,
    'map service-nodeports { type inet_proto . inet_service : verdict ; }',
    'chain cluster-ips-check',
    'chain filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }',
    'chain filter-output-pre-dnat { type filter hook output priority -110 ; }',
    'chain filter-forward { type filter hook forward priority 0 ; }',
    'chain filter-input { type filter hook input priority 0 ; }',
    'chain filter-output { type filter hook output priority 0 ; }',
    'chain firewall-check',
    'chain mark-for-masquerade',
    'chain masquerading',
    'chain nat-output { type nat hook output priority -100 ; }',
    'chain nat-postrouting { type nat hook postrouting priority 100 ; }',
    'chain nat-prerouting { type nat hook prerouting priority -100 ; }',
    'chain nodeport-endpoints-check',
    'chain services',
    'chain service-endpoints-check',
  ];
  const rules = [
    'cluster-ips-check ip daddr @cluster-ips reject',
    `cluster-ips-check ip daddr { ${serviceCIDR} } drop`,
    'filter-prerouting-pre-dnat ct state new jump firewall-check',
    'filter-output-pre-dnat ct state new jump firewall-check',
    'filter-forward ct state new jump service-endpoints-check',
    'filter-forward ct state new jump cluster-ips-check',
    'filter-input ct state new jump nodeport-endpoints-check',
    'filter-input ct state new jump service-endpoints-check',
    'filter-output ct state new jump service-endpoints-check',
    'filter-output ct state new jump cluster-ips-check',
    'firewall-check ip daddr . meta l4proto . th dport vmap @firewall-ips',
    `mark-for-masquerade mark set mark or ${MARK}`,
    `masquerading mark and ${MARK} == 0 return`,
    `masquerading mark set mark xor ${MARK}`,
    'masquerading masquerade fully-random',
    'nat-output jump services',
    'nat-postrouting jump masquerading',
    'nat-prerouting jump services',
    'nodeport-endpoints-check ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports',
    'services ip daddr . meta l4proto . th dport vmap @service-ips',
    'services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports',
    'service-endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services',
  ];
  return [
    `add table ip ${TABLE}`,
    ...objects.map((object) => {
      const [kind = '', name = '', ...rest] = object.split(' ');
      return ['add', kind, 'ip', TABLE, name, ...rest].join(' ');
    }),
    ...rules.map((rule) => `add rule ip ${TABLE} ${rule}`),
    `add element ip ${TABLE} nodeport-ips { ${nodeAddress} }`,
  ];
}

/** One transaction for `nft -f -`. */
export function kubeProxyRules(config: KubeProxyConfig): string {
  return [
    ...baseRules(config),
    ...config.services.flatMap((service) => serviceChains(service, config.podCIDR)),
    '',
  ].join('\n');
}

/** Ten thousand services take nft its time. */
const LOAD_MS = 300_000;

/** Program the rules in a namespace: what a running kube-proxy leaves there. */
export function startKubeProxy(netns: Netns, config: KubeProxyConfig): Promise<void> {
  runSync({ netns }, ['nft', '-f', '-'], kubeProxyRules(config), LOAD_MS);
  return Promise.resolve();
}

/** Take the rules out again. */
export async function stopKubeProxy(netns: Netns): Promise<void> {
  await run({ netns }, 'nft', 'delete', 'table', 'ip', TABLE);
}
