import test from 'ava';
import { replaceEnvironment } from '../../../src/dns/corefile/environment.js';

const ENV = { PORT: '8080', ADDRESS: 'servername.com', FOOBAR: 'foobar', LATE: '{$PORT}' };
const replace = (text: string): string => replaceEnvironment(text, ENV);

test('environment: both forms, several in a word, in either order [dns 109]', (t) => {
  t.is(replace('{$ADDRESS}'), 'servername.com');
  t.is(replace('{%ADDRESS%}:{$PORT}'), 'servername.com:8080');
  t.is(replace('{$ADDRESS}:{%PORT%}'), 'servername.com:8080');
  t.is(replace('a{$PORT}b{$PORT}c'), 'a8080b8080c');
});

test('environment: what is not set is empty', (t) => {
  t.is(replace('a{$UNSET}b{%UNSET%}c'), 'abc');
  t.is(replace(':{$PORT$}'), ':');
  t.is(replace('{$constructor}{$__proto__}'), '', 'nor is what every object has');
});

test('environment: what names nothing stays', (t) => {
  for (const text of ['{$}', '{%}', '{%%}', '{%ADDRESS}', '{$PORT', '{PORT}', '$PORT', '%PORT%']) {
    t.is(replace(text), text);
  }
});

test('environment: templates lose {{$x}}, and keep {{ $x }} and {{ .Name }}', (t) => {
  t.is(replace('{{$x}}'), '{}');
  t.is(replace('{{ $x }}'), '{{ $x }}');
  t.is(replace('{{ .Name }} {$FOOBAR}'), '{{ .Name }} foobar');
  t.is(replace('{{ .Name }}{1}.{2}'), '{{ .Name }}{1}.{2}');
});

test('environment: the percent form comes first, and no value is searched for its own form', (t) => {
  t.is(replace('{%LATE%}'), '8080');
  t.is(replace('{$LATE}'), '{$PORT}');
  t.is(replaceEnvironment('{$A}', { A: '{$A}{$A}' }), '{$A}{$A}');
  t.is(replaceEnvironment('{%A%}', { A: '$& $1 {%A%}' }), '$& $1 {%A%}');
});
