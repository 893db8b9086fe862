/** Whether a reply says what the model says, and where two servers say different things. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from './expect.js';
import type { Expected } from './expect.js';
import { meaningOf } from './meaning.js';
import type { Meaning } from './meaning.js';
import type { Model } from './model.js';
import type { Question } from './questions.js';

/** A server that was asked. */
export interface Party {
  /** @returns undefined when nothing comes; `host` when the core leaves it to the chain */
  ask(message: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | 'host' | undefined>;
  /** Largest datagram it sends. */
  readonly udpMax: number;
}

/** Where two say different things, in one line each. */
export type Differences = readonly string[];

const UDP_MIN = 512;
/** Seen from outside, these are said of the server and not of the cluster. */
const isOfServer = (name: string): boolean => name.startsWith('ns.dns.');

const line = (what: string, expected: unknown, got: unknown): string =>
  `${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`;

function outcomeOf(reply: Uint8Array | undefined): string {
  return reply === undefined ? 'DROP' : meaningOf(reply).rcode;
}

const isSubset = (some: readonly string[], all: readonly string[]): boolean =>
  some.every((each) => all.includes(each));

/** What has to be the same however little room there was. */
function differFrom({ rcode, isAuthoritative, soaOf }: Expected, got: Meaning): string[] {
  const wanted = { rcode, isAuthoritative, soaOf };
  return Object.entries(wanted).flatMap(([key, value]) => {
    const own = got[key as keyof typeof wanted];
    return own === value ? [] : [line(key, value, own)];
  });
}

function differInRecords(expected: Expected, got: Meaning, isWhole: boolean): string[] {
  const differences: string[] = [];
  const { answers, glue } = expected;
  const isFit = isWhole ? isDeepStrictEqual(got.answers, answers) : isSubset(got.answers, answers);
  if (!isFit) differences.push(line('answers', answers, got.answers));
  const isGlueFit = isWhole ? isDeepStrictEqual(got.glue, glue) : isSubset(got.glue, glue);
  if (!isGlueFit) differences.push(line('additionals', glue, got.glue));
  return differences;
}

async function compareWhole(
  party: Party,
  { message, name }: Question,
  expected: Expected,
): Promise<Differences> {
  const reply = await party.ask(message, 'tcp');
  if (reply === undefined || reply === 'host') return [line('over TCP', 'a reply', reply)];
  const got = meaningOf(reply);
  const differences = [...differFrom(expected, got), ...differInRecords(expected, got, true)];
  if (got.isTruncated) differences.push('TC over TCP');
  if (got.owner !== undefined && got.owner !== name) {
    differences.push(line('owner', name, got.owner));
  }
  return differences;
}

/** Ask a question over UDP and over TCP. @returns where the replies are not what the model says */
export async function compareWithModel(
  party: Party,
  model: Model,
  question: Question,
): Promise<Differences> {
  const { message, name, type, udpSize = 0, fault } = question;
  const reply = await party.ask(message, 'udp');
  if (fault !== undefined) {
    const outcome = reply === 'host' ? reply : outcomeOf(reply);
    return outcome === fault ? [] : [line('outcome', fault, outcome)];
  }
  const key = name.toLowerCase();
  if (isOfServer(key) || type === 'NS') return [];
  const expected = expect(model, key, type);
  if (expected.outside !== undefined) {
    return reply === 'host' ? [] : [line('reply', 'one of the host', reply)];
  }
  if (reply === undefined || reply === 'host') return [line('reply', expected, reply)];
  const limit = Math.max(UDP_MIN, Math.min(udpSize, party.udpMax));
  const got = meaningOf(reply);
  const differences = [...differFrom(expected, got), ...differInRecords(expected, got, false)];
  if (reply.length > limit) differences.push(line('octets', `${limit} at most`, reply.length));
  if (!got.isTruncated && got.answers.length !== expected.answers.length) {
    differences.push(line('answers without TC', expected.answers.length, got.answers.length));
  }
  return [...differences, ...(await compareWhole(party, question, expected))];
}

/** Ask both over TCP. @returns where they do not say the same; additional records are optional */
export async function compareParties(
  ours: Party,
  theirs: Party,
  question: Question,
): Promise<Differences> {
  const transport = question.fault === undefined ? 'tcp' : 'udp';
  const [a, b] = await Promise.all([
    ours.ask(question.message, transport),
    theirs.ask(question.message, transport),
  ]);
  if (a === 'host' || b === 'host') return [line('reply', b, a)];
  if (a === undefined || b === undefined || question.fault !== undefined) {
    const [own, other] = [outcomeOf(a), outcomeOf(b)];
    return own === other ? [] : [line('outcome', other, own)];
  }
  const [own, other] = [meaningOf(a), meaningOf(b)];
  return (['rcode', 'isAuthoritative', 'answers', 'soaOf'] as const).flatMap((key) =>
    isDeepStrictEqual(own[key], other[key]) ? [] : [line(key, other[key], own[key])],
  );
}
