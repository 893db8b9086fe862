/**
 * The one error class of the cold path. The hot path has no errors, only verdicts.
 */

/** Every way the host can fail, closed: callers may switch on it. */
export type ErrorCode =
  | 'ERR_ADDRESS'
  | 'ERR_YAML'
  | 'ERR_CONFIG'
  | 'ERR_OBJECT'
  | 'ERR_SOURCE'
  | 'ERR_TABLE_FULL'
  | 'ERR_ABI_MISMATCH'
  | 'ERR_CORE_BUILD'
  | 'ERR_LANE'
  | 'ERR_KERNEL'
  /** The container has another interface of that name. */
  | 'ERR_IFNAME_TAKEN'
  /** The node reaches that address by another interface. */
  | 'ERR_ADDRESS_TAKEN'
  | 'ERR_NETLINK'
  /** A pod has its link, and the kernel or the lane does not know what to do with it. */
  | 'ERR_UNSERVED'
  /** No limit of bandwidth that could be set. */
  | 'ERR_RATE'
  | 'ERR_STATE'
  | 'ERR_USAGE';

/**
 * A failure with a code.
 *
 * The message is one sentence: what failed, with which values, what was expected. The cause is
 * kept. Thrown early, caught at composition roots only.
 */
export class DataplaneError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'DataplaneError';
    this.code = code;
  }
}

/** What anything that was thrown says, on one line. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/\s*\n\s*/g, ' ');
}

/** The code of an error, ours or the system's (`ENOENT`); undefined when it has none. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}

/** Whether an error is the system's of that name. */
export function isErrno(thrown: unknown, code: string): boolean {
  return codeOf(thrown) === code;
}
