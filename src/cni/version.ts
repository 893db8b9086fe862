/**
 * Versions of the CNI specification: which one a configuration speaks, and what it may ask for.
 *
 * Spec  CNI 1.1.0, VERSION; the gates are those of the Go skeleton
 */
import { CNI_CODE, CniError } from './errors.js';
import { DEFAULT_VERSION, LATEST_VERSION, SUPPORTED_VERSIONS } from './version-list.js';
import type { CniVersion } from './version-list.js';
import type { Verb } from './verb.js';

const NUMBERS = /^(\d+)\.(\d+)(?:\.(\d+))?$/;

/** The oldest configuration that may ask for a verb; others may always. */
const GATES: Readonly<Partial<Record<Verb, CniVersion>>> = {
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};

/** Whether a version is `than` or newer. */
export function isAtLeast(version: CniVersion, than: CniVersion): boolean {
  return SUPPORTED_VERSIONS.indexOf(version) >= SUPPORTED_VERSIONS.indexOf(than);
}

/**
 * Read `cniVersion`; absent, null or empty is the default.
 *
 * @throws CniError 6 no version at all; 1 one that is not spoken
 */
export function readVersion(value: unknown, key = 'cniVersion'): CniVersion {
  if (value === undefined || value === null || value === '') return DEFAULT_VERSION;
  if (typeof value !== 'string' || !NUMBERS.test(value)) {
    const message = `${key}: ${JSON.stringify(value)}: expected a version such as ${LATEST_VERSION}`;
    throw new CniError(CNI_CODE.DECODE, message);
  }
  const known = SUPPORTED_VERSIONS.find((version) => version === value);
  if (known !== undefined) return known;
  throw incompatible(`${key}: ${JSON.stringify(value)}: this version is not spoken`);
}

/** @throws CniError 1 when a configuration of this version may not ask for the verb */
export function gateVerb(verb: Verb, version: CniVersion): void {
  const oldest = GATES[verb];
  if (oldest === undefined || isAtLeast(version, oldest)) return;
  throw incompatible(`cniVersion: ${JSON.stringify(version)}: ${verb} exists from ${oldest} on`);
}

function incompatible(message: string): CniError {
  const details = `supported versions: ${SUPPORTED_VERSIONS.join(', ')}`;
  return new CniError(CNI_CODE.INCOMPATIBLE_VERSION, message, details);
}

/** Answer to VERSION. */
export function formatVersions(): string {
  return JSON.stringify({ cniVersion: LATEST_VERSION, supportedVersions: SUPPORTED_VERSIONS });
}
