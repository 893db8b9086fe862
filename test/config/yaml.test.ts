import test from 'ava';
import { readYaml } from '../../src/yaml.js';

const valueOf = (text: string) => readYaml(`v: ${text}\n`, 'f')[0]?.value;

test('yaml: scalars are what Go programs make of them', (t) => {
  const cases: [string, unknown][] = [
    ['on', true],
    ['Off', false],
    ['0755', 493],
    ['0x10', 16],
    ['1e3', 1000],
    ['1.5e-3', 0.0015],
    ['e0', 'e0'],
    ['.', '.'],
    ['.5', 0.5],
    ['1.', 1],
    ['E1', 'E1'],
    ['12:30', '12:30'],
    ['2024-01-01', '2024-01-01'],
    ['2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z'],
    ['~', null],
  ];
  for (const [text, v] of cases) t.deepEqual(valueOf(text), { v }, text);
});

test('yaml: documents are counted, empty ones included', (t) => {
  const documents = readYaml('---\n# nothing\n---\na: 1\n---\nb: [x, {c: 2}]\n', 'f');
  t.deepEqual(
    documents.map(({ index, value }) => [index, value]),
    [
      [2, { a: 1 }],
      [3, { b: ['x', { c: 2 }] }],
    ],
  );
  t.deepEqual(documents[1]?.locate(['b', 1, 'c']), { line: 6, col: 12 });
  t.deepEqual(documents[1]?.locate(['b', 1, 'missing', 'deep']), { line: 6, col: 8 });
});

test('yaml: JSON is read too', (t) => {
  t.deepEqual(readYaml('{"a": [1, "b", null]}', 'f')[0]?.value, { a: [1, 'b', null] });
});

test('yaml: what is not YAML is one line with its place', (t) => {
  const error = t.throws(() => readYaml('a: 1\n---\nb: [\n', 'f.yaml'), { name: 'DataplaneError' });
  t.regex(error.message, /^f\.yaml:\d+:\d+: document 2: not YAML: .+$/);
  t.notThrows(() => readYaml('', 'f'));
});

test('yaml: an alias bomb is refused', (t) => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i++) {
    const [first, ...rest] = Array.from({ length: 10 }, () => `*a${i - 1}`);
    lines.push(`a${i}: &a${i} [${[first, ...rest].join(', ')}]`);
  }
  t.throws(() => readYaml(lines.join('\n'), 'f'), { message: /not YAML: Excessive alias count/ });
});
