/**
 * One request of a runtime, checked: environment first, then the configuration's name and version,
 * then the rest.
 *
 * Spec  CNI 1.1.0, Section 2; the order is that of the Go skeleton
 */
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import type { Owner, PodIdentity } from '../ipam/ipam.js';
import { NO_ARGS, isOverride, readCniArgs } from './cni-args.js';
import type { CniArgs } from './cni-args.js';
import { CNI_CODE, CniError } from './errors.js';
import { IDENTIFIER, parseDocument, readHead, readNetConf } from './netconf.js';
import type { NetConf } from './netconf.js';
import { gateVerb } from './version.js';
import { VERBS } from './verb.js';
import type { Verb } from './verb.js';
import type { RawRequest } from './wire.js';

/** Everything but VERSION, which asks for nothing. */
export type RequestVerb = Exclude<Verb, 'VERSION'>;

export interface CniRequest {
  readonly verb: RequestVerb;
  /** Empty for GC and STATUS, like ifname. */
  readonly containerId: string;
  /** Path; undefined when the runtime has none any more. */
  readonly netns: string | undefined;
  readonly ifname: string;
  /** CNI_ARGS. */
  readonly args: ReadonlyMap<string, string>;
  /** As Kubernetes runtimes say it in CNI_ARGS. */
  readonly pod: PodIdentity | undefined;
  /** Addresses that are asked for in CNI_ARGS, args.cni or runtimeConfig, each once. */
  readonly requestedIps: readonly Address[];
  /** The MAC that is asked for: runtimeConfig wins over args.cni, and that over CNI_ARGS. */
  readonly mac: Uint8Array | undefined;
  /** CNI_PATH: where other plugins are. */
  readonly path: readonly string[];
  readonly netnsOverride: boolean;
  readonly conf: NetConf;
  /** Standard input as it came, for plugins that are called in turn. */
  readonly stdin: string;
  /** Every CNI_* variable. */
  readonly env: ReadonlyMap<string, string>;
  /** What a DEL said that cannot be read, and was left out. */
  readonly ignored: readonly string[];
}

/** Which variables have to be there. CNI_PATH is optional to the specification only. */
const ATTACHMENT = ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'];
const REQUIRED: Readonly<Record<Verb, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  DEL: ATTACHMENT,
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};

/** IFNAMSIZ of linux/if.h, less the final zero. */
const IFNAME_MAX = 15;
/** Folders, and those of all interfaces in /proc/sys/net. */
const RESERVED_IFNAMES = ['.', '..', 'all', 'default'];

function invalid(name: string, value: string, expectation: string): CniError {
  const message = `${name}: ${JSON.stringify(value)}: ${expectation}`;
  return new CniError(CNI_CODE.INVALID_ENVIRONMENT, message);
}

/** @throws CniError 4 */
export function readVerb(env: ReadonlyMap<string, string>): Verb {
  const command = env.get('CNI_COMMAND') ?? '';
  const verb = VERBS.find((known) => known === command);
  if (verb === undefined) {
    throw invalid('CNI_COMMAND', command, `expected one of ${VERBS.join(', ')}`);
  }
  const missing = REQUIRED[verb].filter((name) => (env.get(name) ?? '') === '');
  if (missing.length === 0) return verb;
  const message = `required environment variables missing: ${missing.join(', ')}`;
  throw new CniError(CNI_CODE.INVALID_ENVIRONMENT, message);
}

/** @throws CniError 4 */
function checkAttachment(containerId: string, ifname: string): void {
  if (!IDENTIFIER.test(containerId)) {
    const expectation = 'expected letters, digits, "_", "." and "-", a letter or digit first';
    throw invalid('CNI_CONTAINERID', containerId, expectation);
  }
  const isName = !/[\s/:%]/.test(ifname) && !RESERVED_IFNAMES.includes(ifname);
  if (!isName || Buffer.byteLength(ifname) > IFNAME_MAX) {
    const not = RESERVED_IFNAMES.map((name) => `"${name}"`).join(', ');
    const expectation = `expected 1 to ${IFNAME_MAX} bytes without "/", ":", "%" and spaces, none of ${not}`;
    throw invalid('CNI_IFNAME', ifname, expectation);
  }
}

/** With DEL, nothing in CNI_ARGS is worth a failure. */
function argsOf(verb: RequestVerb, text: string, ignored: string[]): CniArgs {
  try {
    return readCniArgs(text);
  } catch (error) {
    if (verb !== 'DEL' || !(error instanceof CniError)) throw error;
    ignored.push(error.message);
    return NO_ARGS;
  }
}

function eachOnce(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}

/**
 * Check a request. Nothing has been done when it is refused.
 *
 * @param verb  as `readVerb` has it
 * @throws CniError 4 environment; 6, 7 configuration; 1 its version; 2 what it asks for
 */
export function parseRequest(verb: RequestVerb, { env, stdin }: RawRequest): CniRequest {
  const isAttachment = verb === 'ADD' || verb === 'DEL' || verb === 'CHECK';
  const variable = (name: string): string => (isAttachment ? (env.get(name) ?? '') : '');
  const containerId = variable('CNI_CONTAINERID');
  const ifname = variable('CNI_IFNAME');
  if (isAttachment) checkAttachment(containerId, ifname);
  const ignored: string[] = [];
  const args = argsOf(verb, variable('CNI_ARGS'), ignored);
  const head = readHead(parseDocument(stdin));
  gateVerb(verb, head.version);
  const conf = readNetConf(head, verb, ignored);
  const {
    runtimeConfig,
    args: { cni },
  } = conf;
  return {
    verb,
    containerId,
    netns: variable('CNI_NETNS') || undefined,
    ifname,
    args: args.all,
    pod: args.pod,
    requestedIps: eachOnce([...args.ips, ...cni.ips, ...runtimeConfig.ips]),
    mac: runtimeConfig.mac ?? cni.mac ?? args.mac,
    path: (env.get('CNI_PATH') ?? '').split(':').filter((folder) => folder !== ''),
    netnsOverride: isOverride(env.get('CNI_NETNS_OVERRIDE')),
    conf,
    stdin,
    env,
    ignored,
  };
}

/** The attachment a request is about. */
export function ownerOf({ conf, containerId, ifname }: CniRequest): Owner {
  return { network: conf.name, containerId, ifname };
}
