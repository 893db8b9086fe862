/**
 * One connection to an upstream, TCP or TLS, that carries many queries at once.
 *
 * Replies may come in any order; the id says whose they are, so no two queries under way on one
 * connection have the same. A connection on which a reply is overdue takes no new query: what is
 * behind it in line would wait as well.
 *
 * Spec  RFC 7766 6.2.1.1, 7 (pipelining, ids); RFC 7858 3 (TLS); RFC 8310 8.1 (whose certificate)
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { ID_OFF, readU16, writeU16 } from '../wire/header.js';
import { failureOf, setDeadline } from './attempt.js';
import type { Attempt, AttemptFailure } from './attempt.js';
import { createDeframer, frame, LENGTH_SIZE } from './frames.js';
import { randomId } from './random.js';
import type { UpstreamSpec } from './upstream.js';

export interface Stream {
  /** The id of the query is replaced. Never rejects. @param timeoutMs  dialling included */
  ask(query: Uint8Array, timeoutMs: number): Promise<Attempt>;
  pending(): number;
  /** Whether it takes queries. */
  isOpen(): boolean;
  /** Whether a reply has come over it: then its end says little about the upstream. */
  hasServed(): boolean;
  readonly bornMs: number;
  /** Take no new query; close when nothing is under way. */
  retire(): void;
  destroy(failure: AttemptFailure): void;
}

/** How TLS is spoken. */
export interface TlsFace {
  readonly secureContext: SecureContext;
  readonly servername?: string | undefined;
}

export interface StreamOptions {
  readonly spec: UpstreamSpec;
  readonly tls: TlsFace;
  readonly dialMs: number;
  /** The connection is there. @param ms  how long it took */
  readonly onDialled: (ms: number) => void;
  /** Nothing is under way any more, or the connection is gone. */
  readonly onIdle: () => void;
}

function dial({ spec, tls }: StreamOptions): Socket {
  const { address: host, port } = spec;
  if (spec.transport === 'dns') return connectTcp({ host, port, noDelay: true });
  const { secureContext } = tls;
  const servername = spec.servername ?? tls.servername ?? spec.host;
  return connectTls({
    secureContext,
    host,
    port,
    ...(servername === undefined ? {} : { servername }),
  });
}

const FRAMED_ID_OFF = LENGTH_SIZE + ID_OFF;

type Settle = (attempt: Attempt) => void;

export function openStream(options: StreamOptions): Stream {
  const waiting = new Map<number, Settle>();
  const bornMs = performance.now();
  const socket = dial(options);
  let isOpen = true;
  let hasServed = false;
  let isGone = false;
  const dialTimer = setTimeout(() => {
    destroy('timeout');
  }, options.dialMs);

  const destroy = (failure: AttemptFailure): void => {
    isOpen = false;
    if (isGone) return;
    isGone = true;
    clearTimeout(dialTimer);
    socket.destroy();
    for (const settle of [...waiting.values()]) settle({ failure });
    options.onIdle();
  };
  const retire = (): void => {
    isOpen = false;
    if (waiting.size === 0) destroy('closed');
  };
  const deframe = createDeframer((message) => {
    hasServed = true;
    waiting.get(readU16(message, ID_OFF))?.({ reply: message });
  });

  socket.once(options.spec.transport === 'tls' ? 'secureConnect' : 'connect', () => {
    clearTimeout(dialTimer);
    options.onDialled(performance.now() - bornMs);
  });
  socket.on('data', (piece) => {
    if (!deframe(piece)) destroy('malformed');
  });
  socket.on('error', (error) => {
    destroy(failureOf(error));
  });
  socket.on('end', () => {
    destroy('closed');
  });
  socket.on('close', () => {
    destroy('closed');
  });

  const freshId = (): number => {
    for (;;) {
      const id = randomId();
      if (!waiting.has(id)) return id;
    }
  };

  const ask = (query: Uint8Array, timeoutMs: number): Promise<Attempt> =>
    new Promise((resolve) => {
      const id = freshId();
      const settle: Settle = (attempt) => {
        // The id may have gone to another query since.
        if (waiting.get(id) !== settle) return;
        waiting.delete(id);
        clearTimeout(timer);
        resolve(attempt);
        if (waiting.size > 0) return;
        if (isOpen) options.onIdle();
        else destroy('closed');
      };
      const timer = setDeadline(() => {
        if (waiting.get(id) !== settle) return;
        isOpen = false;
        settle({ failure: 'timeout' });
      }, timeoutMs);
      waiting.set(id, settle);
      const framed = frame(query);
      writeU16(framed, FRAMED_ID_OFF, id);
      // Before the connection is there, Node keeps it.
      socket.write(framed);
    });

  return {
    ask,
    pending: () => waiting.size,
    isOpen: () => isOpen,
    hasServed: () => hasServed,
    bornMs,
    retire,
    destroy,
  };
}
