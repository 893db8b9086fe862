import test from 'ava';
import dnsPacket from 'dns-packet';
import { decodeMessage } from '../../../src/dns/message/decode.js';
import { encodeMessage } from '../../../src/dns/message/encode.js';
import type { DnsMessage, ResourceRecord } from '../../../src/dns/message/message.js';
import { parseName } from '../../../src/dns/wire/name.js';

const address = (owner: string, last: number): ResourceRecord => ({
  owner: parseName(owner),
  type: 1,
  class: 1,
  ttl: 30,
  rdata: Uint8Array.of(192, 0, 2, last),
});

const message = (over: Partial<DnsMessage>): DnsMessage => ({
  id: 0x1234,
  flags: 0x8580,
  rcode: 0,
  question: { name: parseName('Www.Example.ORG'), type: 1, class: 1 },
  answer: [],
  authority: [],
  additional: [],
  edns: undefined,
  ...over,
});

test('what another implementation encodes is decoded and encoded to the same records', (t) => {
  const records: dnsPacket.Answer[] = [
    { type: 'CNAME', name: 'www.example.org', ttl: 5, data: 'web.example.org' },
    { type: 'A', name: 'web.example.org', ttl: 60, data: '192.0.2.7' },
    { type: 'AAAA', name: 'web.example.org', ttl: 60, data: '2001:db8::7' },
    {
      type: 'MX',
      name: 'example.org',
      ttl: 7,
      data: { preference: 10, exchange: 'mx.example.org' },
    },
    { type: 'TXT', name: 'example.org', ttl: 7, data: [Buffer.from('a'), Buffer.from('b c')] },
    {
      type: 'SRV',
      name: '_sip._tcp.example.org',
      ttl: 7,
      data: { priority: 1, weight: 2, port: 5060, target: 'web.example.org' },
    },
    {
      type: 'SOA',
      name: 'example.org',
      ttl: 300,
      data: {
        mname: 'ns.example.org',
        rname: 'hostmaster.example.org',
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 5,
      },
    },
    { type: 'PTR', name: '7.2.0.192.in-addr.arpa', ttl: 1, data: 'web.example.org' },
  ];
  const bytes = dnsPacket.encode({
    type: 'response',
    id: 7,
    flags: dnsPacket.AUTHORITATIVE_ANSWER,
    questions: [{ type: 'A', name: 'www.example.org' }],
    answers: records,
    authorities: records.slice(6, 7),
    additionals: records.slice(1, 3),
  });
  const decoded = decodeMessage(bytes);
  if (decoded === undefined) return t.fail('not decoded');
  const again = encodeMessage(decoded);
  t.true(again.length < bytes.length, 'it is compressed');
  const expected = dnsPacket.decode(bytes);
  const actual = dnsPacket.decode(Buffer.from(again));
  for (const key of [
    'id',
    'flags',
    'questions',
    'answers',
    'authorities',
    'additionals',
  ] as const) {
    t.deepEqual(actual[key], expected[key], key);
  }
});

test('an owner in other letters than the question is written as it was asked for', (t) => {
  const bytes = encodeMessage(message({ answer: [address('wWW.example.org', 1)] }));
  const packet = dnsPacket.decode(Buffer.from(bytes));
  t.is(packet.answers?.[0]?.name, 'Www.Example.ORG');
  t.deepEqual([...bytes.subarray(33, 35)], [0xc0, 0x0c]);
});

test('[dns 69] every owner of 30 records is a pointer to the question, within 512 octets', (t) => {
  const answer = Array.from({ length: 30 }, (_, i) => address('www.example.org', i));
  const bytes = encodeMessage(message({ answer }), 4096);
  t.is(bytes.length, 12 + 21 + 30 * 16);
  const cut = encodeMessage(message({ answer }), 512);
  t.is(cut.length, 12 + 21 + 29 * 16);
  t.is(dnsPacket.decode(Buffer.from(cut)).flag_tc, true);
  for (let at = 33; at < cut.length; at += 16)
    t.deepEqual([...cut.subarray(at, at + 2)], [0xc0, 0x0c]);
});

test('glue that does not fit goes without TC; an answer that does not fit goes with it', (t) => {
  const glue = Array.from({ length: 40 }, (_, i) => address('ns.example.org', i));
  const options = { answer: [address('www.example.org', 1)], additional: glue };
  const bytes = encodeMessage(message(options), 512);
  const packet = dnsPacket.decode(Buffer.from(bytes));
  t.is(packet.flag_tc, false);
  t.is(packet.answers?.length, 1);
  t.true((packet.additionals?.length ?? 0) > 20);
  const authority = encodeMessage(message({ authority: glue }), 512);
  t.is(dnsPacket.decode(Buffer.from(authority)).flag_tc, true);
});

test('OPT stays whatever is cut, with its options and the upper bits of the rcode', (t) => {
  const answer = Array.from({ length: 100 }, (_, i) => address('www.example.org', i));
  const options = Uint8Array.of(0, 3, 0, 2, 0x61, 0x62);
  const edns = { udpSize: 1232, version: 0, isDnssecOk: true, options };
  const bytes = encodeMessage(message({ answer, edns, rcode: 16 }), 512);
  t.true(bytes.length <= 512);
  const packet = dnsPacket.decode(Buffer.from(bytes));
  const opt = packet.additionals?.at(-1);
  if (opt?.type !== 'OPT') return t.fail('no OPT');
  t.is(opt.udpPayloadSize, 1232);
  t.is(opt.extendedRcode, 1);
  t.true(opt.flag_do);
  t.is((bytes[3] ?? 0) & 15, 0);
  t.is(packet.flag_tc, true);
});

test('a first record that never fits does not keep the others out', (t) => {
  const long = { ...address('www.example.org', 1), type: 16, rdata: new Uint8Array(600) };
  const bytes = encodeMessage(message({ answer: [long, address('www.example.org', 2)] }), 512);
  const packet = dnsPacket.decode(Buffer.from(bytes));
  t.is(packet.flag_tc, true);
  t.is(packet.answers?.length, 1);
  t.is(packet.answers?.[0]?.type, 'A');
});

test('the target of SRV is whole, and read when others have compressed it', (t) => {
  const target = parseName('www.example.org');
  const rdata = Uint8Array.of(0, 0, 0, 100, 0, 80, ...target);
  const bytes = encodeMessage(
    message({ answer: [{ ...address('www.example.org', 0), type: 33, rdata }] }),
  );
  t.is(Buffer.from(bytes).indexOf(Buffer.from(rdata)), bytes.length - rdata.length);
  const head = bytes.slice(0, bytes.length - target.length);
  const compressed = Uint8Array.from([...head, 0xc0, 0x0c]);
  compressed[head.length - 7] = 8;
  t.deepEqual(
    decodeMessage(compressed)?.answer[0]?.rdata.subarray(6),
    parseName('Www.Example.ORG'),
  );
});

test('names in RDATA keep their letters', (t) => {
  const rdata = parseName('www.example.org');
  const bytes = encodeMessage(
    message({ answer: [{ ...address('a.example.org', 0), type: 5, rdata }] }),
  );
  t.deepEqual(decodeMessage(bytes)?.answer[0]?.rdata, rdata);
});
