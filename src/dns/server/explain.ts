/**
 * What a query would be answered, and by whom: it is answered, but nothing is counted or sampled and
 * nothing is sent. Plugins do all that they do for any query: `log` tells, `cache` keeps.
 */
import {
  CUT_SPACE_OFF,
  DNS_BASE,
  DNS_CUT_OFF,
  DNS_F_IPV6,
  DNS_F_TCP,
  DNS_F_UNCOUNTED,
  DNS_HOST,
  DNS_NAME_LEN_OFF,
  DNS_NAME_OFF,
  DNS_WHY_OFF,
  DNS_ZONE_LABELS_OFF,
} from '../../../assembly/abi-dns.js';
import type { DnsWhy } from '../../../assembly/abi-dns.js';
import { monotonicMs } from '../../native.js';
import type { DnsProgram } from '../chain/program.js';
import type { Client } from '../plugin.js';
import { formatName, labelOffsets } from '../wire/name.js';
import { STREAM_SIZE } from './answerer.js';
import type { Answerer } from './answerer.js';

export interface Explained {
  /** What the core says of it: who of it answers, or why it is the host's. */
  readonly why: DnsWhy;
  /** The chain was asked. */
  readonly isHosts: boolean;
  /** Zone of the listener that the name belongs to; undefined: to none. */
  readonly zone: string | undefined;
  /** Of that zone's names; 0: it has none. */
  readonly space: number;
  /** The reply; empty: there is none. */
  readonly message: Uint8Array;
  /** Of the chain: who has answered; empty: no plugin has. */
  readonly plugin: string;
  /** What went wrong in it. */
  readonly problem: string | undefined;
}

export interface ToExplain {
  readonly listener: number;
  readonly message: Uint8Array;
  readonly client: Client;
}

/** Zone and space of the cut that the core has found. */
function cutOf({ view, words }: Answerer): Pick<Explained, 'zone' | 'space'> {
  const cut = words.getUint32(DNS_BASE + DNS_CUT_OFF, true);
  if (cut === 0) return { zone: undefined, space: 0 };
  const nameAt = DNS_BASE + DNS_NAME_OFF;
  const name = view.slice(nameAt, nameAt + words.getUint8(DNS_BASE + DNS_NAME_LEN_OFF));
  const labels = words.getUint16(DNS_BASE + DNS_ZONE_LABELS_OFF, true);
  const zone = name.subarray(labelOffsets(name).at(-1 - labels) ?? 0);
  return { zone: formatName(zone), space: words.getUint16(cut + CUT_SPACE_OFF, true) };
}

/** Ask the core, and the chain where the core says so. As by TCP: nothing is cut. Never rejects. */
export async function explain(
  core: Answerer,
  program: Pick<DnsProgram, 'resolve'>,
  { listener, message, client }: ToExplain,
): Promise<Explained> {
  const { exports, view, words, space } = core;
  view.set(message, space.streamAt);
  const family = client.address.family === 6 ? DNS_F_IPV6 : 0;
  const length = exports.dnsAnswer(
    listener,
    space.streamAt,
    message.length,
    STREAM_SIZE - 1,
    DNS_F_TCP | DNS_F_UNCOUNTED | family,
    monotonicMs(),
  );
  const why: DnsWhy = words.getUint32(DNS_BASE + DNS_WHY_OFF, true);
  const found = { why, ...cutOf(core) };
  if (length !== DNS_HOST) {
    const reply = view.slice(space.streamAt, space.streamAt + Math.max(length, 0));
    return { ...found, isHosts: false, message: reply, plugin: '', problem: undefined };
  }
  const resolved = await program.resolve(listener, message, client);
  return {
    ...found,
    isHosts: true,
    message: resolved?.message ?? new Uint8Array(),
    plugin: resolved?.plugin ?? '',
    problem: resolved?.problem,
  };
}
