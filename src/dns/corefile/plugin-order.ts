/**
 * In which order the plugins of a server block see a query. The order in the file does not matter,
 * but among the directives of one plugin.
 *
 * Spec  CoreDNS 1.14.7, plugin.cfg: since 1.14 `rewrite`, `autopath` and `acl` come before `cache`,
 *       so that what is cached is what everybody may have
 */
import type { Directive } from './corefile.js';

export const PLUGIN_ORDER = [
  'root',
  'metadata',
  'geoip',
  'cancel',
  'tls',
  'proxyproto',
  'quic',
  'grpc_server',
  'https',
  'https3',
  'timeouts',
  'multisocket',
  'reload',
  'nsid',
  'bufsize',
  'bind',
  'debug',
  'trace',
  'ready',
  'health',
  'pprof',
  'shed',
  'prometheus',
  'errors',
  'log',
  'dnstap',
  'local',
  'dns64',
  'any',
  'chaos',
  'loadbalance',
  'tsig',
  'rewrite',
  'autopath',
  'acl',
  'cache',
  'header',
  'dnssec',
  'minimal',
  'template',
  'transfer',
  'hosts',
  'route53',
  'azure',
  'clouddns',
  'k8s_external',
  'kubernetes',
  'file',
  'auto',
  'secondary',
  'etcd',
  'loop',
  'forward',
  'grpc',
  'erratic',
  'whoami',
  'on',
  'sign',
  'view',
  'nomad',
] as const;

/** Plugins that a server block may name once; the others add to what they said before. */
export const ONCE_ONLY: ReadonlySet<string> = new Set([
  'kubernetes',
  'cache',
  'errors',
  'prometheus',
  'dnssec',
  'hosts',
  'reload',
  'grpc',
]);

const RANK: ReadonlyMap<string, number> = new Map(PLUGIN_ORDER.map((name, rank) => [name, rank]));

/** Directives as the chain wants them; those of one plugin stay in file order. */
export function inPluginOrder(directives: readonly Directive[]): Directive[] {
  const rank = ({ name }: Directive): number => RANK.get(name.text) ?? PLUGIN_ORDER.length;
  return directives.toSorted((a, b) => rank(a) - rank(b));
}
