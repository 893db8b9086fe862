import test from 'ava';
import { checkReply } from '../../../src/dns/forward/check.js';
import { hex } from '../wire/hex.js';
import { startDouble } from './double.js';
import { ask, decoded, forwardTo, query } from './rig.js';

/** `a. A IN`, as it was sent; its answers start at octet 19. */
const QUESTION = '0161 00 0001 0001';
const A = 'c00c 0001 0001 00000005 0004 01020304';
const wire = hex(`0000 0100 0001 0000 0000 0000 ${QUESTION}`);
const asked = { wire, isExact: true };
const reply = (flags: string, counts: string, rest: string) =>
  hex(`0000 ${flags} 0001 ${counts} ${QUESTION} ${rest}`);

/** Replies to the right question that are broken behind it. */
const BROKEN: Readonly<Record<string, Uint8Array>> = {
  'a record header cut off': reply('8180', '0001 0000 0000', 'c00c 0001 0001 0000'),
  'RDLEN past the end': reply('8180', '0001 0000 0000', 'c00c 0001 0001 00000005 0010 01020304'),
  'A with RDLEN 3': reply('8180', '0001 0000 0000', 'c00c 0001 0001 00000005 0003 010203'),
  'A with RDLEN 5': reply('8180', '0001 0000 0000', 'c00c 0001 0001 00000005 0005 0102030405'),
  'a CNAME target that points to itself': reply(
    '8180',
    '0001 0000 0000',
    'c00c 0005 0001 00000005 0002 c01f',
  ),
  'an owner that points forward': reply(
    '8180',
    '0001 0000 0000',
    'c01f 0001 0001 00000005 0004 01610000',
  ),
  'ancount 65535 with one record': reply('8180', 'ffff 0000 0000', A),
  'TC=1 and half a record': reply('8380', '0002 0000 0000', `${A} c00c 0001 00`),
  'two OPT records': reply(
    '8180',
    '0000 0000 0002',
    '00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000',
  ),
};

for (const [what, bytes] of Object.entries(BROKEN)) {
  test(`broken reply: ${what}: TC=1 to a client of UDP, SERVFAIL to one of TCP`, async (t) => {
    t.deepEqual(checkReply(Uint8Array.from(bytes), asked), { kind: 'malformed' });
    const upstream = await startDouble(t, ({ packet }, send) => {
      const copy = Buffer.from(bytes);
      copy.writeUInt16BE(packet.id ?? 0, 0);
      send(copy);
    });
    const forward = forwardTo(t, [upstream], { randomizeCase: false, maxFails: 0 });
    const udp = decoded(t, await ask(forward, query('a')));
    t.like(udp, { flag_tc: true, answers: [], authorities: [], additionals: [] });
    t.like(await ask(forward, query('a'), 'tcp'), { failure: 'malformed', rcode: 2 });
  });
}

for (const [what, bytes, kind] of [
  ['another name', '0000 8180 0001 0000 0000 0000 0162 00 0001 0001', 'mismatch'],
  ['another type', '0000 8180 0001 0000 0000 0000 0161 00 001c 0001', 'mismatch'],
  ['QR=0', `0000 0180 0001 0000 0000 0000 ${QUESTION}`, 'mismatch'],
  ['two questions', `0000 8180 0002 0000 0000 0000 ${QUESTION} ${QUESTION}`, 'mismatch'],
  ['no question', '0000 8180 0000 0000 0000 0000', 'mismatch'],
  ['a name that goes on', '0000 8180 0001 0000 0000 0000 0161 0162 00 0001 0001', 'mismatch'],
  ['a label of the other case', '0000 8180 0001 0000 0000 0000 0141 00 0001 0001', 'recased'],
  ['a question cut off', '0000 8180 0001 0000 0000 0000 0161 00 0001', 'malformed'],
  ['a pointer for a question', '0000 8180 0001 0000 0000 0000 c00c 0001 0001', 'malformed'],
  ['nothing wrong', `0000 8180 0001 0001 0000 0000 ${QUESTION} ${A}`, 'good'],
] as const) {
  test(`reply with ${what} is ${kind}`, (t) => {
    t.is(checkReply(hex(bytes), asked).kind, kind);
  });
}
