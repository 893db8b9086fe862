import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { DataplaneError } from '../../../src/errors.js';
import type { Corefile, Directive } from '../../../src/dns/corefile/corefile.js';
import { parseText, showBlocks, withFiles } from '../../support/corefile.js';

const RUNS = { numRuns: 1000 };

/** Pieces that mean something to the lexer, the parser or the reader of addresses. */
const piece = fc.oneof(
  fc.constantFrom('{', '}', ' ', '\n', '\r\n', '\t', ',', '#', '"', '\\', '\\"', '.', ':', '/'),
  fc.constantFrom('import', '(s)', 's', '{$A}', '{%A%}', '{$', '}', '*', '?', '\uFEFF', '://'),
  fc.constantFrom('.:53', 'tls://a', '10.0.0.0/15', '2001:db8::/31', '::/0', 'bind', 'view', 'x'),
  fc.constantFrom('import s\n', '(s) {\n', 'a {\n', '}\n', '\n}\n', 'x {\n', 'x y z\n', '"a\nb"'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const corefileText = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));

/** The parse, or the one line that says why there is none. */
function attempt(text: string): Corefile | string {
  try {
    return parseText(text, { file: '/nowhere/Corefile', env: { A: 'b {\n import' } });
  } catch (error) {
    if (error instanceof DataplaneError && error.code === 'ERR_CONFIG') return error.message;
    throw error;
  }
}

const directivesOf = (lines: readonly Directive[]): Directive[] =>
  lines.flatMap((line) => [line, ...directivesOf(line.block ?? [])]);

let accepted = 0;
testProp(
  'corefile: any text is read, or refused in one line with a place',
  [fc.oneof(corefileText, fc.string({ unit: 'binary', maxLength: 200 }))],
  (t, text) => {
    const result = attempt(text);
    if (typeof result === 'string') {
      t.regex(result, /^\/nowhere\/Corefile:\d+: [^\n]+$/);
      return;
    }
    accepted++;
    const lineCount = text.split('\n').length;
    t.true(result.blocks.every(({ addresses }) => addresses.length > 0));
    for (const { addresses, directives } of result.blocks) {
      for (const { zone, port } of addresses) {
        t.regex(zone, /^(\.|([^.A-Z]{1,63}\.)+)$/);
        t.true(zone.length <= 254 && port >= 0 && port <= 65_535);
      }
      for (const { name, args } of directivesOf(directives)) {
        for (const { line } of [name, ...args]) t.true(line >= 1 && line <= lineCount);
      }
    }
  },
  RUNS,
);

test.after('the property has seen texts that are read', (t) => {
  t.true(accepted > RUNS.numRuns / 50, String(accepted));
});

const word = fc.stringMatching(/^[a-z0-9.$%()\\'-]{1,8}$/).filter((text) => text !== 'import');
interface Line {
  readonly words: readonly string[];
  readonly block: readonly Line[] | undefined;
}
const { line } = fc.letrec<{ line: Line }>((tie) => ({
  line: fc.record({
    words: fc.array(word, { minLength: 1, maxLength: 4 }),
    block: fc.option(fc.array(tie('line'), { maxLength: 3 }), {
      nil: undefined,
      depthSize: 'small',
      maxDepth: 4,
    }),
  }),
}));

/** A line as a person might write it: quotes, comments, spaces and ends of line as they come. */
function write({ words, block }: Line, pick: () => number): string {
  const quote = (text: string): string =>
    pick() % 3 === 0 && !text.includes('\\') ? `"${text}"` : text;
  const end = [' # why\n', '\n', '\r\n', '\n\n# {\n'][pick() % 4] ?? '\n';
  const text = words.map(quote).join(' '.repeat(1 + (pick() % 3)));
  if (block === undefined) return `${text}${end}`;
  const brace = pick() % 4 === 0 ? '\n{' : ' {';
  return `${text}${brace}${end}${block.map((inner) => write(inner, pick)).join('')}}${end}`;
}

const show = ({ words, block }: Line): string =>
  block === undefined ? words.join(' ') : `${words.join(' ')} {${block.map(show).join('; ')}}`;

testProp(
  'corefile: what is written comes back, however it is laid out',
  [fc.array(line, { maxLength: 5 }), fc.infiniteStream(fc.nat())],
  (t, lines, numbers) => {
    const pick = (): number => {
      const next: IteratorResult<number, unknown> = numbers.next();
      return next.done === true ? 0 : next.value;
    };
    const text = lines.map((each) => write(each, pick)).join('');
    const expected = ['dns://a.:53', ...lines.map(show)];
    const once = { onceOnly: new Set<string>() };
    t.deepEqual(showBlocks(parseText(`a {\n${text}}\n`, once)), [expected as [string]]);
    t.deepEqual(showBlocks(parseText(`a\n${text}`, once)), [expected as [string]]);
    const snippet = `(s) {\n${text}}\na {\nimport s\n}\n`;
    t.deepEqual(showBlocks(parseText(snippet, once)), [expected as [string]]);
  },
  { numRuns: 150 },
);

testProp(
  'corefile: files that import each other at random end, in an error or in blocks',
  [
    fc.array(fc.array(fc.constantFrom('a', 'b', 'c', '*.x', 'n'), { maxLength: 4 }), {
      minLength: 3,
      maxLength: 3,
    }),
  ],
  (t, [a = [], b = [], c = []]) => {
    const imports = (names: readonly string[]): string =>
      names.map((name) => `import ${name.length === 1 ? `${name}.x` : name}\n`).join('');
    const files = {
      'a.x': `whoami\n${imports(a)}`,
      'b.x': imports(b),
      'c.x': imports(c),
      'n.x': 'n',
    };
    withFiles(files, (dir) => {
      const read = () => parseText(`. {\nimport ${dir}/a.x\n}`);
      try {
        t.is(read().blocks.length, 1);
      } catch (error) {
        t.regex((error as Error).message, /: the file imports itself$/);
      }
    });
  },
  { numRuns: 150 },
);

test('corefile: texts made to take long do not', (t) => {
  const times = (text: string, count: number): string => text.repeat(count);
  const texts = [
    times('"', 400_001),
    times('"\\', 300_000),
    times('{$', 300_000),
    `.\nx ${times('{$', 200_000)}${times('{%', 200_000)}`,
    `.\nx ${times('{$A', 200_000)}`,
    times('::', 300_000),
    times('(', 500_000) + times(')', 500_000),
    times('a {\n', 200_000),
    times('a,', 300_000),
    times('a,\n', 300_000),
    times('(a) {\n', 100_000),
    `${times('a', 500_000)}://`,
    `${times(':', 500_000)}/`,
    `a\n${times('x\n{\n}\n', 100_000)}`,
    `\r${times('\r', 1_000_000)}`,
    times('10.0.0.0/25 ', 1_000),
    `. {\n${times('bind a\n', 100_000)}\n}`,
  ];
  for (const text of texts) {
    const start = performance.now();
    attempt(text);
    const tookMs = performance.now() - start;
    t.true(tookMs < 10_000, `${text.slice(0, 12)}: ${tookMs} ms`);
  }
});
