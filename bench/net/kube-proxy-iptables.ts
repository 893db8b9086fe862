/**
 * What kube-proxy's iptables mode programs for ClusterIP services, chain for chain: a packet of a
 * new connection passes the rules of all services before its own. Source: pkg/proxy/iptables of
 * Kubernetes 1.33.
 */
import { createHash } from 'node:crypto';
import type { ClusterIPService, KubeProxyConfig } from './kube-proxy.js';
import type { Netns } from './netns.js';
import { runSync } from './sh.js';

/** kube-proxy's default masqueradeBit 14. */
const MARK = '0x4000/0x4000';
const HASH_LETTERS = 16;

function chainName(prefix: string, name: string): string {
  const digest = createHash('sha256').update(name).digest('hex').toUpperCase();
  return `${prefix}-${digest.slice(0, HASH_LETTERS)}`;
}

interface ServiceChains {
  readonly chains: readonly string[];
  readonly rules: readonly string[];
  /** The rule in KUBE-SERVICES. */
  readonly entry: string;
}

function serviceChains(service: ClusterIPService, podCIDR: string): ServiceChains {
  const { clusterIP, protocol, port, endpoints, targetPort } = service;
  const name = `bench/${clusterIP}:${port}`;
  const comment = `-m comment --comment "${name}`;
  const match = `${comment} cluster IP" -m ${protocol} -p ${protocol} -d ${clusterIP} --dport ${port}`;
  const chain = chainName('KUBE-SVC', name);
  const targets = endpoints.map((address) => ({
    address,
    chain: chainName('KUBE-SEP', `${name}/${address}:${targetPort}`),
  }));
  const choices = targets.map((target, i) => {
    const left = targets.length - i;
    const share =
      left > 1 ? ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}` : '';
    return `-A ${chain} ${comment} -> ${target.address}:${targetPort}"${share} -j ${target.chain}`;
  });
  return {
    chains: [chain, ...targets.map((target) => target.chain)],
    rules: [
      `-A ${chain} ${match} ! -s ${podCIDR} -j KUBE-MARK-MASQ`,
      ...choices,
      ...targets.flatMap((target) => [
        `-A ${target.chain} ${comment}" -s ${target.address} -j KUBE-MARK-MASQ`,
        `-A ${target.chain} ${comment}" -m ${protocol} -p ${protocol} -j DNAT --to-destination ${target.address}:${targetPort}`,
      ]),
    ],
    entry: `-A KUBE-SERVICES ${match} -j ${chain}`,
  };
}

const NEW = '-m conntrack --ctstate NEW';

const FILTER = [
  '*filter',
  ...['KUBE-EXTERNAL-SERVICES', 'KUBE-FIREWALL', 'KUBE-FORWARD', 'KUBE-NODEPORTS'].map(
    (chain) => `:${chain} - [0:0]`,
  ),
  ':KUBE-PROXY-FIREWALL - [0:0]',
  ':KUBE-SERVICES - [0:0]',
  `-A INPUT ${NEW} -j KUBE-PROXY-FIREWALL`,
  '-A INPUT -j KUBE-NODEPORTS',
  `-A INPUT ${NEW} -j KUBE-EXTERNAL-SERVICES`,
  '-A INPUT -j KUBE-FIREWALL',
  `-A FORWARD ${NEW} -j KUBE-PROXY-FIREWALL`,
  '-A FORWARD -j KUBE-FORWARD',
  `-A FORWARD ${NEW} -j KUBE-SERVICES`,
  `-A FORWARD ${NEW} -j KUBE-EXTERNAL-SERVICES`,
  `-A OUTPUT ${NEW} -j KUBE-PROXY-FIREWALL`,
  `-A OUTPUT ${NEW} -j KUBE-SERVICES`,
  '-A OUTPUT -j KUBE-FIREWALL',
  '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
  `-A KUBE-FORWARD -m mark --mark ${MARK} -j ACCEPT`,
  '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  'COMMIT',
];

/** Input of `iptables-restore`. */
export function iptablesRules({ services, podCIDR }: KubeProxyConfig): string {
  const compiled = services.map((service) => serviceChains(service, podCIDR));
  const chains = [
    'KUBE-MARK-MASQ',
    'KUBE-NODEPORTS',
    'KUBE-POSTROUTING',
    'KUBE-SERVICES',
    ...compiled.flatMap((one) => one.chains),
  ];
  return [
    ...FILTER,
    '*nat',
    ...chains.map((chain) => `:${chain} - [0:0]`),
    '-A PREROUTING -j KUBE-SERVICES',
    '-A OUTPUT -j KUBE-SERVICES',
    '-A POSTROUTING -j KUBE-POSTROUTING',
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${MARK.split('/')[0] ?? ''}`,
    `-A KUBE-POSTROUTING -m mark ! --mark ${MARK} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${MARK.split('/')[0] ?? ''}`,
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    ...compiled.map((one) => one.entry),
    ...compiled.flatMap((one) => one.rules),
    '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
    'COMMIT',
    '',
  ].join('\n');
}

/** Program the rules in a namespace. */
export function startIptables(netns: Netns, config: KubeProxyConfig): void {
  runSync({ netns }, ['iptables-legacy-restore'], iptablesRules(config));
}
