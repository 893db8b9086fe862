/** A query put to one upstream, by as many ways as it takes to get a reply that counts. */
import { emptyReply } from '../wire/empty-reply.js';
import { FLAGS_OFF, FLAG_TC, Rcode, readU16 } from '../wire/header.js';
import type { AttemptFailure, Link } from './attempt.js';
import { randomizeCase } from './case.js';
import { checkReply } from './check.js';
import type { ClientTransport, ForwardHooks } from './options.js';
import type { Prepared } from './prepare.js';
import type { Upstream } from './upstreams.js';

export type ReplyFailure =
  | AttemptFailure
  /** The reply is to another question: the client gets FORMERR. */
  | 'question-mismatch'
  /** The CNAMEs of the reply have no end. */
  | 'endless-chain';

export type Outcome =
  | { readonly reply: Uint8Array; readonly rcode: number; readonly upstream: string }
  | { readonly failure: ReplyFailure; readonly upstream: string };

export interface AskOptions {
  readonly client: ClientTransport;
  readonly preferUdp: boolean;
  readonly randomizeCase: boolean;
  readonly readMs: number;
  /** When the client's patience ends, by `performance.now()`. */
  readonly deadlineMs: number;
  readonly hooks: ForwardHooks;
}

/** What one way led to: an outcome, or another way to go. */
type Step = Outcome | { readonly next: Link; readonly isExact: boolean };

interface Way {
  readonly link: Link;
  /** Whether the case is random and must come back. */
  readonly isExact: boolean;
}

function isTruncated(reply: Uint8Array): boolean {
  return (readU16(reply, FLAGS_OFF) & FLAG_TC) !== 0;
}

async function step(
  upstream: Upstream,
  prepared: Prepared,
  { link, isExact }: Way,
  options: AskOptions,
): Promise<Step> {
  const { name, trust, streamLink } = upstream;
  const { hooks } = options;
  const isUdp = link.transport === 'udp';
  const byStream = { next: streamLink, isExact: false };
  const wire = new Uint8Array(prepared.wire);
  if (isExact) randomizeCase(wire);

  const startMs = performance.now();
  const attempt = await link.ask(wire, Math.min(options.readMs, options.deadlineMs - startMs));
  const ms = performance.now() - startMs;
  const failed = (failure: ReplyFailure): Outcome => {
    hooks.onAttemptFailure?.({ upstream: name, failure, ms });
    return { failure, upstream: name };
  };
  if ('failure' in attempt) return failed(attempt.failure);

  const checked = checkReply(attempt.reply, { wire, isExact });
  switch (checked.kind) {
    case 'good': {
      if (isExact) trust.kept();
      const { reply, rcode } = checked;
      hooks.onExchange?.({ upstream: name, transport: link.transport, rcode, ms });
      if (isUdp && options.preferUdp && isTruncated(reply)) return byStream;
      return { reply, rcode, upstream: name };
    }
    case 'recased':
      trust.changed(performance.now());
      hooks.onCaseMismatch?.(name);
      return { next: link, isExact: false };
    case 'malformed': {
      if (!isUdp) return failed('malformed');
      if (options.preferUdp) return byStream;
      // The client asks again over TCP, where nothing is cut off (RFC 7766 5).
      const reply = emptyReply(prepared.client, Rcode.NOERROR, FLAG_TC);
      return { reply, rcode: Rcode.NOERROR, upstream: name };
    }
    case 'mismatch':
      return failed('question-mismatch');
    case 'endless':
      return failed('endless-chain');
  }
}

/**
 * Ask one upstream. UDP first or TCP first as its link for the client says; a name that came back
 * in another case is asked for once more in the client's own, by another port and id.
 */
export async function askUpstream(
  upstream: Upstream,
  prepared: Prepared,
  options: AskOptions,
): Promise<Outcome> {
  const link = upstream.linkFor(options.client);
  const wantsCase = options.randomizeCase && link.transport === 'udp';
  let way: Way = { link, isExact: wantsCase && upstream.trust.isTrusted(performance.now()) };
  for (;;) {
    const taken = await step(upstream, prepared, way, options);
    if (!('next' in taken)) return taken;
    way = { link: taken.next, isExact: taken.isExact };
    if (performance.now() >= options.deadlineMs) {
      return { failure: 'timeout', upstream: upstream.name };
    }
  }
}
