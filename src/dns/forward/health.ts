/**
 * Whether an upstream is worth asking.
 *
 * Nobody is probed while all is well. After a query has failed, its upstream is asked for NS records
 * until it replies, with anything; the probes that fail in a row are what makes it down.
 *
 * Spec  CoreDNS, plugin/pkg/proxy: Healthcheck, Down
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  FLAGS_OFF,
  FLAG_QR,
  FLAG_RD,
  HEADER_SIZE,
  QDCOUNT_OFF,
  RecordClass,
  RecordType,
  readU16,
  writeU16,
} from '../wire/header.js';
import { parseName } from '../wire/name.js';
import type { Link } from './attempt.js';
import type { HealthCheckOptions } from './options.js';

export interface Health {
  /** A query failed: find out whether the upstream is there. */
  suspect(): void;
  isDown(): boolean;
  /** Probes that failed in a row. */
  fails(): number;
  stop(): void;
}

export interface HealthOptions {
  readonly check: HealthCheckOptions;
  readonly maxFails: number;
  readonly probeMs: number;
  readonly onFailure: () => void;
}

/** `domain NS`, id 0. @throws DataplaneError ERR_CONFIG  the domain is no name */
export function probeQuery({ domain, noRec }: HealthCheckOptions): Uint8Array {
  const name = parseName(domain);
  const query = new Uint8Array(HEADER_SIZE + name.length + 4);
  writeU16(query, FLAGS_OFF, noRec ? 0 : FLAG_RD);
  writeU16(query, QDCOUNT_OFF, 1);
  query.set(name, HEADER_SIZE);
  writeU16(query, HEADER_SIZE + name.length, RecordType.NS);
  writeU16(query, HEADER_SIZE + name.length + 2, RecordClass.IN);
  return query;
}

export function createHealth(link: Link, options: HealthOptions): Health {
  const { check, maxFails, probeMs, onFailure } = options;
  const query = probeQuery(check);
  const stopping = new AbortController();
  let fails = 0;
  let isProbing = false;

  const isAnswered = async (): Promise<boolean> => {
    const attempt = await link.ask(query, probeMs);
    return 'reply' in attempt && (readU16(attempt.reply, FLAGS_OFF) & FLAG_QR) !== 0;
  };

  /** Probe until there is a reply. */
  const probe = async (): Promise<void> => {
    for (;;) {
      if (await isAnswered()) {
        fails = 0;
        return;
      }
      if (stopping.signal.aborted) return;
      fails = Math.min(fails + 1, Number.MAX_SAFE_INTEGER);
      onFailure();
      const pause = { signal: stopping.signal, ref: false };
      await delay(check.intervalMs, undefined, pause).catch(() => undefined);
    }
  };

  return {
    suspect: () => {
      if (maxFails === 0 || isProbing || stopping.signal.aborted) return;
      isProbing = true;
      void probe().finally(() => {
        isProbing = false;
      });
    },
    isDown: () => maxFails > 0 && fails > maxFails,
    fails: () => fails,
    stop: () => {
      stopping.abort();
    },
  };
}
