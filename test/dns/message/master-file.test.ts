import test from 'ava';
import dnsPacket from 'dns-packet';
import { encodeMessage } from '../../../src/dns/message/encode.js';
import { parseMasterFile, parseRecord } from '../../../src/dns/message/master-file.js';
import type { ResourceRecord } from '../../../src/dns/message/message.js';
import { formatRdata } from '../../../src/dns/message/rdata.js';
import { formatType } from '../../../src/dns/message/types.js';
import { formatName, parseName } from '../../../src/dns/wire/name.js';

const OPTIONS = { file: 'db', origin: parseName('example.org'), ttl: 3600 };

const shown = ({ owner, ttl, type, rdata }: ResourceRecord): string =>
  `${formatName(owner)} ${ttl} ${formatType(type)} ${formatRdata(type, rdata)}`;

/** The records as dns-packet reads them. */
const oracle = (records: readonly ResourceRecord[]): dnsPacket.Answer[] | undefined => {
  const parts = { authority: [], additional: [], question: undefined, edns: undefined };
  const bytes = encodeMessage({ id: 0, flags: 0x8000, rcode: 0, answer: records, ...parts });
  return dnsPacket.decode(Buffer.from(bytes)).answers;
};

test('the master file of RFC 1035 5.3 is read as it says', (t) => {
  // RFC 1035 5.3, with the addresses and names of the RFC; \ of the owner A\.B is 5.1.
  const text = `
@   IN  SOA     VENERA      Action\\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        NS      VAXA
        MX      10      VENERA
        MX      20      VAXA

A       A       26.3.0.103

VENERA  A       10.1.0.52
        A       128.9.0.32

VAXA    A       10.2.0.27
        A       128.9.0.33
`;
  const records = parseMasterFile(text, { ...OPTIONS, origin: parseName('ISI.EDU') });
  t.deepEqual(records.map(shown), [
    'ISI.EDU. 3600 SOA VENERA.ISI.EDU. Action\\.domains.ISI.EDU. 20 7200 600 3600000 60',
    'ISI.EDU. 3600 NS A.ISI.EDU.',
    'ISI.EDU. 3600 NS VENERA.ISI.EDU.',
    'ISI.EDU. 3600 NS VAXA.ISI.EDU.',
    'ISI.EDU. 3600 MX 10 VENERA.ISI.EDU.',
    'ISI.EDU. 3600 MX 20 VAXA.ISI.EDU.',
    'A.ISI.EDU. 3600 A 26.3.0.103',
    'VENERA.ISI.EDU. 3600 A 10.1.0.52',
    'VENERA.ISI.EDU. 3600 A 128.9.0.32',
    'VAXA.ISI.EDU. 3600 A 10.2.0.27',
    'VAXA.ISI.EDU. 3600 A 128.9.0.33',
  ]);
});

test('data of the usual types is what dns-packet reads', (t) => {
  const lines = `
a 60 IN A 192.0.2.1
a IN 2h AAAA 2001:db8::1
t TXT "a b" c "d\\"e" "\\255"
s SRV 1 2 80 a
c CAA 0 issue "ca.example.net"
n NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp
h HINFO PC "some os"
d DS 60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118
p SSHFP 2 1 123456789abcdef67890123456789abcdef67890
r RP mbox a
`;
  const answers = oracle(parseMasterFile(lines, OPTIONS)) ?? [];
  const got = answers.map((answer) => [answer.name, answer.type, 'data' in answer && answer.data]);
  t.deepEqual(got, [
    ['a.example.org', 'A', '192.0.2.1'],
    ['a.example.org', 'AAAA', '2001:db8::1'],
    [
      't.example.org',
      'TXT',
      [Buffer.from('a b'), Buffer.from('c'), Buffer.from('d"e'), Buffer.of(255)],
    ],
    ['s.example.org', 'SRV', { priority: 1, weight: 2, port: 80, target: 'a.example.org' }],
    [
      'c.example.org',
      'CAA',
      { flags: 0, issuerCritical: false, tag: 'issue', value: 'ca.example.net' },
    ],
    [
      'n.example.org',
      'NAPTR',
      {
        order: 100,
        preference: 50,
        flags: 's',
        services: 'z3950+I2L+I2C',
        regexp: '',
        replacement: '_z3950._tcp.example.org',
      },
    ],
    ['h.example.org', 'HINFO', { cpu: 'PC', os: 'some os' }],
    [
      'd.example.org',
      'DS',
      {
        keyTag: 60485,
        algorithm: 5,
        digestType: 1,
        digest: Buffer.from('2BB183AF5F22588179A53B0A98631FAD1A292118', 'hex'),
      },
    ],
    [
      'p.example.org',
      'SSHFP',
      {
        algorithm: 2,
        hash: 1,
        fingerprint: '123456789ABCDEF67890123456789ABCDEF67890',
      },
    ],
    ['r.example.org', 'RP', { mbox: 'mbox.example.org', txt: 'a.example.org' }],
  ]);
  t.deepEqual(
    answers.slice(0, 3).map((answer) => 'ttl' in answer && answer.ttl),
    [60, 7200, 7200],
  );
});

test('every form is read back from what it is written as', (t) => {
  for (const line of [
    'x. 1 IN SOA a. b\\.c. 1 2 3 4 5',
    'x. 1 IN URI 10 1 "ftp://ftp.example.org"',
    'x. 1 IN TLSA 3 1 1 ABCDEF',
    'x. 1 IN DNSKEY 256 3 5 AQPSKmynfzW4kyBv',
    'x. 1 IN TYPE62347 \\# 4 C0000201',
    'x. 1 IN TYPE62347 \\# 0',
    'a\\.b\\000c. 1 IN PTR \\255\\".x.',
  ]) {
    const record = parseRecord(line, OPTIONS);
    const { owner, ttl, type, rdata } = record;
    t.is(`${formatName(owner)} ${ttl} IN ${formatType(type)} ${formatRdata(type, rdata)}`, line);
  }
});

test('data that is not what its type says is written as octets', (t) => {
  t.is(formatRdata(1, Uint8Array.of(1, 2, 3)), '\\# 3 010203');
  t.is(formatRdata(15, Uint8Array.of(0, 1, 5, 97)), '\\# 4 00010561');
});

test('$ORIGIN and $TTL hold from where they are; TTLs have units', (t) => {
  const text = '$TTL 1h\na A 192.0.2.1\n$ORIGIN sub\nb 1d12h A 192.0.2.2\n@ A 192.0.2.3\n';
  t.deepEqual(parseMasterFile(text, OPTIONS).map(shown), [
    'a.example.org. 3600 A 192.0.2.1',
    'b.sub.example.org. 129600 A 192.0.2.2',
    'sub.example.org. 3600 A 192.0.2.3',
  ]);
});

test('what is wrong with a file is said with file, line and word', (t) => {
  const complaint = (text: string): string =>
    t.throws(() => parseMasterFile(text, OPTIONS)).message;
  t.is(complaint('a A 192.0.2.1\nb A 192.0.2\n'), 'db:2: "192.0.2": expected an IPv4 address');
  t.is(complaint('a BOGUS 1'), 'db:1: expected a record type, got "BOGUS"');
  t.is(complaint('a IN'), 'db:1: expected a record type, got nothing');
  t.is(complaint('a MX 10'), 'db:1: "MX": expected 2 words of data, got 1');
  t.is(complaint('a MX 70000 b'), 'db:1: "70000": expected a number up to 65535');
  t.is(complaint('a SOA b c ( 1 2'), 'db:1: "(" is not closed');
  t.is(complaint('\na TXT "b'), 'db:2: "\\"" is not closed');
  t.is(complaint('a TXT b)'), 'db:1: ")" without "("');
  t.is(complaint('$INCLUDE x'), 'db:1: $INCLUDE x: nothing can be included here');
  t.regex(complaint(`a TXT ${'x'.repeat(256)}`), /expected at most 255 octets/);
  t.regex(complaint('a TXT \\300'), /three digits up to 255/);
  t.regex(complaint('a APL 1 2 3'), /"APL": expected its data as/);
  t.regex(complaint('a DS 1 1 1 abc'), /expected hex digits/);
  t.regex(complaint('a TYPE1 \\# 3 0102'), /"3": expected 2/);
  t.throws(() => parseRecord('a A 192.0.2.1\nb A 192.0.2.1', OPTIONS), {
    message: 'db:1: expected one record, got 2',
  });
});
