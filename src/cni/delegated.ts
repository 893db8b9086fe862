/**
 * Addresses that another plugin gives: which one, and how to call it again when nobody sends its
 * configuration any more.
 */
import { formatAddress } from '../addr.js';
import type { StoredAttachment } from './attachment-store.js';
import type { DelegateCall } from './delegate.js';
import type { CniRequest, RequestVerb } from './request.js';
import { bareAddress } from './result.js';
import type { CniResult, ResultIp } from './result.js';
import { readVersion } from './version.js';

/**
 * Ask the plugin that `ipam.type` names.
 *
 * @param verb  not always the request's own
 * @returns     what an ADD gave
 * @throws      CniError
 */
export type AskDelegate = (
  type: string,
  verb: RequestVerb,
  call: DelegateCall,
  signal?: AbortSignal,
) => Promise<CniResult | undefined>;

/** An external plugin's name; undefined: the agent gives addresses itself. */
export function delegateOf({ conf }: CniRequest): string | undefined {
  const { type } = conf.ipam;
  return type === '' || type === conf.type || type === `${conf.type}-ipam` ? undefined : type;
}

/** What a record keeps of a request, so that its addresses can be given back without one. */
export function delegateRecord(request: CniRequest): StoredAttachment['delegate'] {
  const type = delegateOf(request);
  if (type === undefined) return undefined;
  const { cniVersion, name, type: plugin, ipam } = request.conf;
  return {
    type,
    path: request.path.join(':'),
    args: request.env.get('CNI_ARGS') ?? '',
    conf: { cniVersion, name, type: plugin, ipam: ipam.raw },
  };
}

/** Gateways by address: a pod never sees those of an address plugin, which has its own idea of the link. */
export type Gateways = Readonly<Record<string, string>>;

export function gatewaysOf(ips: readonly ResultIp[]): Gateways {
  const said = ips.flatMap((ip): [string, string][] =>
    ip.gateway === undefined ? [] : [[formatAddress(bareAddress(ip)), ip.gateway]],
  );
  return Object.fromEntries(said);
}

/** What a record keeps of them; nothing when there are none. */
export function keptGateways(
  { delegate }: StoredAttachment,
  gateways: Gateways,
): Pick<StoredAttachment, 'delegate'> {
  if (delegate === undefined || Object.keys(gateways).length === 0) return {};
  return { delegate: { ...delegate, gateways } };
}

interface CheckInput {
  readonly prevResult?: { readonly ips?: readonly ResultIp[] };
}

/**
 * A CHECK as the address plugin expects it: with the gateways it has said where the runtime, which
 * knows our result alone, has ours. The plugin `static` compares them.
 */
export function asDelegateSaid(
  request: CniRequest,
  { gateways }: NonNullable<StoredAttachment['delegate']>,
): DelegateCall {
  if (gateways === undefined) return request;
  const input = JSON.parse(request.stdin) as CheckInput;
  const ips = input.prevResult?.ips?.map((ip) => {
    const gateway = gateways[formatAddress(bareAddress(ip))];
    return gateway === undefined ? ip : { ...ip, gateway };
  });
  const prevResult = { ...input.prevResult, ips };
  return { ...request, stdin: JSON.stringify({ ...input, prevResult }) };
}

/** The call of a record's plugin, and who that is; undefined: the agent has given its addresses. */
export function recordedCall(
  attachment: StoredAttachment,
): { readonly type: string; readonly call: DelegateCall } | undefined {
  const { delegate, containerId, ifname, netns } = attachment;
  if (delegate === undefined) return undefined;
  const { type, path, args, conf } = delegate;
  const env = new Map([
    ['CNI_CONTAINERID', containerId],
    ['CNI_NETNS', netns],
    ['CNI_IFNAME', ifname],
    ['CNI_PATH', path],
    ['CNI_ARGS', args],
  ]);
  const call = {
    path: path.split(':').filter((folder) => folder !== ''),
    env,
    stdin: JSON.stringify(conf),
    conf: { cniVersion: readVersion(conf['cniVersion']) },
  };
  return { type, call };
}
