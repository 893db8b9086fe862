import test from 'ava';
import type { ExecutionContext } from 'ava';
import { argumentsOf } from '../../../src/dns/corefile/arguments.js';
import type { Arguments } from '../../../src/dns/corefile/arguments.js';
import {
  needChoice,
  needDuration,
  needEach,
  needInteger,
  needName,
  needPercent,
} from '../../../src/dns/corefile/values.js';
import { parseText } from '../../support/corefile.js';

/** Arguments of the first directive. */
function args(t: ExecutionContext, text: string): Arguments {
  const [directive] = parseText(`. {\n${text}\n}`).blocks[0]?.directives ?? [];
  return directive === undefined ? t.fail() : argumentsOf(directive);
}

const message = (t: ExecutionContext, run: () => unknown): string =>
  t.throws(run, { code: 'ERR_CONFIG' }).message;

test('arguments: are taken one by one, then the rest', (t) => {
  const forward = args(t, 'forward . 192.0.2.1 192.0.2.2 tls://192.0.2.3');
  t.is(forward.name, 'forward');
  t.is(forward.left, 4);
  t.is(forward.peek(), '.');
  t.is(forward.need('a zone'), '.');
  t.is(forward.next(), '192.0.2.1');
  t.deepEqual(
    forward.rest().map(({ text, line }) => `${line}:${text}`),
    ['2:192.0.2.2', '2:tls://192.0.2.3'],
  );
  t.is(forward.left, 0);
  t.is(forward.next(), undefined);
  t.is(forward.peek(), undefined);
  t.deepEqual(forward.rest(), []);
  t.notThrows(() => forward.end());
});

test('arguments: an error names file, line, directive and the word that was taken last', (t) => {
  const cache = args(t, 'cache thirty 5');
  t.is(
    message(t, () => cache.fail('stop')),
    'Corefile:2: cache: stop',
  );
  cache.next();
  t.is(
    message(t, () => cache.fail('stop')),
    'Corefile:2: cache: "thirty": stop',
  );
  t.is(cache.token.text, 'thirty');
  t.is(
    message(t, () => cache.end()),
    'Corefile:2: cache: "5": unexpected argument',
  );
  t.is(
    message(t, () => args(t, 'cache').need('a TTL')),
    'Corefile:2: cache: expected a TTL',
  );
});

test('arguments: a word that is missing in an import is missed where it should be', (t) => {
  const [directive] = parseText('(s) {\n log a\n}\n. {\n import s\n}').blocks[0]?.directives ?? [];
  const log = directive === undefined ? t.fail() : argumentsOf(directive);
  log.next();
  t.is(
    message(t, () => log.need('a format')),
    'Corefile:2: log: "a": expected a format',
  );
});

test('arguments: lines in braces have arguments of their own, and braces of their own', (t) => {
  const text = 'kubernetes Z {\n pods insecure\n\n nested {\n  x\n }\n ttl\n}';
  const kubernetes = args(t, text);
  t.true(kubernetes.hasBlock);
  const [pods, nested, ttl] = kubernetes.lines();
  t.is(pods?.name, 'pods');
  t.is(pods?.need('a mode'), 'insecure');
  t.false(pods?.hasBlock);
  t.deepEqual(
    nested?.lines().map(({ name }) => name),
    ['x'],
  );
  t.is(
    message(t, () => ttl?.need('a TTL')),
    'Corefile:8: kubernetes ttl: expected a TTL',
  );
  t.is(
    message(t, () => pods?.fail('no')),
    'Corefile:3: kubernetes pods: "insecure": no',
  );
  t.is(
    message(t, () => ttl?.unknown()),
    'Corefile:8: kubernetes: unknown property "ttl"',
  );
});

test('arguments: a name that is no plain word is quoted', (t) => {
  const [line] = args(t, 'hosts {\n "10.0.0.1 x" y\n}').lines();
  t.is(
    message(t, () => line?.fail('no')),
    'Corefile:3: hosts "10.0.0.1 x": no',
  );
});

test('arguments: braces that nobody asks for are refused, empty ones too', (t) => {
  t.is(
    message(t, () => args(t, 'loop {\n}').end()),
    'Corefile:2: loop: expected no braces',
  );
  const reload = args(t, 'reload 10s {\n}');
  reload.next();
  t.is(
    message(t, () => reload.end()),
    'Corefile:2: reload: expected no braces',
  );
  const errors = args(t, 'errors {\n}');
  t.deepEqual(errors.lines(), []);
  t.notThrows(() => errors.end());
  t.deepEqual(args(t, 'errors').lines(), []);
});

test('arguments: braces may be let be, arguments may not', (t) => {
  t.notThrows(() => args(t, 'ttl {\n}').endArguments());
  t.is(
    message(t, () => args(t, 'ttl 5').endArguments()),
    'Corefile:2: ttl: "5": unexpected argument',
  );
});

test('values: a whole number within its bounds', (t) => {
  const ttl = (word: string): number =>
    needInteger(args(t, `cache ${word}`), 'a TTL', { min: 0, max: 3600 });
  t.deepEqual(['0', '3600', '+5', '007'].map(ttl), [0, 3600, 5, 7]);
  for (const word of ['-1', '3601', '1.5', '1e3', '0x10', '30s', '""', '9'.repeat(400)]) {
    const shown =
      word === '""' ? '""' : JSON.stringify(word.length > 60 ? `${word.slice(0, 60)}...` : word);
    t.is(
      message(t, () => ttl(word)),
      `Corefile:2: cache: ${shown}: expected a TTL of 0 to 3600`,
    );
  }
  t.is(
    message(t, () => ttl('')),
    'Corefile:2: cache: expected a TTL of 0 to 3600',
  );
});

test('values: there need not be an upper bound', (t) => {
  const size = (word: string): number =>
    needInteger(args(t, `x ${word}`), 'a size', { min: 512, max: Infinity });
  t.deepEqual(['512', '00512', '99999999999'].map(size), [512, 512, 99_999_999_999]);
  for (const word of ['511', '-512']) {
    t.is(
      message(t, () => size(word)),
      `Corefile:2: x: "${word}": expected a size of 512 or more`,
    );
  }
});

test('values: a duration as Go writes it', (t) => {
  const duration = (word: string): number => needDuration(args(t, `x ${word}`), 'an interval');
  const cases = {
    '1h30m': 5_400_000,
    '500ms': 500,
    '0': 0,
    '1.5s': 1500,
    '+2m': 120_000,
    '250us': 0.25,
  };
  for (const [word, ms] of Object.entries(cases)) t.is(duration(word), ms, word);
  const expected = 'expected an interval such as 500ms or 1h30m';
  for (const word of ['30', '1d', 'h', '5S', '1h-5m', '5sec']) {
    t.is(
      message(t, () => duration(word)),
      `Corefile:2: x: "${word}": ${expected}`,
    );
  }
  for (const word of ['-5s', '9999999h', `${'9'.repeat(400)}h`]) {
    t.regex(
      message(t, () => duration(word)),
      /: expected an interval of 0 to 292 years$/,
    );
  }
});

test('values: a duration within its bounds', (t) => {
  const timeout = (word: string, max: number): number =>
    needDuration(args(t, `x ${word}`), 'a timeout', { min: 1, max });
  t.is(timeout('1ms', 60_000), 1);
  t.is(timeout('1m', 60_000), 60_000);
  t.is(timeout('9999999h', Infinity), 35_999_996_400_000);
  const cases: [word: string, max: number, expected: string][] = [
    ['0', 60_000, '1ms to 60s'],
    ['60001ms', 60_000, '1ms to 60s'],
    ['0.5ms', Infinity, '1ms or more'],
  ];
  for (const [word, max, expected] of cases) {
    t.is(
      message(t, () => timeout(word, max)),
      `Corefile:2: x: "${word}": expected a timeout of ${expected}`,
    );
  }
});

test('values: a percentage has its sign', (t) => {
  const percent = (word: string): number =>
    needPercent(args(t, `prefetch ${word}`), 'a share', { min: 0, max: 100 });
  t.deepEqual(['0%', '10%', '100%'].map(percent), [0, 10, 100]);
  for (const word of ['10', '101%', '%', '-1%', '1.5%', '10%%', '010%', 'NaN%']) {
    const expected = `Corefile:2: prefetch: "${word}": expected a share of 0% to 100%`;
    t.is(
      message(t, () => percent(word)),
      expected,
    );
  }
});

test('values: one word of a few', (t) => {
  const policies = ['random', 'round_robin', 'sequential'] as const;
  t.is(needChoice(args(t, 'policy sequential'), policies), 'sequential');
  const expected = 'expected one of random, round_robin, sequential';
  t.is(
    message(t, () => needChoice(args(t, 'policy Random'), policies)),
    `Corefile:2: policy: "Random": ${expected}`,
  );
  t.is(
    message(t, () => needChoice(args(t, 'policy'), ['a'])),
    'Corefile:2: policy: expected a',
  );
});

test('values: a name, in lower case', (t) => {
  t.deepEqual(needName(args(t, 'log A.b')), Uint8Array.of(1, 0x61, 1, 0x62, 0));
  t.is(
    message(t, () => needName(args(t, 'log a..b'))),
    'Corefile:2: log: "a..b" is no domain name: it has an empty label',
  );
  t.is(
    message(t, () => needName(args(t, 'log'))),
    'Corefile:2: log: expected a name',
  );
});

test('values: all that is left, one at least', (t) => {
  const words = (text: string): string[] => needEach(args(t, text), (each) => each.need('a word'));
  t.deepEqual(words('x a b a'), ['a', 'b', 'a']);
  t.is(
    message(t, () => words('x')),
    'Corefile:2: x: expected a word',
  );
});
