import test from 'ava';
import { parseMasterFile } from '../../../src/dns/message/master-file.js';
import { formatRdata } from '../../../src/dns/message/rdata.js';
import { formatType } from '../../../src/dns/message/types.js';
import { formatName, parseName } from '../../../src/dns/wire/name.js';

const OPTIONS = { file: 'db', origin: parseName('0.0.192.in-addr.arpa'), ttl: 3600 };

const shown = (text: string): string[] =>
  parseMasterFile(text, OPTIONS).map(
    ({ owner, ttl, type, rdata }) =>
      `${formatName(owner)} ${ttl} ${formatType(type)} ${formatRdata(type, rdata)}`,
  );

test('$GENERATE: the examples of the reference manual of BIND', (t) => {
  t.deepEqual(shown('$GENERATE 1-2 @ NS SERVER$.EXAMPLE.'), [
    '0.0.192.in-addr.arpa. 3600 NS SERVER1.EXAMPLE.',
    '0.0.192.in-addr.arpa. 3600 NS SERVER2.EXAMPLE.',
  ]);
  const names = shown('$generate 1-127 $ CNAME $.0\nend 5 A 192.0.2.1');
  t.is(names.length, 128);
  t.is(names[0], '1.0.0.192.in-addr.arpa. 3600 CNAME 1.0.0.0.192.in-addr.arpa.');
  t.is(names[126], '127.0.0.192.in-addr.arpa. 3600 CNAME 127.0.0.0.192.in-addr.arpa.');
  t.deepEqual(
    shown(
      '$ORIGIN EXAMPLE.\n$GENERATE 1-2 HOST-$ A 1.2.3.$\n$GENERATE 1-2 HOST-$ MX "0 ."'.replaceAll(
        '"',
        '',
      ),
    ),
    [
      'HOST-1.EXAMPLE. 3600 A 1.2.3.1',
      'HOST-2.EXAMPLE. 3600 A 1.2.3.2',
      'HOST-1.EXAMPLE. 3600 MX 0 .',
      'HOST-2.EXAMPLE. 3600 MX 0 .',
    ],
  );
});

test('$GENERATE: steps, offsets, widths and bases', (t) => {
  t.deepEqual(shown('$GENERATE 8-12/2 h${-8,3} 60 IN TXT "${0,4,x} ${5,0,X} ${0,2,o} \\$ $$"'), [
    'h000.0.0.192.in-addr.arpa. 60 TXT "0008 D 10 $ $"',
    'h002.0.0.192.in-addr.arpa. 60 TXT "000a F 12 $ $"',
    'h004.0.0.192.in-addr.arpa. 60 TXT "000c 11 14 $ $"',
  ]);
});

test('$GENERATE: what it cannot make is said with file and line', (t) => {
  const complaint = (line: string): string => t.throws(() => shown(`\n${line}`)).message;
  const expected = 'expected START-STOP[/STEP], an owner, a type and data';
  t.is(complaint('$GENERATE 1 a A 192.0.2.1'), `db:2: $GENERATE 1: ${expected}`);
  t.is(complaint('$GENERATE 2-1 a A 192.0.2.1'), `db:2: $GENERATE 2-1: ${expected}`);
  t.is(complaint('$GENERATE 1-2/0 a A 192.0.2.1'), `db:2: $GENERATE 1-2/0: ${expected}`);
  t.is(complaint('$GENERATE 1-2 a A'), `db:2: $GENERATE 1-2: ${expected}`);
  t.regex(complaint('$GENERATE 0-65536 $ A 192.0.2.1'), /at most 65536 records of one line/);
  t.regex(complaint('$GENERATE 1-2 ${1,2,z} A 192.0.2.1'), /a base of d, o, x or X/);
  t.regex(complaint('$GENERATE 1-2 ${-2} A 192.0.2.1'), /no number below 0/);
  t.regex(complaint('$GENERATE 255-256 $ A 192.0.2.$'), /expected an IPv4 address/);
});
