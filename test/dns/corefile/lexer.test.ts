import test from 'ava';
import { DataplaneError } from '../../../src/errors.js';
import { lex } from '../../../src/dns/corefile/lexer.js';

/** `line:text`, and a plus before what begins a line. */
const words = (text: string): string[] =>
  lex(text, 'Corefile').map((token) => `${token.startsLine ? '+' : ''}${token.line}:${token.text}`);
const texts = (text: string): string[] => lex(text, 'Corefile').map((token) => token.text);

test('lexer: words know their file, their line, and whether they begin it', (t) => {
  t.deepEqual(words('host:123\n\n  directive arg'), ['+1:host:123', '+3:directive', '3:arg']);
  t.deepEqual(lex('a', '/etc/coredns/Corefile'), [
    { text: 'a', file: '/etc/coredns/Corefile', line: 1, startsLine: true },
  ]);
  for (const nothing of ['', '\n', ' ', '\t\n', '# only this', '\uFEFF']) {
    t.deepEqual(words(nothing), [], JSON.stringify(nothing));
  }
});

test('lexer: one byte order mark is dropped, a second one is part of a word', (t) => {
  t.deepEqual(texts('\uFEFF.:53'), ['.:53']);
  t.deepEqual(texts('\uFEFF\uFEFF.:53'), ['\uFEFF.:53']);
  t.deepEqual(texts('a \uFEFF b'), ['a', '\uFEFF', 'b']);
});

test('lexer: any Unicode white space separates words, and only a line feed counts lines', (t) => {
  const spaces = [' ', '\t', '\v', '\f', '\u0085', '\u00a0', '\u2003', '\u2028', '\u3000'];
  for (const space of spaces)
    t.deepEqual(words(`a${space}b`), ['+1:a', '1:b'], JSON.stringify(space));
  t.deepEqual(texts('a\u200bb'), ['a\u200bb'], 'a zero width space is none');
});

test('lexer: a carriage return is not there, and ends no word', (t) => {
  t.deepEqual(words('skip those\r\nCR characters'), [
    '+1:skip',
    '1:those',
    '+2:CR',
    '2:characters',
  ]);
  t.deepEqual(texts('on\re \r two'), ['one', 'two']);
  t.deepEqual(texts('"a\r\nb"'), ['a\r\nb'], 'but between quotes it is');
});

test('lexer: a word that begins with a quote runs to the next one [dns 109]', (t) => {
  t.deepEqual(texts('a "quoted value" b'), ['a', 'quoted value', 'b']);
  t.deepEqual(texts('empty "" string'), ['empty', '', 'string']);
  t.deepEqual(texts('"a"b "c""d"'), ['a', 'b', 'c', 'd']);
  t.deepEqual(texts(`'single quotes' are not`), [`'single`, `quotes'`, 'are', 'not']);
});

test('lexer: a quote in the middle of a word is a character', (t) => {
  t.deepEqual(texts('a"b c"d'), ['a"b', 'c"d']);
});

test('lexer: between quotes only a quote can be escaped [dns 109]', (t) => {
  t.deepEqual(texts(String.raw`A "quoted \"value\" inside" B`), [
    'A',
    'quoted "value" inside',
    'B',
  ]);
  t.deepEqual(texts(String.raw`"don't\escape"`), [String.raw`don't\escape`]);
  t.deepEqual(texts(String.raw`"don't\\escape"`), [String.raw`don't\\escape`]);
  t.deepEqual(texts(String.raw`"ends\\" b`), ['ends\\\\', 'b'], 'a backslash escapes a backslash');
  t.deepEqual(texts(String.raw`plain\"word`), [String.raw`plain\"word`], 'not outside of quotes');
});

test('lexer: a quoted word may span lines; what stands behind it is on its last one', (t) => {
  t.deepEqual(words('A "with a\nbreak" {\n  foobar\n}'), [
    '+1:A',
    '1:with a\nbreak',
    '2:{',
    '+3:foobar',
    '+4:}',
  ]);
  t.deepEqual(words('"a\n\nb"\nc'), ['+1:a\n\nb', '+4:c']);
});

test('lexer: a comment runs to the end of its line, also from the middle of a word [dns 109]', (t) => {
  t.deepEqual(words('a {\n#comment\n  b # another one\n# { }\n}'), ['+1:a', '1:{', '+3:b', '+5:}']);
  t.deepEqual(words('foo#bar baz\nqux'), ['+1:foo', '+2:qux']);
  t.deepEqual(texts('"not # a comment" x'), ['not # a comment', 'x']);
  t.deepEqual(texts('# a "quote\nb'), ['b']);
});

test('lexer: braces stand alone or are part of a word', (t) => {
  t.deepEqual(texts('a { b{ }c {} }'), ['a', '{', 'b{', '}c', '{}', '}']);
});

test('lexer: a quote that is never closed is refused where it opens', (t) => {
  const { message } = t.throws(() => lex('a\nb "c\nd', 'Corefile'), {
    instanceOf: DataplaneError,
    code: 'ERR_CONFIG',
  });
  t.is(message, 'Corefile:2: a quote is opened and never closed');
  t.throws(() => lex(String.raw`"only escaped \"`, 'Corefile'), { code: 'ERR_CONFIG' });
});
