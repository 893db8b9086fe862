/**
 * The configuration on standard input: what an administrator wrote, and what the runtime put in.
 *
 * Checked by hand: it is read once per request, its keys are few, and the ones that are not known
 * have to pass untouched.
 *
 * Spec  CNI 1.1.0, Section 3; CONVENTIONS.md
 */
import { convertFrom, readDns } from './decode-result.js';
import { CNI_CODE, CniError } from './errors.js';
import {
  elements,
  isAbsent,
  member,
  objectOf,
  optionalText,
  refuse,
  requiredText,
  wholeNumber,
} from './field.js';
import type { Field, JsonObject } from './field.js';
import type { CniResult, Dns } from './result.js';
import { readArgsCni, readBandwidth, readRuntimeConfig } from './runtime-config.js';
import type { ArgsCni, Bandwidth, RuntimeConfig } from './runtime-config.js';
import { readVersion } from './version.js';
import type { CniVersion } from './version-list.js';
import type { Verb } from './verb.js';

/** Container ids and network names (CNI 1.1.0, Section 1 and 2). */
export const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Names of networks are those of folders (linux/limits.h). */
const NAME_MAX = 255;
/** Below it the kernel has no IPv6 on a link (RFC 8200 5). */
const MTU_MIN = 1280;
const MTU_MAX = 65_535;

/** What names an attachment within its network. */
export interface AttachmentId {
  readonly containerId: string;
  readonly ifname: string;
}

export interface IpamConf {
  /** The plugin to ask; empty: nobody in particular. */
  readonly type: string;
  readonly raw: JsonObject;
}

export interface NetConf {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly type: string;
  readonly ipam: IpamConf;
  /** Undefined: not said. */
  readonly mtu: number | undefined;
  /** The administrator's, else the runtime's. */
  readonly bandwidth: Bandwidth;
  readonly runtimeConfig: RuntimeConfig;
  /** Of `args` only `cni` has a meaning. */
  readonly args: { readonly cni: ArgsCni };
  /** Undefined: nothing of it is said. Lists that are said count even when they are empty. */
  readonly dns: Dns | undefined;
  /** Whatever its version was, in the shape of 1.1.0. */
  readonly prevResult: CniResult | undefined;
  /** With GC only, and then always there. */
  readonly validAttachments: readonly AttachmentId[] | undefined;
  readonly raw: JsonObject;
}

/** The document, and the two things that are looked at before all others. */
export interface NetConfHead {
  readonly document: Field;
  readonly name: string;
  readonly version: CniVersion;
}

/** Parse standard input. @throws CniError 6 */
export function parseDocument(stdin: string): Field {
  let value: unknown;
  try {
    value = JSON.parse(stdin);
  } catch (cause) {
    const message = `stdin: ${JSON.stringify(stdin.slice(0, 80))}: expected a network configuration as JSON`;
    throw new CniError(CNI_CODE.DECODE, message, '', { cause });
  }
  const document = { key: '', value };
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return document;
  return refuse({ key: 'stdin', value }, 'expected an object', CNI_CODE.DECODE);
}

/** @throws CniError 1, 6 */
export function versionOf(document: Field): CniVersion {
  return readVersion(member(document, 'cniVersion').value);
}

/** Name, then version. @throws CniError 7 name; 1, 6 version */
export function readHead(document: Field): NetConfHead {
  const name = member(document, 'name');
  if (!IDENTIFIER.test(requiredText(name)) || requiredText(name).length > NAME_MAX) {
    const expectation = `expected up to ${NAME_MAX} letters, digits, "_", "." and "-", a letter or digit first`;
    refuse(name, expectation);
  }
  return { document, name: requiredText(name), version: versionOf(document) };
}

function readDnsConf(field: Field): Dns | undefined {
  const dns = readDns(field);
  return Object.keys(dns).length > 0 ? dns : undefined;
}

function readMtu(field: Field): number | undefined {
  return field.value === 0 ? undefined : wholeNumber(field, MTU_MIN, MTU_MAX);
}

/** libcni sends the list under its own name and under an earlier, mistaken one. */
const VALID_KEYS = ['cni.dev/valid-attachments', 'cni.dev/attachments'];

/** A list that is not there is never an empty one: that would delete everything. */
function readValidAttachments(document: Field): AttachmentId[] {
  const fields = VALID_KEYS.map((key) => member(document, key));
  const [wanted = document] = fields;
  const field = fields.find((candidate) => !isAbsent(candidate));
  if (field === undefined) return refuse(wanted, 'expected a list of attachments');
  return elements(field).map((entry) => ({
    containerId: requiredText(member(entry, 'containerID')),
    ifname: requiredText(member(entry, 'ifname')),
  }));
}

function readPrevResult(field: Field, version: CniVersion): CniResult | undefined {
  return isAbsent(field) ? undefined : convertFrom(field, version);
}

/**
 * Limits of the plugin object itself, where the reference plugin `bandwidth` has them, or under
 * `bandwidth`; the runtime's do not count beside any of them.
 */
function readLimits(document: Field, { bandwidth }: RuntimeConfig): Bandwidth {
  const own = [document, member(document, 'bandwidth')].map(readBandwidth);
  return (
    own.find(({ ingress, egress }) => ingress !== undefined || egress !== undefined) ?? bandwidth
  );
}

/** Reads a part of the configuration. A part that cannot be read may be worth its fallback. */
type Attempt = <T>(fallback: T, read: () => T) => T;

/**
 * Nothing in a configuration keeps a DEL from releasing what there is: a part that cannot be read
 * is left out.
 */
function attemptFor(verb: Verb, ignored: string[]): Attempt {
  return (fallback, read) => {
    try {
      return read();
    } catch (error) {
      if (verb !== 'DEL' || !(error instanceof CniError)) throw error;
      ignored.push(error.message);
      return fallback;
    }
  };
}

/**
 * The rest of the configuration.
 *
 * @param ignored  with DEL, told what could not be read and was left out
 * @throws CniError 1, 2, 6, 7
 */
export function readNetConf(head: NetConfHead, verb: Verb, ignored: string[]): NetConf {
  const { document, name, version } = head;
  const attempt = attemptFor(verb, ignored);
  const at = (key: string): Field => member(document, key);
  const ipam = attempt({}, () => objectOf(at('ipam')));
  const none: Field = { key: '', value: undefined };
  const runtimeConfig = attempt(readRuntimeConfig(none), () =>
    readRuntimeConfig(at('runtimeConfig')),
  );
  return {
    cniVersion: version,
    name,
    type: attempt('', () => optionalText(at('type')) ?? ''),
    ipam: {
      type: attempt('', () => optionalText(member({ key: 'ipam', value: ipam }, 'type')) ?? ''),
      raw: ipam,
    },
    mtu: attempt(undefined, () => readMtu(at('mtu'))),
    bandwidth: attempt(runtimeConfig.bandwidth, () => readLimits(document, runtimeConfig)),
    runtimeConfig,
    args: { cni: attempt(readArgsCni(none), () => readArgsCni(member(at('args'), 'cni'))) },
    dns: attempt(undefined, () => readDnsConf(at('dns'))),
    prevResult: attempt(undefined, () => readPrevResult(at('prevResult'), version)),
    validAttachments: verb === 'GC' ? readValidAttachments(document) : undefined,
    raw: objectOf(document),
  };
}
