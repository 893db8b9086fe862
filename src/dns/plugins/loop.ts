/**
 * `loop`: one query for a random name is asked of ourselves. If it comes again, whoever we forward to
 * forwards to us, and nobody would ever answer.
 *
 * Spec  CoreDNS, plugin/loop
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseAddress } from '../../addr.js';
import type { Setup } from '../chain/setup.js';
import { argumentsOf } from '../corefile/arguments.js';
import { queryOf } from '../message/decode.js';
import { encodeMessage } from '../message/encode.js';
import type { Client, Query, WireName } from '../plugin.js';
import { FLAG_RD, RecordClass, RecordType } from '../wire/header.js';
import { formatName, parseName, sameName } from '../wire/name.js';

/** The first time is our own; twice may be a repetition. */
const SEEN_MAX = 2;
const PROBES_MAX = 5;
const RETRY_MS = 2_000;
const LABEL_RANGE = 2 ** 31;

const OURSELVES: Client = {
  address: parseAddress('127.0.0.1'),
  port: 1,
  transport: 'udp',
  server: { address: parseAddress('127.0.0.1'), port: 53 },
};

/** Two random labels below the zone, as nobody else asks for them. */
function probeName(zone: WireName, random: () => number): WireName {
  const label = (): string => String(Math.floor(random() * LABEL_RANGE));
  const below = zone.length === 1 ? '' : formatName(zone);
  return parseName(`${label()}.${label()}.${below}`);
}

function probeFor(name: WireName, random: () => number): Query | undefined {
  const message = encodeMessage({
    id: Math.floor(random() * 0x10000),
    flags: FLAG_RD,
    rcode: 0,
    question: { name, type: RecordType.HINFO, class: RecordClass.IN },
    answer: [],
    authority: [],
    additional: [],
    edns: undefined,
  });
  return queryOf(message, OURSELVES);
}

export const setUpLoop: Setup = (directives, context) => {
  for (const directive of directives) argumentsOf(directive).end();
  const { ask, random, fail, zones } = context;
  const [zone = Uint8Array.of(0)] = zones;
  const name = probeName(zone, random);
  const probe = probeFor(name, random);
  const closing = new AbortController();
  let seen = 0;

  /** Until somebody behind us has said something. */
  const run = async (): Promise<void> => {
    for (let left = PROBES_MAX; left > 0 && probe !== undefined; left--) {
      await wait(RETRY_MS, undefined, { signal: closing.signal, ref: false });
      seen = 0;
      const reply = await ask(probe);
      if (reply.problem === undefined) return;
    }
  };
  const running = run().catch(() => undefined);

  return {
    name: 'loop',
    claims: { kind: 'none' },
    handle: (query, next) => {
      if (query.type === RecordType.HINFO && sameName(query.name, name) && ++seen > SEEN_MAX) {
        fail(
          `loop: a query for ${formatName(name)} came back ${SEEN_MAX} times: an upstream of zone ${formatName(zone)} asks us in turn`,
        );
      }
      return next(query);
    },
    close: async () => {
      closing.abort();
      await running;
    },
  };
};
