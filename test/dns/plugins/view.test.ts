import test from 'ava';
import dnsPacket from 'dns-packet';
import { parseAddress } from '../../../src/addr.js';
import { compileExpression } from '../../../src/dns/plugins/view/expression.js';
import { createProgram } from '../../../src/dns/chain/program.js';
import type { Surroundings } from '../../../src/dns/chain/setup.js';
import type { Client } from '../../../src/dns/plugin.js';
import { parseText } from '../../support/corefile.js';
import { ask, contextOf } from './harness.js';

const QUERY = ask({
  name: 'Web.Example.org',
  type: 'AAAA',
  client: '2001:db8::7',
  edns: [],
  pod: { namespace: 'shop', name: 'cart-0' },
});

const TRUE: readonly string[] = [
  `true`,
  `!false && not false`,
  `client_ip() == '2001:db8::7'`,
  `incidr(client_ip(), '2001:db8::/32')`,
  `not incidr(client_ip(), '10.0.0.0/8')`,
  `incidr('10.1.2.3', '10.1.0.0/16') and !(type() == 'A')`,
  `name() == 'web.example.org.'`,
  `name() endsWith ".example.org."`,
  `name() startsWith 'web' or false`,
  `name() contains 'b.e'`,
  `name() not contains 'B'`,
  `name() matches '^web\\\\.example\\\\.'`,
  `name() matches \`^web\\.\``,
  `name() not matches '(?i)^EXAMPLE'`,
  `type() in ['A', 'AAAA']`,
  `type() not in ['MX', 'TXT',]`,
  `type() == 'AAAA' && class() == 'IN' || false`,
  // && binds closer than ||.
  `true || false && false`,
  `proto() == 'udp' && port() == '53000'`,
  `server_ip() == '10.96.0.10' && server_port() == '53'`,
  `id() == 4711 && id() == 0x1267 && id() in [1, 4_711]`,
  `opcode() == 0 && opcode() < 1 && opcode() >= 0.0`,
  `bufsize() == 1232`,
  `size() == 44`,
  `do() == false and !do()`,
  `metadata('kubernetes/client-namespace') == 'shop'`,
  `metadata('kubernetes/client-pod-name') matches '^cart-[0-9]+$'`,
  `'it\\'s' == "it's" && '\\x41\\u0042' == 'AB'`,
  `((((type()))) == 'AAAA')`,
  `'a' < 'b' && 2 > 1 && 2 <= 2`,
  // "not" in front of a name is a negation, in front of "in" a part of the operator.
  `not do() && not ('x' in ['y'])`,
];

for (const text of TRUE) {
  test(`view: ${text} is true, its negation is not`, (t) => {
    t.true(compileExpression(text)(QUERY));
    t.false(compileExpression(`!(${text})`)(QUERY));
  });
}

const WRONG: readonly (readonly [string, RegExp])[] = [
  [``, /expected a value, got "the end"/],
  [`type()`, /expected true or false, not a string/],
  [`type() == A`, /"A" is no function; text stands in single quotes/],
  [`type() ==`, /expected a value, got "the end"/],
  [`type() == 'A' 'B'`, /unexpected "B"/],
  [`type = 'A'`, /nothing begins with "= 'A'"/],
  [`type() == 'A`, /nothing begins with "'A"/],
  [`(true`, /expected "\)", got "the end"/],
  [`port() == 53`, /== compares a string with a number/],
  [`id() == 'x'`, /== compares a number with a string/],
  [`!id()`, /! takes a boolean, not a number/],
  [`true && 'x'`, /&& takes a boolean, not a string/],
  [`true < false`, /< takes no boolean/],
  [`id() contains 4`, /contains takes a string, not a number/],
  [`name() matches client_ip()`, /matches takes a pattern in quotes/],
  [`name() matches '('`, /\(/],
  [`type() in 'A'`, /in takes a list/],
  [`type() in [1]`, /in compares a string with a number/],
  [`type() in [name()]`, /a list has values in quotes/],
  [`['a'] == ['a']`, /== compares a list with a list/],
  [`incidr(client_ip())`, /incidr takes 2 arguments, not 1/],
  [`incidr(client_ip(), '10.0.0.0/33')`, /"10.0.0.0\/33" is no prefix/],
  [`incidr('10.0.0', '10.0.0.0/8')`, /"10.0.0"/],
  [`incidr(id(), '10.0.0.0/8')`, /incidr takes a string, not a number/],
  [`nosuch()`, /"nosuch" is no function/],
  [`metadata('geoip/city')`, /metadata "geoip\/city" is not known/],
  [`${'!'.repeat(60)}true`, /more than 50 inside of each other/],
  [`'\\q' == 'q'`, /\\q is no escape/],
];

for (const [text, complaint] of WRONG) {
  test(`view: ${JSON.stringify(text)} is refused`, (t) => {
    t.throws(() => compileExpression(text), { code: 'ERR_CONFIG', message: complaint });
  });
}

const surroundings = (views: string[]): Surroundings => ({
  ...contextOf(),
  replied: ({ zone }) => void views.push(zone.view),
});

const clientAt = (address: string): Client => ({
  address: parseAddress(address),
  port: 4242,
  transport: 'udp',
  server: { address: parseAddress('192.0.2.53'), port: 53 },
});

const hosts = (address: string, view = ''): string =>
  `. {\n${view}\nhosts {\n${address} test\n}\n}\n`;

test('view: the first block whose view has the client answers, in file order [dns 102]', async (t) => {
  const views: string[] = [];
  const text =
    hosts('1.1.1.1', `view loopback {\n expr incidr(client_ip(), '127.0.0.0/8')\n}`) +
    hosts('3.3.3.3', `view never {\n expr incidr(client_ip(), name())\n}`) +
    hosts('4.4.4.4', `view both {\n expr true\n expr type() == 'MX'\n}`) +
    hosts('2.2.2.2', `view rest {\n}`) +
    hosts('5.5.5.5');
  const program = createProgram(parseText(text), surroundings(views), {});
  const answerTo = async (address: string): Promise<unknown> => {
    const message = dnsPacket.encode({ id: 1, questions: [{ type: 'A', name: 'test' }] });
    const reply = await program.answer(1, message, clientAt(address));
    const [answer] = dnsPacket.decode(Buffer.from(reply)).answers ?? [];
    return answer?.type === 'A' && answer.data;
  };
  t.is(await answerTo('127.1.2.3'), '1.1.1.1');
  t.is(await answerTo('192.0.2.1'), '2.2.2.2', 'an expression without an answer is not true');
  t.deepEqual(views, ['loopback', 'rest'], 'metrics know the view');
  await program.close();
});

test('view: without a block for the rest, who fits no view is refused', async (t) => {
  const text = hosts('1.1.1.1', `view a {\n expr proto() == 'tcp'\n}`);
  const program = createProgram(parseText(text), surroundings([]), {});
  const message = dnsPacket.encode({ id: 1, questions: [{ type: 'A', name: 'test' }] });
  const reply = await program.answer(1, message, clientAt('127.0.0.1'));
  t.is((reply[3] ?? 0) & 15, 5);
  await program.close();
});

test('view: what is wrong names file, line and expression', (t) => {
  const complaint = (lines: string): string =>
    t.throws(() => createProgram(parseText(`. {\n${lines}\n}\n`), surroundings([]), {})).message;
  t.is(complaint('view'), 'Corefile:2: view: expected a name');
  t.is(complaint('view a {\n}\nview b {\n}'), 'Corefile:4: view: expected once in a server block');
  t.is(
    complaint('view a {\nexpression true\n}'),
    'Corefile:3: view: unknown property "expression"',
  );
  t.is(
    complaint('view a {\nexpr type() == "A"\n}'),
    'Corefile:3: view expr: "type() == A": "A" is no function; text stands in single quotes',
  );
});
