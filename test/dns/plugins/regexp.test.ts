import test from 'ava';
import fc from 'fast-check';
import { compilePattern, PATTERN_MAX } from '../../../src/dns/plugins/regexp.js';

/** Pattern, text, and what Go 1.22's FindStringSubmatch gives. */
const MATCHES: readonly (readonly [string, string, readonly string[] | undefined])[] = [
  [
    '(.*)-(us-west-1)\\.coredns\\.rocks',
    'ftp-us-west-1.coredns.rocks.',
    ['ftp-us-west-1.coredns.rocks', 'ftp', 'us-west-1'],
  ],
  ['^(?P<a>[0-9]*)[.](?P<b>[0-9]*)[.]x[.]$', '10.2.x.', ['10.2.x.', '10', '2']],
  [
    '(^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$',
    'x.ip-10-95-12-8.example.',
    ['.ip-10-95-12-8.example.', '.', '10', '95', '12', '8'],
  ],
  ['(?i)^FOO\\.', 'foo.example.', ['foo.']],
  ['\\Afoo\\z', 'foo', ['foo']],
  ['\\Afoo\\z', 'foo\n', undefined],
  ['^[[:alpha:]]+[[:digit:]]$', 'abc7', ['abc7']],
  ['^[[:alpha:]]+$', 'abc7', undefined],
  ['\\Qa.b\\E', 'axb a.b', ['a.b']],
  ['(a)|(b)', 'b', ['b', '', 'b']],
  ['a{2,3}?', 'aaaa', ['aa']],
  ['x{,3}', 'x{,3}', ['x{,3}']],
  ['[]a]+', 'b]a', [']a']],
  ['[a-c-]+', 'x-b', ['-b']],
  ['a.c', 'a\nc', undefined],
  ['(?s)a.c', 'a\nc', ['a\nc']],
  ['(?m)^b$', 'a\nb\nc', ['b']],
  ['\\x41\\x{42}', 'AB', ['AB']],
  ['\\.\\-\\_\\/', '.-_/', ['.-_/']],
  ['[^.]*\\.[^.]*\\.[^.]*\\.[^.]*\\.', 'a.b.c.d.', ['a.b.c.d.']],
  ['\\s', '\u00a0', undefined],
  ['', 'x', ['']],
  ['^\\p{Greek}+$', 'αβγ', ['αβγ']],
];

for (const [pattern, text, expected] of MATCHES) {
  test(`regexp: ${JSON.stringify(pattern)} on ${JSON.stringify(text)} as in Go`, (t) => {
    t.deepEqual(compilePattern(pattern).find(text), expected);
  });
}

test('regexp: groups are counted and named, the whole match first', (t) => {
  const pattern = compilePattern('(?P<a>x)(y)(?:z)(?<b>w)');
  t.is(pattern.groupCount, 3);
  t.deepEqual(pattern.groupNames, ['', 'a', '', 'b']);
});

for (const pattern of [
  '(',
  ')',
  '[a',
  'a**',
  '*a',
  'a{3,2}',
  'a{1001}',
  '(?=a)',
  '(?!a)',
  '(?<=a)b',
  '(a)\\1',
  '\\',
  '[z-a]',
  '[[:nope:]]',
  '(?P<a>x)(?P<a>y)',
  '\\8',
]) {
  test(`regexp: ${pattern} is refused in one sentence, as Go refuses it`, (t) => {
    const error = t.throws(() => compilePattern(pattern));
    t.regex(error.message, /^pattern ".*": [^\n]+$/);
  });
}

test('regexp: a pattern is at most 10 000 characters long', (t) => {
  t.notThrows(() => compilePattern('a'.repeat(PATTERN_MAX)));
  t.throws(() => compilePattern('a'.repeat(PATTERN_MAX + 1)), { message: /more than 10000/ });
});

test('regexp: no pattern takes long against the longest name', (t) => {
  const name = `${'x'.repeat(255)}!`;
  const hostile = [
    '(x+)+$',
    '(x*)*$',
    '(x|x)*$',
    '(.*)x(.*)x(.*)x(.*)x(.*)y$',
    '(x?){200}y',
    '(?:x+x+)+y',
  ];
  for (const pattern of hostile) {
    const { find } = compilePattern(pattern);
    const start = performance.now();
    find(name);
    t.true(performance.now() - start < 1000, pattern);
  }
});

test('regexp: the same match as JavaScript where both mean the same', (t) => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '(a)',
    '(b|a)',
    '(?:ab)',
    '(a|)',
    '^',
    '$',
    '\\b',
  );
  const repeat = fc.constantFrom('', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{0,2}', '{1,}');
  const isPlace = (text: string): boolean => ['^', '$', '\\b'].includes(text);
  const part = fc.tuple(atom, repeat).map(([a, r]) => (isPlace(a) ? a : a + r));
  const pattern = fc
    .array(fc.oneof(part, fc.constant('|')), { maxLength: 6 })
    .map((p) => p.join(''));
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', '.'), { maxLength: 8 })
    .map((c) => c.join(''));
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      const expected = new RegExp(source).exec(subject);
      const found = compilePattern(source).find(subject);
      t.is(found?.[0], expected?.[0]);
      // JavaScript forgets a group at each turn of a loop, Go keeps it: only what is not in one.
      if (!/\)[*+{]/.test(source) && expected !== null) {
        t.deepEqual(
          found,
          Array.from(expected, (group?: string) => group ?? ''),
        );
      }
    }),
    { numRuns: 3000 },
  );
});
