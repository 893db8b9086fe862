/** One question put to one upstream, and what came of it. */
import type { UpstreamSpec } from './upstream.js';
import type { WireTransport } from './options.js';
import { codeOf } from '../../errors.js';

export type AttemptFailure =
  /** No reply in time. */
  | 'timeout'
  /** The host is there, the server is not. */
  | 'refused'
  /** The network says there is no way, or the connection failed otherwise. */
  | 'unreachable'
  /** The certificate or the handshake is not what was expected. */
  | 'tls'
  /** The upstream closed the connection. */
  | 'closed'
  /** All sockets we allow ourselves are in use. */
  | 'overflow'
  /** What came over TCP is no message. */
  | 'malformed'
  /** The forwarder is being closed. */
  | 'stopped';

export type Attempt = { readonly reply: Uint8Array } | { readonly failure: AttemptFailure };

/** A way to one upstream over one transport. */
export interface Link {
  readonly transport: WireTransport;
  /**
   * Put a query; its id is replaced by a random one. Never rejects.
   *
   * @returns the first datagram or message with that id, whole header at least, or why there is none
   */
  ask(query: Uint8Array, timeoutMs: number): Promise<Attempt>;
  /** Queries that wait for replies. */
  pending(): number;
  /** Connections that are open; UDP has none that outlive their query. */
  connections(): number;
  close(): void;
}

/** What links are made from. */
export interface LinkTarget {
  readonly name: string;
  readonly spec: UpstreamSpec;
}

/**
 * A timer for a reply. When it fires, sockets are read once more: on a thread that was busy for
 * longer than the time, the reply is already there. So `expire` may come after the reply, also when
 * the timer was cleared meanwhile.
 */
export function setDeadline(expire: () => void, ms: number): NodeJS.Timeout {
  return setTimeout(() => {
    setImmediate(expire);
  }, ms);
}

const REFUSED = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** The failure an error of a socket stands for. */
export function failureOf(error: Error): AttemptFailure {
  const code = codeOf(error) ?? '';
  if (REFUSED.has(code)) return code === 'ECONNREFUSED' ? 'refused' : 'closed';
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'EADDRINUSE') return 'overflow';
  if (code === 'ETIMEDOUT') return 'timeout';
  const isTls =
    code === 'EPROTO' ||
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    CERTIFICATE.test(code);
  return isTls ? 'tls' : 'unreachable';
}

/** Codes of OpenSSL's verification, as Node hands them on. */
const CERTIFICATE = /CERT|SIGNATURE|^UNABLE_TO|^HOSTNAME_MISMATCH|^INVALID_(CA|PURPOSE)/;
