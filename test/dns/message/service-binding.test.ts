import test from 'ava';
import { parseRecord } from '../../../src/dns/message/master-file.js';
import { formatRdata } from '../../../src/dns/message/rdata.js';
import { parseName } from '../../../src/dns/wire/name.js';

const OPTIONS = { file: 'db', origin: parseName('example.org'), ttl: 3600 };

const hexOf = (data: string, type = 'SVCB'): string =>
  Buffer.from(parseRecord(`a 60 IN ${type} ${data}`, OPTIONS).rdata).toString('hex');

const FOO_COM = '03666f6f076578616d706c6503636f6d00';
const FOO_ORG = '03666f6f076578616d706c65036f726700';

/** RFC 9460, appendix D.1 and D.2: figures 2 to 10. */
for (const [figure, data, hex] of [
  [2, '0 foo.example.com.', `0000${FOO_COM}`],
  [3, '1 .', '000100'],
  [4, '16 foo.example.com. port=53', `0010${FOO_COM}000300020035`],
  [5, '1 foo.example.com. key667=hello', `0001${FOO_COM}029b000568656c6c6f`],
  [6, '1 foo.example.com. key667="hello\\210qoo"', `0001${FOO_COM}029b000968656c6c6fd2716f6f`],
  [
    7,
    '1 foo.example.com. (\nipv6hint="2001:db8::1,2001:db8::53:1"\n)',
    `0001${FOO_COM}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
  ],
  [
    8,
    '1 example.com. (\nipv6hint="2001:db8:122:344::192.0.2.33"\n)',
    '0001076578616d706c6503636f6d000006001020010db80122034400000000c0000221',
  ],
  [
    9,
    '16 foo.example.org. (\nalpn=h2,h3-19 mandatory=ipv4hint,alpn\nipv4hint=192.0.2.1\n)',
    `0010${FOO_ORG}0000000400010004000100090268320568332d313900040004c0000201`,
  ],
  [
    10,
    '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
    `0010${FOO_ORG}0001000c08665c6f6f2c626172026832`,
  ],
  [
    10,
    '16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2',
    `0010${FOO_ORG}0001000c08665c6f6f2c626172026832`,
  ],
] as const) {
  for (const type of ['SVCB', 'HTTPS']) {
    test(`${type}: ${JSON.stringify(data)} is what figure ${figure} of RFC 9460 says`, (t) => {
      t.is(hexOf(data, type), hex);
      const again = formatRdata(type === 'SVCB' ? 64 : 65, Buffer.from(hex, 'hex'));
      t.is(hexOf(again, type), hex, again);
    });
  }
}

/** RFC 9460, appendix D.3, and what else is no parameter. */
for (const params of [
  'key123=abc key123=def',
  'mandatory',
  'alpn',
  'port',
  'ipv4hint',
  'ipv6hint',
  'no-default-alpn=abc',
  'mandatory=key123',
  'mandatory=mandatory',
  'mandatory=key123,key123 key123=abc',
  'ech',
  'alpn=h2,,h3',
  'alpn= "h2"',
  'port=65536',
  'ipv4hint=2001:db8::1',
  'key65535=x',
  'key0123=x',
  'bogus=1',
]) {
  test(`SVCB: ${params} is refused, with file and line`, (t) => {
    t.throws(() => hexOf(`1 foo.example.com. ${params}`), {
      code: 'ERR_CONFIG',
      message: /^db:1: /,
    });
  });
}

test('SVCB: a target is relative to the origin, and keys may come in any order', (t) => {
  t.is(hexOf('1 @ port=1 no-default-alpn alpn="h2"'), hexOf('1 example.org. alpn=h2 key2 port=1'));
  t.is(hexOf('1 svc ech="AEj+" dohpath=/q{?dns}').slice(4, 12), '03737663');
});

test('SVCB: data is shown as people write it, and as octets where it is none', (t) => {
  const data =
    '1 svc.example.org. alpn=h2,h3 no-default-alpn port=8443 ipv4hint=192.0.2.1 ech=AEj+';
  t.is(formatRdata(65, Buffer.from(hexOf(data), 'hex')), data);
  t.is(formatRdata(64, Uint8Array.of(0, 1, 0, 0, 3, 0, 1, 9)), '1 . key3="\\009"');
  t.is(formatRdata(64, Uint8Array.of(0, 1, 0, 0, 3, 0, 2, 9)), '\\# 8 0001000003000209');
});
