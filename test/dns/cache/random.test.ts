/**
 * Replies that nobody would send, from a seed: whatever the core keeps of them, it gives back as a
 * message that dns-packet reads, no longer than allowed, and it never traps.
 */
import test from 'ava';
import { CachePut } from '../../../assembly/abi-cache.js';
import * as abi from '../../../assembly/abi-dns.js';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { createNamesWriter } from '../../../src/core/names-writer.js';
import { cut, query, wire } from '../core/zone.js';
import { NAME, STALE, a, cname, decode, openCache, reply, soa } from './upstream.js';
import type { Decoded } from './upstream.js';

const SEED = Number(process.env['CACHE_SEED'] ?? 0x5eed);
const MESSAGE = SCRATCH_BASE + 0x40000;
const ROUNDS = 20_000;

/** Marsaglia's xorshift, 32 bits. */
function random(seed: number): (below: number) => number {
  let x = seed | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

const BASES = [
  reply({ answers: [a(NAME, '192.0.2.1'), a(NAME, '192.0.2.2')] }),
  reply({ answers: [cname(NAME, 'web.example.org'), a('web.example.org', '192.0.2.1')] }),
  reply({ rcode: 3, authorities: [soa('example.org')] }),
  reply({
    answers: [a(NAME, '192.0.2.1')],
    authorities: [{ type: 'NS', name: 'example.org', ttl: 9, data: 'ns.example.org' }],
    additionals: [
      a('ns.example.org', '192.0.2.53'),
      { type: 'OPT', name: '.', udpPayloadSize: 512, flags: 0, options: [] } as never,
    ],
  }),
];

/** Records out of pieces that look like records: names, pointers, types, lengths, nearly right. */
function assembled(next: (below: number) => number): Uint8Array {
  const head = BASES[0]?.subarray(0, 12 + wire(NAME).length + 4) ?? new Uint8Array();
  const bytes = [...head];
  const counts = [0, 0, 0];
  const records = 1 + next(12);
  const spots = [12, 16, 24, 28];
  const pointer = (): number[] => {
    const to = next(8) === 0 ? next(bytes.length + 8) : (spots[next(spots.length)] ?? 12);
    return [0xc0 | (to >> 8), to & 255];
  };
  const name = (): number[] => {
    const label = [1 + next(3), ...Array.from({ length: 3 }, () => 97 + next(4))];
    const one = label.slice(0, 1 + (label[0] ?? 0));
    const spelled = [
      () => pointer(),
      () => [...one, ...pointer()],
      () => [...wire(NAME)],
      () => [0],
      () => [...one, 0],
    ];
    return (spelled[next(spelled.length)] ?? pointer)();
  };
  for (let i = 0, section = 0; i < records; i++) {
    section = Math.min(2, section + (next(3) % 2));
    const types = [1, 5, 6, 2, 15, 16, 28, 33, 41, 46, 39, 65, 99];
    const type = types[next(types.length)] ?? 1;
    const data: number[] = [];
    spots.push(bytes.length);
    bytes.push(...(next(3) === 0 ? name() : [0xc0, 12]));
    if (type === 1) data.push(192, 0, 2, next(256));
    else if (type === 28) data.push(...Array.from({ length: 16 }, () => next(256)));
    else if (type === 6)
      data.push(...name(), ...name(), ...Array.from({ length: 20 }, () => next(256)));
    else if (type === 15) data.push(0, 10, ...name());
    else if (type === 33) data.push(0, 1, 0, 2, 0, 3, ...name());
    else if ([5, 2, 39].includes(type)) data.push(...name());
    else if (type === 16) data.push(2, 97, 98);
    if (next(20) === 0) data.pop();
    bytes.push(0, type, 0, type === 41 ? 200 : 1, 0, 0, next(4), next(256), 0, data.length);
    spots.push(bytes.length);
    bytes.push(...data);
    counts[section] = (counts[section] ?? 0) + 1;
  }
  const message = Uint8Array.from(bytes);
  counts.forEach((count, i) => (message[7 + 2 * i] = count));
  if (next(4) === 0) message[3] = 0x80 | next(16);
  return message;
}

/** A sound reply with some octets changed, cut or put in. */
function damaged(next: (below: number) => number): Uint8Array {
  const message = [...(BASES[next(BASES.length)] ?? [])];
  for (let n = 1 + next(4); n > 0; n--) {
    const at = next(5) === 0 ? next(message.length) : 12 + next(message.length - 12);
    const kind = next(4);
    if (kind === 0) message.splice(at, 1 + next(3));
    else if (kind === 1) message.splice(at, 0, next(256));
    else message[at] = kind === 2 ? 0xc0 : next(256);
  }
  return Uint8Array.from(message);
}

for (const [what, make] of [
  ['damaged', damaged],
  ['assembled', assembled],
] as const) {
  test(`cache: random replies, ${what}: what is given is sound and no longer than allowed`, (t) => {
    const next = random(SEED);
    const cache = openCache({ stale: STALE }, { cache: 512, replyBytes: 1 << 16 });
    const { core, caches, id } = cache;
    const writer = createNamesWriter();
    writer.put(1, 0, wire(''), cut({ cache: id, flags: abi.CUT_F_SHUFFLE }));
    core.applyNames(writer.take());
    let kept = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const message = make(next);
      const before = message.slice();
      const type = next(2) === 0 ? 1 : 5;
      if (type === 5 && message.length > 12 + wire(NAME).length + 1)
        message[12 + wire(NAME).length + 1] = 5;
      const seen = `seed ${SEED} round ${round} ${Buffer.from(before).toString('hex')}`;
      const { result } = caches.keep(id, query(NAME, { type }), message);
      if (result === CachePut.STORED) {
        kept++;
        const wanted = decode(message);
        // A failure yields to the success of an earlier round.
        const isFailure = ['SERVFAIL', 'NOTIMP'].includes(wanted.rcode);
        // Less than the shortest TTL: what was put last goes before what is there.
        cache.pass(next(5));
        const wishes = { type, ...(next(2) === 0 ? {} : { edns: 512 + next(300) }) };
        const asked = query(NAME, wishes);
        const room = 65535;
        core.view.fill(0xee, MESSAGE, MESSAGE + room);
        core.view.set(asked, MESSAGE);
        const n = core.exports.dnsAnswer(1, MESSAGE, asked.length, room, 0, cache.nowMs());
        if (n <= 0 || n > Math.max(512, wishes.edns ?? 0)) t.fail(`${n} bytes: ${seen}`);
        if (core.view[MESSAGE + n] !== 0xee) t.fail(`written behind the end: ${seen}`);
        let given: Decoded | undefined;
        try {
          given = decode(core.view.slice(MESSAGE, MESSAGE + n));
        } catch {
          t.fail(`not to be read: ${seen}`);
        }
        const types = (sections: Decoded | undefined): string =>
          (sections?.answers ?? []).map((rr) => rr.type).join();
        if (!isFailure && given?.flag_tc === false && types(given) !== types(wanted))
          t.fail(`other records: ${seen}`);
        const whole = caches.get(id, query(NAME, { type }));
        const names = (sections: Decoded | undefined): string =>
          [...(sections?.answers ?? []), ...(sections?.authorities ?? [])]
            .map((rr) => rr.name.toLowerCase())
            .join();
        const isSame = whole !== undefined && names(decode(whole.reply)) === names(wanted);
        if (!isFailure && !isSame) t.fail(`other names: ${seen}`);
      }
    }
    t.log(`${kept} of ${ROUNDS} kept`);
    t.true(kept > ROUNDS / 100, `${kept} kept`);
    caches.close(id);
  });
}
