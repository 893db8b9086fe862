/**
 * Random and mutated messages: whatever comes in, the core does not trap, writes nothing outside of
 * its room, and what it sends back is a reply to that message that others can read.
 */
import test from 'ava';
import packet from 'dns-packet';
import * as abi from '../../../assembly/abi-dns.js';
import { type Random, createRandom, seedOfRun } from '../../fuzz/frames.js';
import {
  MESSAGE,
  SPACE,
  TYPE,
  cut,
  openDnsCore,
  putCluster,
  query,
  srv,
  value,
  wire,
} from './zone.js';

const SEED = seedOfRun();
/** Steps of a run that was asked for; otherwise as many as there is time for. */
const STEPS = Number(process.env['FUZZ_STEPS'] ?? Infinity);
const TIME_MS = process.env['FUZZ_STEPS'] === undefined ? 5000 : Infinity;
/** Replies that dns-packet decodes: it takes a hundred times as long as the core. */
const DECODED_EACH = 16;
const GUARD = 0xa5;
const GUARD_LEN = 64;
const MESSAGE_MAX = 600;

const dns = openDnsCore({ names: 2048 });
dns.apply((writer) => {
  putCluster(writer, { flags: abi.CUT_F_SHUFFLE, udpMax: 4096 });
  writer.put(1, 0, wire('host'), cut({ flags: abi.CUT_F_HOST }));
  writer.put(2, 0, wire(''), cut({ space: SPACE, flags: abi.CUT_F_RA }));
  const target = `${'a'.repeat(63)}.${'b'.repeat(63)}.testns.svc.cluster.local`;
  const records = Array.from({ length: 40 }, (_, i) => srv(1, i, target));
  const glue = records.map((_, record) => ({
    record,
    name: 6,
    type: TYPE.A,
    rdata: Uint8Array.of(10, 0, 0, record),
  }));
  const name = wire('long.testns.svc.cluster.local');
  writer.put(SPACE, 0, name, value({ type: TYPE.SRV, records, glue }));
});

const Z = 'testns.svc.cluster.local';
const CORPUS: readonly Uint8Array[] = [
  ...['svc1', 'svc0', 'hdlsbig', 'hdls1', 'long', 'external', 'external-to-service'].flatMap(
    (name) =>
      [TYPE.A, TYPE.AAAA, TYPE.SRV, TYPE.ANY, TYPE.CNAME].flatMap((type) => [
        query(`${name}.${Z}`, { type }),
        query(`${name}.${Z}`, { type, edns: 1232, do: true }),
      ]),
  ),
  query('cluster.local', { type: TYPE.SOA }),
  query('1.0.0.10.in-addr.arpa', { type: TYPE.PTR, edns: 4096 }),
  query('1-2-3-4.podns.pod.cluster.local'),
  query('2001-db8--1.podns.pod.cluster.local', { type: TYPE.AAAA }),
  query('a.host'),
  query(''),
  query(`${'0'.repeat(63)}.${'1'.repeat(63)}.${'2'.repeat(63)}.${'3'.repeat(61)}`, { edns: 512 }),
];
const BYTES = [0, 1, 2, 0x0c, 0x29, 0x3f, 0x40, 0x41, 0x5a, 0x7f, 0x80, 0xc0, 0xff];

/** A message of the corpus with a few octets changed, cut, doubled or taken from another one. */
function mutant(random: Random): Uint8Array {
  const base = CORPUS[random(CORPUS.length)] ?? query('');
  let message = Uint8Array.from(base);
  for (let changes = random(5); changes > 0; changes--) {
    const at = random(message.length + 1);
    const octet = random(2) === 0 ? random(256) : (BYTES[random(BYTES.length)] ?? 0);
    const kind = random(6);
    if (kind < 3 && at < message.length) message[at] = octet;
    else if (kind === 3) message = message.slice(0, at);
    else if (kind === 4)
      message = Uint8Array.of(...message.slice(0, at), octet, ...message.slice(at));
    else {
      const other = CORPUS[random(CORPUS.length)] ?? base;
      message = Uint8Array.of(...message.slice(0, at), ...other.slice(random(other.length)));
    }
  }
  return message.slice(0, MESSAGE_MAX);
}

function garbage(random: Random): Uint8Array {
  const message = Uint8Array.from({ length: random(80) }, () => random(256));
  // With a header that lets it through to the question, most of the time.
  if (random(4) > 0)
    message.set([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, random(3)].slice(0, message.length));
  return message;
}

/** Where a question without pointers ends. */
function questionEnd(message: Uint8Array): number {
  let at = abi.DNS_HLEN;
  while (at < message.length && message[at] !== 0) at += (message[at] ?? 0) + 1;
  return at + 5;
}

/** @returns what is wrong with a reply, in words */
function judge(message: Uint8Array, reply: Uint8Array, limit: number, decode: boolean): string {
  const view = Buffer.from(reply);
  const rcode = view.readUInt8(3) & 15;
  if (reply.length > limit) return `${reply.length} bytes where ${limit} may be`;
  if (reply[0] !== message[0] || reply[1] !== message[1]) return 'another ID';
  if ((view.readUInt8(2) & 0x80) === 0) return 'no reply';
  if ((rcode === 1 || rcode === 4) && reply.length > message.length) return 'longer than its query';
  const questions = view.readUInt16BE(4);
  if (questions === 0) return reply.length === abi.DNS_HLEN ? '' : 'records without a question';
  const end = questionEnd(message);
  const echo = view.subarray(abi.DNS_HLEN, end);
  if (!echo.equals(message.subarray(abi.DNS_HLEN, end))) return 'another question';
  if (!decode) return '';
  const decoded = packet.decode(view);
  const records = [decoded.answers, decoded.authorities, decoded.additionals];
  const counts = [6, 8, 10].map((at) => view.readUInt16BE(at));
  if (records.some((section, i) => section?.length !== counts[i])) return 'counts are wrong';
  return packet.encodingLength(decoded) > 0 ? '' : 'empty';
}

for (const [kind, make] of [
  ['mutated', mutant],
  ['random', garbage],
] as const) {
  test(`dns: no ${kind} message traps or gets a reply that is none (seed ${SEED})`, (t) => {
    const random = createRandom(SEED);
    const { core } = dns;
    const deadline = performance.now() + TIME_MS / 2;
    const results = new Map<string, number>();
    let step = 0;
    for (; step < STEPS / 2 && (step % 256 !== 0 || performance.now() < deadline); step++) {
      const message = make(random);
      const flags = random(4) === 0 ? abi.DNS_F_TCP : 0;
      const room = message.length + random(random(3) === 0 ? 4096 : 64);
      const edge = MESSAGE + room;
      core.view.set(message, MESSAGE);
      core.view.fill(GUARD, edge, edge + GUARD_LEN);
      const listener = 1 + random(3);
      const result = core.exports.dnsAnswer(listener, MESSAGE, message.length, room, flags, step);
      const about = `step ${step}: ${Buffer.from(message).toString('hex')} room ${room}`;
      const guard = core.view.subarray(edge, edge + GUARD_LEN);
      if (!guard.every((byte) => byte === GUARD)) t.fail(`${about}: wrote behind its room`);
      if (result > 0) {
        const udp = Math.min(room, 4096);
        const limit = flags === 0 ? udp : room;
        const reply = core.view.slice(MESSAGE, MESSAGE + result);
        const wrong = judge(message, reply, limit, step % DECODED_EACH === 0);
        if (wrong !== '') t.fail(`${about}: ${wrong}`);
      } else {
        const left = core.view.subarray(MESSAGE, MESSAGE + message.length);
        if (Buffer.compare(left, message) !== 0) t.fail(`${about}: changed without a reply`);
      }
      const what = result > 0 ? `rcode ${dns.record16(abi.DNS_RCODE_OFF)}` : `${result}`;
      results.set(what, (results.get(what) ?? 0) + 1);
    }
    t.log(`${step} messages: ${[...results].map(([what, n]) => `${n} ${what}`).join(', ')}`);
    t.true(step > 10_000, 'the machine is very slow');
    for (const what of ['rcode 0', 'rcode 1', 'rcode 5', '0']) {
      t.true(results.has(what) || kind === 'random', `no message was ${what}`);
    }
  });
}

test(`dns: an update of random octets is taken or refused, and answers stay sound (seed ${SEED})`, (t) => {
  const random = createRandom(SEED);
  const fuzzed = openDnsCore({ names: 256 });
  const good = CORPUS.length;
  fuzzed.apply((writer) => writer.put(1, 0, wire('z'), cut({ space: SPACE })));
  const set = value(
    { type: TYPE.A, records: [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 3, 5)] },
    {
      type: TYPE.SRV,
      records: [srv(1, 2, 'x.y'), srv(3, 4, 'longer.z')],
      glue: [{ record: 1, name: 6, type: TYPE.A, rdata: Uint8Array.of(9, 9, 9, 9) }],
    },
    { type: TYPE.CNAME, records: [wire('b.z')] },
  );
  let taken = 0;
  const deadline = performance.now() + 1000;
  for (let step = 0; step % 64 !== 0 || performance.now() < deadline; step++) {
    const bytes = Uint8Array.from(random(8) === 0 ? cut({ space: SPACE }) : set);
    for (let changes = 1 + random(3); changes > 0; changes--) {
      bytes[random(bytes.length)] = random(2) === 0 ? random(256) : random(4);
    }
    const space = random(4) === 0 ? 1 : SPACE;
    const name = wire(['a.z', 'b.z', 'z'][random(3)] ?? '');
    const refused = fuzzed.apply((writer) => {
      writer.put(
        space,
        random(2),
        name,
        bytes.slice(0, random(8) === 0 ? random(bytes.length) : undefined),
      );
    });
    taken += refused.length === 0 ? 1 : 0;
    for (const type of [TYPE.A, TYPE.SRV, TYPE.AAAA, TYPE.SOA, random(65536)]) {
      const message = query(['a.z', 'b.z', 'z'][random(3)] ?? '', { type, edns: 1232 });
      const { result, reply } = fuzzed.ask(message, { room: message.length + random(1300) });
      if (result <= 0) continue;
      const wrong = judge(message, reply, 1300 + message.length, false);
      if (wrong !== '') t.fail(`step ${step}: ${Buffer.from(bytes).toString('hex')}: ${wrong}`);
    }
    if (step % 64 === 0) {
      fuzzed.apply((writer) => writer.put(1, 0, wire('z'), cut({ space: SPACE })));
    }
  }
  t.true(taken > 10 && good > 0);
});
