/**
 * What a CNI plugin says when it fails: a code, a short sentence, and more of it.
 *
 * Spec  CNI 1.1.0, Error
 */
import { codeOf, messageOf } from '../errors.js';
import { IpamError } from '../ipam/ipam.js';
import type { IpamErrorKind } from '../ipam/ipam.js';
import { LATEST_VERSION } from './version-list.js';

/** Codes below 100 are the specification's and libcni's, 999 is the Go skeleton's, the rest ours. */
export const CNI_CODE = {
  INCOMPATIBLE_VERSION: 1,
  UNSUPPORTED_FIELD: 2,
  UNKNOWN_CONTAINER: 3,
  INVALID_ENVIRONMENT: 4,
  IO: 5,
  DECODE: 6,
  INVALID_CONFIG: 7,
  INVALID_NETNS: 8,
  TRY_AGAIN: 11,
  NOT_AVAILABLE: 50,
  LIMITED: 51,
  EXHAUSTED: 100,
  TAKEN: 101,
  OUTSIDE: 102,
  DUPLICATE: 103,
  LINK: 104,
  CHECK_FAILED: 105,
  INTERNAL: 999,
} as const;

export class CniError extends Error {
  override readonly name = 'CniError';

  /**
   * @param code     one of CNI_CODE, or what a delegated plugin said
   * @param message  one sentence with the key and the value that are at fault
   * @param details  more of it; empty for nothing
   */
  constructor(
    readonly code: number,
    message: string,
    readonly details = '',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const IPAM_CODES: Readonly<Record<IpamErrorKind, number>> = {
  exhausted: CNI_CODE.EXHAUSTED,
  taken: CNI_CODE.TAKEN,
  outside: CNI_CODE.OUTSIDE,
  duplicate: CNI_CODE.DUPLICATE,
  invalid: CNI_CODE.INVALID_CONFIG,
  unavailable: CNI_CODE.TRY_AGAIN,
};

/** What the host's own errors, and those of the kernel, are to a runtime. */
const HOST_CODES: Readonly<Record<string, number>> = {
  ERR_USAGE: CNI_CODE.INVALID_CONFIG,
  ERR_RATE: CNI_CODE.INVALID_CONFIG,
  ERR_KERNEL: CNI_CODE.LINK,
  ERR_NETLINK: CNI_CODE.LINK,
  ERR_UNSERVED: CNI_CODE.TRY_AGAIN,
  ERR_IFNAME_TAKEN: CNI_CODE.LINK,
  ERR_ADDRESS_TAKEN: CNI_CODE.LINK,
  ENOENT: CNI_CODE.UNKNOWN_CONTAINER,
  ENODEV: CNI_CODE.LINK,
  EEXIST: CNI_CODE.LINK,
  EBUSY: CNI_CODE.LINK,
  EINVAL: CNI_CODE.LINK,
  ENOBUFS: CNI_CODE.LINK,
  ENOSPC: CNI_CODE.IO,
  EDQUOT: CNI_CODE.IO,
  EROFS: CNI_CODE.IO,
  EIO: CNI_CODE.IO,
  EMFILE: CNI_CODE.TRY_AGAIN,
  ENFILE: CNI_CODE.TRY_AGAIN,
};

/** Anything that was thrown, as CNI has it. */
export function toCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const options = { cause: thrown };
  if (thrown instanceof IpamError) {
    return new CniError(IPAM_CODES[thrown.kind], messageOf(thrown), '', options);
  }
  const what = codeOf(thrown) ?? '';
  return new CniError(HOST_CODES[what] ?? CNI_CODE.INTERNAL, messageOf(thrown), what, options);
}

/** The same request will fail the same way: it contradicts itself. */
const PERMANENT: ReadonlySet<number> = new Set([
  CNI_CODE.INCOMPATIBLE_VERSION,
  CNI_CODE.UNSUPPORTED_FIELD,
  CNI_CODE.INVALID_ENVIRONMENT,
  CNI_CODE.DECODE,
  CNI_CODE.INVALID_CONFIG,
  CNI_CODE.INVALID_NETNS,
]);

/** Whether the same request may succeed later. */
export function isRetryable(code: number): boolean {
  return !PERMANENT.has(code);
}

/** The error object on standard output. @param version  of the request's configuration, if known */
export function formatError(error: CniError, version: string = LATEST_VERSION): string {
  const { code, message: msg, details } = error;
  return JSON.stringify({ cniVersion: version, code, msg, ...(details === '' ? {} : { details }) });
}
