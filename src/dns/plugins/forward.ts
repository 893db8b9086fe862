/**
 * `forward`: what nobody here knows is asked of upstream servers.
 *
 * The instances of a server block are one plugin: the first whose zone has the name, and does not
 * except it, takes the query; `next` lets another one try.
 *
 * Spec  CoreDNS, plugin/forward
 */
import { CUT_F_RA } from '../../../assembly/abi-dns.js';
import type { Metrics, Setup, SetupContext } from '../chain/setup.js';
import { failAt } from '../corefile/complaint.js';
import type { Directive } from '../corefile/corefile.js';
import { messageOf } from '../../errors.js';
import { createForward } from '../forward/forward.js';
import type { Forward } from '../forward/forward.js';
import type { ForwardHooks } from '../forward/options.js';
import { encodeMessage } from '../message/encode.js';
import { replyTo } from '../message/message.js';
import { formatRcode } from '../message/types.js';
import type { Query, Reply } from '../plugin.js';
import { ANCOUNT_OFF, Rcode, readU16 } from '../wire/header.js';
import { readForward } from './forward-options.js';
import type { ForwardPlan } from './forward-options.js';
import { isInZones } from './zones.js';

const NAME = 'forward';
const MS_PER_SEC = 1000;

interface Instance {
  readonly plan: ForwardPlan;
  readonly forward: Forward;
}

function hooksFor(metrics: Metrics): ForwardHooks {
  const labels = (to: string) => ({ proxy_name: NAME, to });
  return {
    onExchange: ({ upstream, rcode, ms }) => {
      const withRcode = { ...labels(upstream), rcode: formatRcode(rcode) };
      metrics.observe('coredns_proxy_request_duration_seconds', ms / MS_PER_SEC, withRcode);
    },
    onHealthFailure: (upstream) =>
      metrics.count('coredns_proxy_healthcheck_failures_total', labels(upstream)),
    onHealthBroken: () => metrics.count('coredns_forward_healthcheck_broken_total'),
    onConcurrencyReject: () => metrics.count('coredns_forward_max_concurrent_rejects_total'),
    onConnection: ({ upstream, transport, isReused }) => {
      const outcome = isReused ? 'hits' : 'misses';
      const name = `coredns_proxy_conn_cache_${outcome}_total`;
      metrics.count(name, { ...labels(upstream), proto: transport });
    },
  };
}

function open(directive: Directive, context: SetupContext): Instance {
  const plan = readForward(directive, context.folder);
  for (const note of plan.notes) context.log.warn(note);
  const hooks = hooksFor(context.metrics);
  try {
    const options = { ...plan.forward, ownAddresses: context.ownAddresses, hooks };
    return { plan, forward: createForward(options) };
  } catch (error) {
    return failAt(directive.name, messageOf(error));
  }
}

/** Whether an outcome is left to another instance. */
function isLeft({ next, isNextOnNoData }: ForwardPlan, rcode: number, reply?: Uint8Array): boolean {
  if (next.has(rcode)) return true;
  const isEmpty = reply !== undefined && readU16(reply, ANCOUNT_OFF) === 0;
  return isNextOnNoData && isEmpty && rcode === Rcode.NOERROR;
}

async function askOne({ plan, forward }: Instance, query: Query) {
  const transport = query.client.transport === 'udp' ? 'udp' : 'tcp';
  const result = await forward.exchange(query.message, { transport });
  if ('reply' in result) {
    const reply: Reply = { message: result.reply, plugin: NAME };
    return { reply, isLeft: isLeft(plan, result.rcode, result.reply) };
  }
  const { failure, rcode, upstream = 'no upstream' } = result;
  const message = encodeMessage(replyTo(query, { rcode }));
  const reply: Reply = { message, plugin: NAME, problem: `${upstream}: ${failure}` };
  return { reply, isLeft: isLeft(plan, rcode) };
}

export const setUpForward: Setup = (directives, context) => {
  const instances: Instance[] = [];
  try {
    for (const directive of directives) instances.push(open(directive, context));
  } catch (error) {
    void Promise.all(instances.map(({ forward }) => forward.close()));
    throw error;
  }
  return {
    name: NAME,
    claims: { kind: 'none' },
    core: { flags: CUT_F_RA },
    handle: async (query, next) => {
      let last: Reply | undefined;
      for (const instance of instances) {
        const { from, except } = instance.plan;
        if (!isInZones(query.name, [from]) || isInZones(query.name, except)) continue;
        const outcome = await askOne(instance, query);
        if (!outcome.isLeft) return outcome.reply;
        last = outcome.reply;
      }
      return last ?? next(query);
    },
    close: async () => {
      await Promise.all(instances.map(({ forward }) => forward.close()));
    },
  };
};
