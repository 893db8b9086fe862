import test from 'ava';
import type { ExecutionContext } from 'ava';
import { DataplaneError } from '../../../src/errors.js';
import { parseText, showBlocks } from '../../support/corefile.js';

const blocks = (text: string, env = {}): (readonly string[])[] =>
  showBlocks(parseText(text, { env }));

function refuses(t: ExecutionContext, text: string, message: string, options = {}): void {
  const error = t.throws(() => parseText(text, options), {
    instanceOf: DataplaneError,
    code: 'ERR_CONFIG',
  });
  t.is(error.message, message);
}

test('corefile: a block is addresses and directives, which keep their places', (t) => {
  const { blocks: parsed } = parseText('.:53 {\n  forward . 192.0.2.1\n  log\n}\n');
  const at = (text: string, line: number) => ({ text, file: 'Corefile', line });
  t.deepEqual(parsed, [
    {
      addresses: [{ scheme: 'dns', zone: '.', port: 53, token: at('.:53', 1) }],
      directives: [
        { name: at('forward', 2), args: [at('.', 2), at('192.0.2.1', 2)], block: undefined },
        { name: at('log', 3), args: [], block: undefined },
      ],
    },
  ]);
});

test('corefile: no text, no blocks', (t) => {
  t.deepEqual(blocks(''), []);
  t.deepEqual(blocks('# nothing\n'), []);
});

test('corefile: blocks follow one another, empty ones too', (t) => {
  t.deepEqual(blocks('a:1 {\n}\nb:2 { }\nc:3\n{\nwhoami\n}'), [
    ['dns://a.:1'],
    ['dns://b.:2'],
    ['dns://c.:3', 'whoami'],
  ]);
});

test('corefile: addresses are separated by commas or spaces; behind a comma comes one more [dns 109]', (t) => {
  const expected = [['dns://a.:53 dns://b.:53 dns://c.:53', 'log']];
  t.deepEqual(blocks('a, b, c {\nlog\n}'), expected);
  t.deepEqual(blocks('a b c {\nlog\n}'), expected);
  t.deepEqual(blocks('a,\n  b,\n  c {\nlog\n}'), expected);
  t.deepEqual(blocks('a , b ,\nc\nlog'), expected);
  refuses(t, 'a, {\n}', 'Corefile:1: expected another address behind the comma');
  refuses(t, 'a, b,', 'Corefile:1: expected another address behind the comma');
});

test('corefile: the only block of a file needs no braces', (t) => {
  t.deepEqual(blocks('localhost'), [['dns://localhost.:53']]);
  t.deepEqual(blocks('localhost:1234\n dir1 foo bar\n dir2 {\n x\n }\n dir3'), [
    ['dns://localhost.:1234', 'dir1 foo bar', 'dir2 {x}', 'dir3'],
  ]);
  const known = { directives: new Set(['log']) };
  refuses(t, '.:53\nlog\n.:54', 'Corefile:3: unknown directive ".:54"', known);
});

test('corefile: a directive may have lines in braces, and those may', (t) => {
  t.deepEqual(blocks('.\n dir1 {\n  nested a {\n   foo\n  }\n  bar b c\n }\n dir2 foo bar'), [
    ['dns://.:53', 'dir1 {nested a {foo}; bar b c}', 'dir2 foo bar'],
  ]);
  t.deepEqual(blocks('. {\n dir1 {\n }\n}'), [['dns://.:53', 'dir1 {}']]);
  t.deepEqual(blocks('. {\n dir1 a\n {\n b\n }\n}'), [['dns://.:53', 'dir1 a {b}']]);
});

test('corefile: a closing brace ends a line, too', (t) => {
  t.deepEqual(blocks('. {\n log . { class error }\n health { lameduck 20s }\n}'), [
    ['dns://.:53', 'log . {class error}', 'health {lameduck 20s}'],
  ]);
  t.deepEqual(blocks('. { whoami }'), [['dns://.:53', 'whoami']]);
});

test('corefile: a brace is one only by itself', (t) => {
  t.deepEqual(blocks('. {\n log . "{remote} {}" {class}\n a{ b\n}'), [
    ['dns://.:53', 'log . {remote} {} {class}', 'a{ b'],
  ]);
});

test('corefile: quotes do not make a brace a word, as they do not in CoreDNS', (t) => {
  t.deepEqual(blocks('. "{"\n a "{"\n b\n "}"\n"}"'), [['dns://.:53', 'a {b}']]);
});

test('corefile: braces have to match, and the one that does not is named', (t) => {
  refuses(t, '. {\nlog', 'Corefile:1: "{" is never closed');
  refuses(t, '.\ndir1 {\nfoo', 'Corefile:2: "{" is never closed');
  refuses(t, '. {\ndir1 {\n}\n', 'Corefile:1: "{" is never closed');
  refuses(t, '.\ndir1 {\n} }', 'Corefile:3: unexpected "}"');
  refuses(t, '. {\n}\n}', 'Corefile:3: unexpected "}"');
  refuses(t, '. {\n{\n}\n}', 'Corefile:2: unexpected "{"');
  refuses(t, '{\nlog\n}', 'Corefile:1: expected an address before "{"');
  refuses(t, '. {\na {\n} b\n}', 'Corefile:3: unexpected "b" behind "}"');
});

test('corefile: braces nest to a depth that no plugin needs', (t) => {
  const nested = (depth: number): string =>
    `. {\n${'a {\n'.repeat(depth)}${'}\n'.repeat(depth + 1)}`;
  t.is(blocks(nested(16)).length, 1);
  refuses(t, nested(17), 'Corefile:18: more than 16 braces in braces');
});

test('corefile: an unknown directive is refused with file, line and name [dns 109]', (t) => {
  const known = { directives: new Set(['errors', 'health', 'kubernetes']) };
  const text =
    '.:53 {\n  errors\n  health {\n    lameduck 5s\n  }\n\n  kubernets cluster.local\n}\n';
  refuses(t, text, 'Corefile:7: unknown directive "kubernets"', known);
  const long = { file: '/etc/coredns/Corefile', ...known };
  refuses(
    t,
    `. {\n${'x'.repeat(100)}\n}`,
    `/etc/coredns/Corefile:2: unknown directive "${'x'.repeat(60)}..."`,
    long,
  );
  t.notThrows(() => parseText('. {\n health {\n  anything at all\n }\n}', known));
});

test('corefile: directives that repeat stay apart, in file order', (t) => {
  t.deepEqual(
    blocks('. {\nforward a.example 192.0.2.1\nlog\nforward . 192.0.2.2\nrewrite a\nrewrite b\n}'),
    [
      [
        'dns://.:53',
        'forward a.example 192.0.2.1',
        'log',
        'forward . 192.0.2.2',
        'rewrite a',
        'rewrite b',
      ],
    ],
  );
});

test('corefile: what may be said once is refused the second time, in one block', (t) => {
  for (const name of [
    'kubernetes',
    'cache',
    'errors',
    'prometheus',
    'dnssec',
    'hosts',
    'reload',
    'grpc',
  ]) {
    const message = `Corefile:4: a second "${name}" in one server block; the first one is at Corefile:2`;
    refuses(t, `. {\n${name}\nlog\n${name}\n}`, message);
    t.notThrows(() => parseText(`a {\n${name}\n}\nb {\n${name}\n}`), name);
  }
});

test('corefile: variables of the environment are put in, addresses and names included [dns 109]', (t) => {
  const env = { ADDRESS: 'servername.com', PORT: '8080', FOO: 'foo bar', DIR: 'r1', BRACE: '{' };
  t.deepEqual(blocks('{$ADDRESS}:{$PORT} {\n di{$DIR} {%FOO%} "Test {$FOO} test"\n}', env), [
    ['dns://servername.com.:8080', 'dir1 foo bar Test foo bar test'],
  ]);
  const { blocks: parsed } = parseText('.\na {$FOO} {$BRACE} {$UNSET} b', { env });
  const args = parsed[0]?.directives[0]?.args.map(({ text }) => text);
  t.deepEqual(args, ['foo bar', '{', '', 'b'], 'one word each, no brace');
  t.deepEqual(blocks('. {\n a {\n  b{$DIR} {$PORT}\n }\n}', env), [['dns://.:53', 'a {br1 8080}']]);
});

test('corefile: a block whose addresses are all empty is left out, and that is said', (t) => {
  for (const text of ['"" {\nlog\n}\na {\n}', '{$UNSET} {\nlog\n}\na {\n}']) {
    const corefile = parseText(text);
    t.deepEqual(showBlocks(corefile), [['dns://a.:53']]);
    t.deepEqual(corefile.warnings, ['Corefile:1: a server block without an address is left out']);
  }
});
