/**
 * Connections to one upstream: used again while they are young and not idle for long, several
 * queries at once on each.
 *
 * Spec  RFC 7766 6.2 (few connections, kept, queries pipelined); CoreDNS, plugin/forward: expire,
 *       max_age, max_idle_conns; dial timeout as plugin/pkg/proxy: twice the average, 1 s to 30 s
 */
import type { Attempt, AttemptFailure, Link, LinkTarget } from './attempt.js';
import type { ForwardHooks } from './options.js';
import { openStream } from './stream.js';
import type { Stream, TlsFace } from './stream.js';

/** Connections to one upstream. */
export const CONNECTIONS_MAX = 32;
/** Queries under way on each connection before another one is opened. */
const PIPELINE_WANTED = 16;
/** Queries under way on one connection when no other may be opened. */
const PIPELINE_MAX = 128;
/** A kept connection that the upstream closes meanwhile is replaced; so often for one query. */
const STALE_MAX = 3;

const DIAL_MIN_MS = 1_000;
const DIAL_MAX_MS = 30_000;
const DIAL_WEIGHT = 4;

export interface TcpOptions {
  readonly expireMs: number;
  readonly maxAgeMs: number;
  readonly maxIdleConns: number;
  readonly tls: TlsFace;
  readonly hooks: ForwardHooks;
}

/** A connection and the timer that ends it when it stays idle. */
interface Kept {
  readonly stream: Stream;
  idleTimer?: NodeJS.Timeout | undefined;
}

/** How long a connection may take: what is usual, twice. */
function createDialClock() {
  let averageMs = DIAL_MAX_MS / 2;
  return {
    limitMs: () => Math.min(Math.max(averageMs * 2, DIAL_MIN_MS), DIAL_MAX_MS),
    note: (ms: number) => {
      averageMs += (ms - averageMs) / DIAL_WEIGHT;
    },
  };
}

export function createTcpLink({ name, spec }: LinkTarget, options: TcpOptions): Link {
  const transport = spec.transport === 'tls' ? 'tls' : 'tcp';
  const kept = new Set<Kept>();
  const clock = createDialClock();
  let isClosed = false;

  const isIdle = ({ stream }: Kept): boolean => stream.isOpen() && stream.pending() === 0;

  const rest = (own: Kept): void => {
    clearTimeout(own.idleTimer);
    if (!own.stream.isOpen()) {
      if (own.stream.pending() === 0) kept.delete(own);
      return;
    }
    const idle = [...kept].filter(isIdle).length;
    if (options.maxIdleConns > 0 && idle > options.maxIdleConns) {
      own.stream.retire();
      return;
    }
    own.idleTimer = setTimeout(() => {
      own.stream.retire();
    }, options.expireMs);
    own.idleTimer.unref();
  };

  const open = (): Kept => {
    const stream = openStream({
      spec,
      tls: options.tls,
      dialMs: clock.limitMs(),
      onDialled: clock.note,
      onIdle: () => {
        rest(own);
      },
    });
    const own: Kept = { stream };
    kept.add(own);
    return own;
  };

  /** The connection with the least under way, if it may be used. */
  const pick = (): Kept | undefined => {
    const now = performance.now();
    for (const own of kept) {
      const age = now - own.stream.bornMs;
      if (options.maxAgeMs > 0 && age >= options.maxAgeMs) own.stream.retire();
    }
    const usable = [...kept].filter(({ stream }) => stream.isOpen());
    const [first, ...others] = usable;
    if (first === undefined) return undefined;
    const least = others.reduce(
      (best, own) => (own.stream.pending() < best.stream.pending() ? own : best),
      first,
    );
    const load = least.stream.pending();
    if (load < PIPELINE_WANTED) return least;
    return kept.size < CONNECTIONS_MAX || load >= PIPELINE_MAX ? undefined : least;
  };

  const put = (query: Uint8Array, timeoutMs: number, isFresh: boolean) => {
    const known = isFresh ? undefined : pick();
    if (known === undefined && kept.size >= CONNECTIONS_MAX) return undefined;
    const own = known ?? open();
    clearTimeout(own.idleTimer);
    options.hooks.onConnection?.({ upstream: name, transport, isReused: known !== undefined });
    const mayBeStale = own.stream.hasServed();
    return own.stream.ask(query, timeoutMs).then((attempt) => ({ attempt, mayBeStale }));
  };

  const ask = async (query: Uint8Array, timeoutMs: number): Promise<Attempt> => {
    for (let staleCount = 0; !isClosed; staleCount++) {
      const result = await put(query, timeoutMs, staleCount === STALE_MAX);
      if (result === undefined) return { failure: 'overflow' };
      const { attempt, mayBeStale } = result;
      const hasEnded = 'failure' in attempt && attempt.failure === 'closed';
      if (!hasEnded || !mayBeStale) return attempt;
    }
    return { failure: 'stopped' };
  };

  return {
    transport,
    ask,
    pending: () => [...kept].reduce((sum, { stream }) => sum + stream.pending(), 0),
    connections: () => kept.size,
    close: () => {
      isClosed = true;
      const reason: AttemptFailure = 'stopped';
      for (const { stream } of [...kept]) stream.destroy(reason);
    },
  };
}
