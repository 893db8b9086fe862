/**
 * A query put to upstreams in turn until one replies, the attempts are used up, or the time is.
 *
 * Spec  CoreDNS, plugin/forward: ServeDNS
 */
import { setTimeout as delay } from 'node:timers/promises';
import { askUpstream } from './ask-upstream.js';
import type { AskOptions, Outcome, ReplyFailure } from './ask-upstream.js';
import { DEFAULT_TIMES } from './options.js';
import type { ClientTransport, ForwardOptions } from './options.js';
import type { Policy } from './policy.js';
import type { Prepared } from './prepare.js';
import type { Upstream } from './upstreams.js';

/** Pause before all upstreams are asked again, doubled each time: refusals come at once. */
const ROUND_PAUSE_MS = 20;
const ROUND_PAUSE_MAX_MS = 500;

/** Failures that say nothing about the upstream's health. */
const OURS: ReadonlySet<ReplyFailure> = new Set(['overflow', 'stopped']);
/** Failures that another upstream would not mend, or must not be given the chance to. */
const FINAL: ReadonlySet<ReplyFailure> = new Set(['question-mismatch', 'endless-chain', 'stopped']);

/** All upstreams are down, or the time was over before any was asked. */
export type ExchangeOutcome = Outcome | { readonly failure: 'no-upstream' | 'timeout' };

export interface ExchangeContext {
  readonly upstreams: readonly Upstream[];
  readonly options: ForwardOptions;
  readonly policy: Policy;
  readonly random: (below: number) => number;
}

/** Who is asked next. */
interface Roster {
  /** @returns undefined when all are down and none shall be asked */
  next(deadlineMs: number): Promise<Upstream | undefined>;
}

function createRoster({ upstreams, options, policy, random }: ExchangeContext): Roster {
  const order = policy(upstreams.length).flatMap((index) => upstreams[index] ?? []);
  let at = 0;
  let downCount = 0;
  let pauseMs = ROUND_PAUSE_MS;
  return {
    next: async (deadlineMs) => {
      for (;;) {
        if (at === order.length) {
          at = 0;
          downCount = 0;
          await delay(Math.min(pauseMs, Math.max(deadlineMs - performance.now(), 0)));
          pauseMs = Math.min(pauseMs * 2, ROUND_PAUSE_MAX_MS);
        }
        const upstream = order[at++];
        if (upstream !== undefined && !upstream.health.isDown()) return upstream;
        if (++downCount < order.length) continue;
        options.hooks?.onHealthBroken?.();
        // More likely our probes are broken than all of them.
        return options.failfastAllUnhealthy ? undefined : order[random(order.length)];
      }
    },
  };
}

/** Put a query. Ends within `times.deadlineMs`, give or take a turn of the event loop. */
export async function exchange(
  context: ExchangeContext,
  prepared: Prepared,
  client: ClientTransport,
): Promise<ExchangeOutcome> {
  const { options, upstreams } = context;
  const { deadlineMs, readMs } = { ...DEFAULT_TIMES, ...options.times };
  const ask: AskOptions = {
    client,
    preferUdp: options.preferUdp,
    randomizeCase: options.randomizeCase,
    readMs,
    deadlineMs: performance.now() + deadlineMs,
    hooks: options.hooks ?? {},
  };
  const limit = options.maxConnectAttempts ?? upstreams.length * 2;
  const roster = createRoster(context);
  const tried = new Set<Upstream>();
  let unwanted: Outcome | undefined;
  let failed: Outcome | undefined;
  for (let count = 0; limit === 0 || count < limit; count++) {
    const upstream = await roster.next(ask.deadlineMs);
    if (upstream === undefined) return unwanted ?? { failure: 'no-upstream' };
    if (performance.now() >= ask.deadlineMs) break;
    const outcome = await askUpstream(upstream, prepared, ask);
    tried.add(upstream);
    if ('failure' in outcome) {
      if (!OURS.has(outcome.failure)) upstream.health.suspect();
      failed = outcome;
      if (FINAL.has(outcome.failure)) break;
    } else if (options.failover.includes(outcome.rcode)) {
      unwanted = outcome;
      if (tried.size === upstreams.length) break;
    } else {
      return outcome;
    }
  }
  return unwanted ?? failed ?? { failure: 'timeout' };
}
