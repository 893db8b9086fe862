/**
 * The upstream side of the DNS: a client's query goes in, a reply that may be given on comes out.
 *
 * Wire bytes all along. A reply is given on only if it is to our question, by id, by port, by name
 * to the letter; what does not belong in it has been taken out.
 *
 * Spec  RFC 5452; CoreDNS, plugin/forward
 */
import { DataplaneError, messageOf } from '../../errors.js';
import { Rcode } from '../wire/header.js';
import type { ReplyFailure } from './ask-upstream.js';
import { createCoalescer } from './coalesce.js';
import { exchange } from './exchange.js';
import type { ExchangeOutcome } from './exchange.js';
import { loopComplaint } from './loops.js';
import { PENDING_MAX } from './options.js';
import type { ClientTransport, ForwardOptions } from './options.js';
import { createPolicy } from './policy.js';
import { prepare } from './prepare.js';
import type { Prepared } from './prepare.js';
import { randomBelow } from './random.js';
import { restore } from './restore.js';
import { createTlsFace } from './tls-face.js';
import { UPSTREAMS_MAX } from './upstream.js';
import { createUpstream } from './upstreams.js';

export type ForwardFailure =
  | ReplyFailure
  /** The query is none that can be forwarded. */
  | 'bad-query'
  /** As many queries are under way as `maxConcurrent` allows. */
  | 'refused-concurrency'
  /** All upstreams are down. */
  | 'no-upstream'
  /** A mistake of ours; the hook `onAttemptFailure` was told. */
  | 'internal';

export type ForwardResult =
  | {
      /** With the id and the letters of the client's query. Its own copy. */
      readonly reply: Uint8Array;
      readonly upstream: string;
      /** 12 bits: the one of the header and of the OPT record. */
      readonly rcode: number;
    }
  | {
      readonly failure: ForwardFailure;
      /** What the client is to be told. */
      readonly rcode: Rcode;
      readonly upstream?: string;
    };

export interface UpstreamStats {
  readonly upstream: string;
  readonly isDown: boolean;
  /** Probes that failed in a row. */
  readonly fails: number;
  /** Queries that wait for replies, probes included. */
  readonly pending: number;
  readonly connections: number;
  /** Whether names go out in random case. */
  readonly isCaseTrusted: boolean;
}

export interface ForwardStats {
  /** Client queries under way. */
  readonly inFlight: number;
  /** Upstream queries under way: fewer, when clients ask the same. */
  readonly flights: number;
  readonly upstreams: readonly UpstreamStats[];
}

export interface Forward {
  /** Never rejects: a reply or a named failure, within the deadline. */
  exchange(
    query: Uint8Array,
    client: { readonly transport: ClientTransport },
  ): Promise<ForwardResult>;
  /** End everything under way with the failure `stopped`, and all connections. */
  close(): Promise<void>;
  stats(): ForwardStats;
}

type FlightOutcome = ExchangeOutcome | { readonly failure: 'internal' };

/** What came of a flight, and whose query was sent. */
interface Flight {
  readonly outcome: FlightOutcome;
  readonly asker: Prepared;
}

/** What a client is told about a failure (RFC 1035 4.1.1). */
function rcodeFor(failure: ForwardFailure): Rcode {
  if (failure === 'question-mismatch') return Rcode.FORMERR;
  return failure === 'refused-concurrency' ? Rcode.REFUSED : Rcode.SERVFAIL;
}

function refusal(failure: ForwardFailure, upstream?: string): ForwardResult {
  const result = { failure, rcode: rcodeFor(failure) };
  return upstream === undefined ? result : { ...result, upstream };
}

function requireUsable({ upstreams, ownAddresses = [] }: ForwardOptions): void {
  const count = upstreams.length;
  const what =
    count === 0 || count > UPSTREAMS_MAX
      ? `forward: ${count} upstreams are given; expected 1 to ${UPSTREAMS_MAX}`
      : loopComplaint(upstreams, ownAddresses);
  if (what !== undefined) throw new DataplaneError('ERR_CONFIG', what);
}

/** @throws DataplaneError ERR_CONFIG  no upstream, one that is ourselves, or unusable certificates */
export function createForward(options: ForwardOptions): Forward {
  requireUsable(options);
  const { hooks = {}, maxConcurrent } = options;
  const tls = createTlsFace(options.tls);
  const upstreams = options.upstreams.map((spec) => createUpstream(spec, options, tls));
  const policy = createPolicy(options.policy, randomBelow);
  const context = { upstreams, options, policy, random: randomBelow };
  const coalescer = createCoalescer<Flight>();
  const underway = new Set<Promise<Flight>>();
  let inFlight = 0;
  let isClosed = false;

  const fly = async (asker: Prepared, client: ClientTransport): Promise<Flight> => {
    try {
      return { asker, outcome: await exchange(context, asker, client) };
    } catch (cause) {
      hooks.onAttemptFailure?.({ upstream: '', failure: `internal: ${messageOf(cause)}`, ms: 0 });
      return { asker, outcome: { failure: 'internal' } };
    }
  };

  const launch = (asker: Prepared, client: ClientTransport): Promise<Flight> => {
    const flight = fly(asker, client);
    underway.add(flight);
    return flight.finally(() => underway.delete(flight));
  };

  const forward = async (prepared: Prepared, client: ClientTransport): Promise<ForwardResult> => {
    const { outcome, asker } = await coalescer.join(prepared.key, () => launch(prepared, client));
    if ('failure' in outcome) {
      return refusal(outcome.failure, 'upstream' in outcome ? outcome.upstream : undefined);
    }
    return { ...outcome, reply: restore(outcome.reply, asker, prepared) };
  };

  return {
    exchange: async (query, { transport }) => {
      const prepared = prepare(query, transport);
      if (typeof prepared === 'number') return { failure: 'bad-query', rcode: prepared };
      if (isClosed) return refusal('stopped');
      if (maxConcurrent > 0 && inFlight >= maxConcurrent) {
        hooks.onConcurrencyReject?.();
        return refusal('refused-concurrency');
      }
      if (inFlight >= Math.max(PENDING_MAX, maxConcurrent)) return refusal('overflow');
      inFlight++;
      try {
        return await forward(prepared, transport);
      } finally {
        inFlight--;
      }
    },
    close: async () => {
      isClosed = true;
      for (const upstream of upstreams) upstream.close();
      await Promise.all(underway);
    },
    stats: () => ({
      inFlight,
      flights: coalescer.size(),
      upstreams: upstreams.map((upstream) => ({
        upstream: upstream.name,
        isDown: upstream.health.isDown(),
        fails: upstream.health.fails(),
        pending: upstream.pending(),
        connections: upstream.connections(),
        isCaseTrusted: upstream.trust.isTrusted(performance.now()),
      })),
    }),
  };
}
