/**
 * The sample of queries that the host's chain has answered: as the core's (src/core/query-log.ts), but
 * with the plugin's name.
 */
import { freshOf } from '../../core/query-log.js';
import type { QueryPage, SampledQuery } from '../../core/query-log.js';
import type { HostReply } from '../chain/setup.js';
import { parseRcode } from '../message/types.js';
import { foldName } from '../wire/name.js';

const SLOTS = 64;

export interface HostLog {
  note(reply: HostReply): void;
  /** @param since  `written` of the page before; undefined: all that is there */
  page(since: number | undefined): QueryPage;
}

/**
 * @param every   one reply in so many on average; 0: none
 * @param random  0 up to 1, as `Math.random`
 */
export function createHostLog(every: number, random: () => number, nowMs: () => number): HostLog {
  const ring: SampledQuery[] = [];
  let written = 0;
  let left = 0;
  return {
    note: ({ query, rcode, plugin }) => {
      if (every === 0 || --left > 0) return;
      // Gaps are random, or one of A and AAAA in turn would never be seen.
      left = 1 + Math.floor(random() * (2 * every - 1));
      const { client, name, type } = query;
      ring[written % SLOTS] = {
        timeMs: nowMs(),
        name: foldName(name),
        type,
        rcode: parseRcode(rcode) ?? 0,
        by: plugin,
        client: client.address,
        transport: client.transport,
        ifindex: 0,
      };
      written++;
    },
    page: (since) => {
      const { kept, lost } = freshOf(written, since, SLOTS);
      const queries = Array.from({ length: kept }, (_, i) => ring[(written - kept + i) % SLOTS]);
      return { every, written, lost, queries: queries.filter((each) => each !== undefined) };
    },
  };
}
