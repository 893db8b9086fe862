import test from 'ava';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { parseAddress } from '../../../src/addr.js';
import { queryOf } from '../../../src/dns/message/decode.js';
import { finishReply } from '../../../src/dns/message/finish.js';
import type { Client, Query } from '../../../src/dns/plugin.js';

const CLIENT: Client = {
  address: parseAddress('192.0.2.1'),
  port: 4242,
  transport: 'udp',
  server: { address: parseAddress('192.0.2.53'), port: 53 },
};
const UDP_MAX = { udpMax: 1232 };

interface Asked {
  readonly name?: string;
  readonly udpSize?: number;
  readonly isDnssecOk?: boolean;
  readonly flags?: number;
  readonly transport?: Client['transport'];
}

const ask = (asked: Asked = {}): Query => {
  const { name = 'wWw.eXample.org', udpSize, isDnssecOk = false, flags, transport } = asked;
  const additionals: dnsPacket.OptAnswer[] =
    udpSize === undefined
      ? []
      : [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: udpSize,
            flags: isDnssecOk ? dnsPacket.DNSSEC_OK : 0,
            options: [],
          } as unknown as dnsPacket.OptAnswer,
        ];
  const message = dnsPacket.encode({
    type: 'query',
    id: 0x1234,
    flags: flags ?? dnsPacket.RECURSION_DESIRED,
    questions: [{ type: 'A', name }],
    additionals,
  });
  const query = queryOf(message, { ...CLIENT, transport: transport ?? 'udp' });
  if (query === undefined) throw new Error('no query');
  return query;
};

const reply = (over: Partial<dnsPacket.Packet> = {}): Uint8Array =>
  dnsPacket.encode({
    type: 'response',
    id: 9,
    flags: dnsPacket.AUTHORITATIVE_ANSWER | dnsPacket.RECURSION_AVAILABLE,
    questions: [{ type: 'A', name: 'www.example.org' }],
    answers: [{ type: 'A', name: 'www.example.org', ttl: 5, data: '192.0.2.80' }],
    ...over,
  });

const addresses = (count: number): dnsPacket.Answer[] =>
  Array.from({ length: count }, (_, i) => ({
    type: 'A',
    name: 'www.example.org',
    ttl: 5,
    data: `192.0.2.${i}`,
  }));

const read = (bytes: Uint8Array): dnsPacket.DecodedPacket => dnsPacket.decode(Buffer.from(bytes));

test('a reply gets the ID, the letters, RD and CD of the query', (t) => {
  const flags = dnsPacket.RECURSION_DESIRED | dnsPacket.CHECKING_DISABLED;
  const packet = read(finishReply(ask({ flags }), reply(), UDP_MAX));
  t.is(packet.id, 0x1234);
  t.is(packet.questions?.[0]?.name, 'wWw.eXample.org');
  t.true(packet.flag_rd && packet.flag_cd && packet.flag_aa && packet.flag_ra);
  t.false(read(finishReply(ask({ flags: 0 }), reply(), UDP_MAX)).flag_rd);
});

test('[dns 68] who sends OPT gets one, with our size and its DO, behind all records', (t) => {
  const query = ask({ udpSize: 4096, isDnssecOk: true });
  for (const additionals of [[], addresses(1), [optOf(512), ...addresses(1)]]) {
    const packet = read(finishReply(query, reply({ additionals }), UDP_MAX));
    const opts = (packet.additionals ?? []).filter(({ type }) => type === 'OPT');
    t.is(opts.length, 1);
    const last = packet.additionals?.at(-1);
    if (last?.type !== 'OPT') return t.fail('OPT is not last');
    t.is(last.udpPayloadSize, 1232);
    t.true(last.flag_do);
  }
});

function optOf(udpPayloadSize: number, options: dnsPacket.PacketOpt[] = []): dnsPacket.OptAnswer {
  const opt = { type: 'OPT', name: '.', udpPayloadSize, flags: 0, options };
  return opt as unknown as dnsPacket.OptAnswer;
}

test('who sends no OPT gets none', (t) => {
  for (const additionals of [[optOf(512)], [optOf(512), ...addresses(1)]]) {
    const packet = read(finishReply(ask(), reply({ additionals }), UDP_MAX));
    t.false(packet.additionals?.some(({ type }) => type === 'OPT') ?? true);
  }
});

test('options for our neighbour stay here; EDE is passed on', (t) => {
  const cookie = { code: 10, data: Buffer.alloc(8) } as unknown as dnsPacket.PacketOpt;
  const ede = { code: 15, data: Buffer.from([0, 15]) } as unknown as dnsPacket.PacketOpt;
  const additionals = [optOf(512, [cookie, ede])];
  const packet = read(finishReply(ask({ udpSize: 1232 }), reply({ additionals }), UDP_MAX));
  const [opt] = packet.additionals ?? [];
  t.deepEqual(opt?.type === 'OPT' && opt.options.map(({ code }) => code), [15]);
});

test('an rcode of more than four bits is SERVFAIL for who has no OPT', (t) => {
  const opt = { ...optOf(512), extendedRcode: 1 };
  const badvers = reply({ additionals: [opt], answers: [] });
  t.is((finishReply(ask(), badvers, UDP_MAX)[3] ?? 0) & 15, 2);
  const extended = finishReply(ask({ udpSize: 512 }), badvers, UDP_MAX);
  const [got] = read(extended).additionals ?? [];
  t.is(got?.type === 'OPT' && got.extendedRcode, 1);
});

test('AD is for those who have set AD or DO', (t) => {
  const authentic = reply({ flags: dnsPacket.AUTHENTIC_DATA });
  t.false(read(finishReply(ask(), authentic, UDP_MAX)).flag_ad);
  const flags = dnsPacket.AUTHENTIC_DATA;
  t.true(read(finishReply(ask({ flags }), authentic, UDP_MAX)).flag_ad);
  const query = ask({ udpSize: 1232, isDnssecOk: true });
  t.true(read(finishReply(query, authentic, UDP_MAX)).flag_ad);
});

test('[dns 70] 100 addresses: 28 in 512 octets, 73 in 1232, all of them in 2048 and by TCP', (t) => {
  const name = 'hdlsbig.testns.svc.cluster.local';
  const answers = addresses(100).map((answer) => ({ ...answer, name }));
  const big = reply({ questions: [{ type: 'A', name }], answers });
  const counted = (asked: Asked, udpMax = 1232): [number, number, boolean] => {
    const bytes = finishReply(ask({ name, ...asked }), big, { udpMax });
    const packet = read(bytes);
    return [packet.answers?.length ?? 0, bytes.length, packet.flag_tc];
  };
  t.deepEqual(counted({}), [28, 498, true]);
  t.deepEqual(counted({ udpSize: 1232 }), [73, 1229, true]);
  t.deepEqual(counted({ udpSize: 2048 }, 4096), [100, 1661, false]);
  t.deepEqual(counted({ udpSize: 4096 }), [73, 1229, true]);
  // What fits is not written anew, and dns-packet does not compress.
  t.deepEqual(counted({ transport: 'tcp' }), [100, big.length, false]);
});

test('[dns 71] a client that takes 100 octets is sent 512', (t) => {
  const bytes = finishReply(ask({ udpSize: 100 }), reply({ answers: addresses(40) }), UDP_MAX);
  t.true(bytes.length > 480 && bytes.length <= 512);
  t.true(read(bytes).flag_tc);
});

test('a reply to another name keeps its records, and the question is the client’s', (t) => {
  const other = reply({ questions: [{ type: 'A', name: 'a.much.longer.name.example.org' }] });
  const packet = read(finishReply(ask(), other, UDP_MAX));
  t.is(packet.questions?.[0]?.name, 'wWw.eXample.org');
  t.is(packet.answers?.length, 1);
  t.is(packet.answers?.[0]?.name, 'wWw.eXample.org');
});

test('what is malformed becomes SERVFAIL; what is empty stays empty', (t) => {
  const packet = finishReply(ask(), reply().subarray(0, 40), UDP_MAX);
  t.is((packet[3] ?? 0) & 15, 2);
  t.is(read(packet).questions?.[0]?.name, 'wWw.eXample.org');
  t.is(finishReply(ask(), new Uint8Array(), UDP_MAX).length, 0);
});

test('whatever a plugin returns, what is sent is a reply within the limit', (t) => {
  const queries = [ask(), ask({ udpSize: 1232 }), ask({ udpSize: 0, isDnssecOk: true })];
  fc.assert(
    fc.property(
      fc.constantFrom(...queries),
      fc.uint8Array({ maxLength: 600 }),
      fc.boolean(),
      (query, noise, isHeadKept) => {
        const bytes = Uint8Array.from(isHeadKept ? [...reply({ answers: [] }), ...noise] : noise);
        if (isHeadKept) bytes[7] = noise.length & 3;
        const finished = finishReply(query, bytes, UDP_MAX);
        if (bytes.length === 0) return finished.length === 0;
        return finished.length <= 1232 && ((finished[2] ?? 0) & 0x80) !== 0;
      },
    ),
    { seed: 20261123 },
  );
  t.pass();
});
