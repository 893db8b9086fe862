/**
 * `sluice dns top`: who asks for what, and what is answered, from samples of all who answer. Nothing is
 * kept between two looks: a look is a few pages of each sample, added up.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { formatAddress } from '../addr.js';
import type { Address } from '../addr.js';
import type { QueryPage, QuerySource, SampledQuery } from '../core/query-log.js';
import { formatRcode, formatType } from '../dns/message/types.js';
import { formatName } from '../dns/wire/name.js';
import { formatTable } from '../ops/format.js';
import { WHY_WORDS } from './explain.js';

export interface TopRow {
  readonly what: string;
  /** How many queries it stands for. */
  readonly queries: number;
}

export interface TopReport {
  /** Looked for so long; 0: what the samples still had. */
  readonly seconds: number;
  /** Queries that were sampled, and about how many they stand for. */
  readonly sampled: number;
  readonly queries: number;
  /** Sampled, and overwritten before they were read. */
  readonly lost: number;
  readonly names: readonly TopRow[];
  readonly types: readonly TopRow[];
  readonly rcodes: readonly TopRow[];
  readonly clients: readonly TopRow[];
  readonly answeredBy: readonly TopRow[];
}

const TOPICS = ['names', 'types', 'rcodes', 'clients', 'answeredBy'] as const;
type Topic = (typeof TOPICS)[number];

/** A ring holds what is sampled of some ten thousand queries a second in this time. */
const PAGE_MS = 100;
export const SECONDS_MAX = 10;
const ROWS = 20;

function byOf({ by }: SampledQuery): string {
  if (typeof by === 'number') return WHY_WORDS[by][0];
  return by === '' ? 'no plugin' : `plugin ${by}`;
}

function clientOf({ client }: SampledQuery, podAt: (address: Address) => string | undefined) {
  if (client === undefined) return '?';
  const pod = podAt(client);
  return pod === undefined ? formatAddress(client) : `${formatAddress(client)} (${pod})`;
}

/** Sums by topic and text. */
function createTally(podAt: (address: Address) => string | undefined) {
  const sums = new Map<Topic, Map<string, number>>(TOPICS.map((topic) => [topic, new Map()]));
  let sampled = 0;
  let queries = 0;
  let lost = 0;
  const top = (topic: Topic): TopRow[] =>
    [...(sums.get(topic) ?? [])]
      .map(([what, count]) => ({ what, queries: count }))
      .sort((a, b) => b.queries - a.queries || (a.what < b.what ? -1 : 1))
      .slice(0, ROWS);
  return {
    add: (page: QueryPage): void => {
      lost += page.lost;
      for (const each of page.queries) {
        sampled++;
        queries += page.every;
        const texts: Record<Topic, string> = {
          names: each.name.length === 0 ? '(unreadable)' : formatName(each.name),
          types: each.name.length === 0 ? '-' : formatType(each.type),
          rcodes: formatRcode(each.rcode),
          clients: clientOf(each, podAt),
          answeredBy: byOf(each),
        };
        for (const topic of TOPICS) {
          const sum = sums.get(topic);
          sum?.set(texts[topic], (sum.get(texts[topic]) ?? 0) + page.every);
        }
      }
    },
    report: (seconds: number): TopReport => ({
      ...{ seconds, sampled, queries, lost },
      names: top('names'),
      types: top('types'),
      rcodes: top('rcodes'),
      clients: top('clients'),
      answeredBy: top('answeredBy'),
    }),
  };
}

/**
 * Add up what is sampled from now on.
 *
 * @param seconds  0 to SECONDS_MAX; 0: what the samples still have of the past
 */
export async function watchQueries(
  sources: readonly QuerySource[],
  seconds: number,
  podAt: (address: Address) => string | undefined,
): Promise<TopReport> {
  const tally = createTally(podAt);
  const first = await Promise.all(sources.map((source) => source(undefined)));
  if (seconds === 0) {
    for (const page of first) tally.add(page);
    return tally.report(0);
  }
  const since = first.map(({ written }) => written);
  const look = async (source: QuerySource, i: number): Promise<void> => {
    const page = await source(since[i]);
    since[i] = page.written;
    tally.add(page);
  };
  for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs;) {
    await delay(Math.min(PAGE_MS, endMs - Date.now()));
    await Promise.all(sources.map(look));
  }
  return tally.report(seconds);
}

const HEADINGS: Readonly<Record<Topic, string>> = {
  names: 'NAME',
  types: 'TYPE',
  rcodes: 'RCODE',
  clients: 'CLIENT',
  answeredBy: 'ANSWERED BY',
};

/** A table for each topic, with shares of all. */
export function formatTop(report: TopReport): string {
  const { seconds, sampled, queries, lost } = report;
  const span = seconds === 0 ? 'the latest samples' : `${seconds} s`;
  const missed = lost === 0 ? '' : `, ${lost} more samples overwritten`;
  const head = `${span}: about ${queries} queries (${sampled} sampled${missed})`;
  const tables = TOPICS.map((topic) =>
    formatTable(
      ['QUERIES', 'SHARE', HEADINGS[topic]],
      report[topic].map(({ what, queries: count }) => [
        String(count),
        `${((100 * count) / Math.max(queries, 1)).toFixed(1)}%`,
        what,
      ]),
    ),
  );
  return sampled === 0 ? head : [head, ...tables].join('\n\n');
}
