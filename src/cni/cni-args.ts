/**
 * CNI_ARGS: `K=V;K=V`, deprecated and universal.
 *
 * Spec  CNI CONVENTIONS.md, "CNI_ARGS"; unknown keys are handled as by the reference plugins
 */
import type { Address } from '../addr.js';
import { messageOf } from '../errors.js';
import type { PodIdentity } from '../ipam/ipam.js';
import { CNI_CODE, CniError } from './errors.js';
import { readAddress, readMac } from './runtime-config.js';

export interface CniArgs {
  readonly all: ReadonlyMap<string, string>;
  readonly ips: readonly Address[];
  readonly mac: Uint8Array | undefined;
  readonly pod: PodIdentity | undefined;
}

export const NO_ARGS: CniArgs = { all: new Map(), ips: [], mac: undefined, pod: undefined };

const KNOWN: ReadonlySet<string> = new Set([
  'IgnoreUnknown',
  'IP',
  'MAC',
  'K8S_POD_NAMESPACE',
  'K8S_POD_NAME',
  'K8S_POD_INFRA_CONTAINER_ID',
  'K8S_POD_UID',
]);

function complain(what: string, expectation: string): CniError {
  const message = `CNI_ARGS: ${JSON.stringify(what)}: ${expectation}`;
  return new CniError(CNI_CODE.INVALID_ENVIRONMENT, message);
}

/** A boolean as Go's CNI types read it. */
function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['1', 'true'].includes(text.toLowerCase());
}

function splitPairs(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(';').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair): [string, string] => {
      const at = pair.indexOf('=');
      if (at <= 0) throw complain(pair, 'expected KEY=VALUE');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function podOf(all: ReadonlyMap<string, string>): PodIdentity | undefined {
  const namespace = all.get('K8S_POD_NAMESPACE') ?? '';
  const name = all.get('K8S_POD_NAME') ?? '';
  if (namespace === '' || name === '') return undefined;
  return { namespace, name, uid: all.get('K8S_POD_UID') || undefined };
}

/** An address that is none is the environment's fault here. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new CniError(CNI_CODE.INVALID_ENVIRONMENT, messageOf(cause), '', { cause });
  }
}

/** @throws CniError 4  no pairs, an unknown key without IgnoreUnknown, no address */
export function readCniArgs(text: string): CniArgs {
  const all = splitPairs(text);
  const unknown = [...all.keys()].find((key) => !KNOWN.has(key));
  if (unknown !== undefined && !isTrue(all.get('IgnoreUnknown'))) {
    const pair = `${unknown}=${all.get(unknown) ?? ''}`;
    throw complain(pair, `unknown key; expected ${[...KNOWN].join(', ')}, or IgnoreUnknown=1`);
  }
  const ips = (all.get('IP') ?? '').split(',').filter((ip) => ip !== '');
  return {
    all,
    ips: reading(() => ips.map((value) => readAddress({ key: 'CNI_ARGS: IP', value }))),
    mac: reading(() => readMac({ key: 'CNI_ARGS: MAC', value: all.get('MAC') })),
    pod: podOf(all),
  };
}

/** CNI_NETNS_OVERRIDE, read like the Go skeleton does. */
export function isOverride(text: string | undefined): boolean {
  return isTrue(text);
}
