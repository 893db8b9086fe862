/**
 * A client's query as upstreams get it: header, question, OPT record. Nothing else goes out, and
 * header bits that mean nothing in a query are cleared.
 *
 * Spec  RFC 1035 4.1; RFC 6840 5.7 (AD in queries)
 */
import {
  ARCOUNT_OFF,
  FLAGS_OFF,
  FLAG_AD,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  HEADER_SIZE,
  ID_OFF,
  opcodeOf,
  QDCOUNT_OFF,
  Rcode,
  readU16,
  writeU16,
} from '../wire/header.js';
import type { Message } from '../wire/message.js';
import { walkMessage, wantsDnssec } from '../wire/message.js';
import { nameKey } from '../wire/name.js';
import type { ClientTransport } from './options.js';

const PASSED_FLAGS = FLAG_RD | FLAG_AD | FLAG_CD;

export interface Prepared {
  /** As the client sent it. */
  readonly client: Message;
  /** As upstreams get it, id 0, the client's case. */
  readonly wire: Uint8Array;
  /** Octet behind the question: the same in both. */
  readonly questionEnd: number;
  /** Queries with one key have one answer. */
  readonly key: string;
}

/** Queries that one upstream reply answers: same question, same wishes, same transport. */
function keyOf(client: Message, questionEnd: number, transport: ClientTransport): string {
  const question = client.bytes.subarray(HEADER_SIZE, questionEnd);
  const name = nameKey(question.subarray(0, -4));
  const tail = Buffer.from(question.subarray(-4)).toString('latin1');
  const edns = client.opt === undefined ? '' : wantsDnssec(client) ? 'D' : 'E';
  return `${transport}${client.flags & PASSED_FLAGS}${edns}/${tail}${name}`;
}

/** @returns the rcode for the client when its query is none that can be forwarded */
export function prepare(query: Uint8Array, transport: ClientTransport): Prepared | Rcode {
  if (query.length >= HEADER_SIZE && opcodeOf(readU16(query, FLAGS_OFF)) !== 0) {
    return Rcode.NOTIMP;
  }
  // The caller may use its buffer again before the reply is there.
  const bytes = new Uint8Array(query);
  const client = walkMessage(bytes);
  if ('malformed' in client) return Rcode.FORMERR;
  const [question, ...more] = client.questions;
  const isQuery = (client.flags & FLAG_QR) === 0;
  const isOdd = client.records.some(({ section }) => section !== 'additional');
  if (question === undefined || more.length > 0 || !isQuery || isOdd) return Rcode.FORMERR;
  const questionEnd = question.end;
  const { opt } = client;
  const optBytes = opt === undefined ? new Uint8Array(0) : bytes.subarray(opt.nameOff, opt.end);
  const wire = new Uint8Array(questionEnd + optBytes.length);
  wire.set(bytes.subarray(0, questionEnd));
  wire.set(optBytes, questionEnd);
  wire.fill(0, ID_OFF, HEADER_SIZE);
  writeU16(wire, FLAGS_OFF, client.flags & PASSED_FLAGS);
  writeU16(wire, QDCOUNT_OFF, 1);
  writeU16(wire, ARCOUNT_OFF, opt === undefined ? 0 : 1);
  return { client, wire, questionEnd, key: keyOf(client, questionEnd, transport) };
}
