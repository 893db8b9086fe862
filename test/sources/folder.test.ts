import test from 'ava';
import { createCounters } from '../../src/sources/counters.js';
import { createFolder } from '../../src/sources/folder.js';
import type { Folder } from '../../src/sources/folder.js';
import { createLog } from '../../src/log.js';

const service = (name: string, port: number | string = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: ${port}}]}\n`;

function opened() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const counters = createCounters();
  const folder = createFolder(createLog('info', { write }), counters);
  const refresh = (contents: Record<string, string | undefined>) => changes(folder, contents);
  return { lines, refresh, counters };
}

function changes(folder: Folder, contents: Record<string, string | undefined>): string[] {
  return folder
    .refresh(new Map(Object.entries(contents)))
    .map((event) =>
      event.type === 'put'
        ? `put ${event.kind} ${event.object.metadata?.name ?? ''}`
        : `delete ${event.kind} ${event.key}`,
    );
}

test('folder: only what changes is said', (t) => {
  const { refresh } = opened();
  t.deepEqual(refresh({ a: service('a'), b: service('b') }), ['put Service a', 'put Service b']);
  t.deepEqual(refresh({ a: service('a'), b: service('b') }), []);
  t.deepEqual(refresh({ a: service('a'), b: service('b', 81) }), ['put Service b']);
  t.deepEqual(refresh({ b: service('b', 81) }), ['delete Service default/a']);
});

test('folder: a field nobody uses is no change', (t) => {
  const { refresh } = opened();
  refresh({ a: service('a') });
  t.deepEqual(
    refresh({ a: service('a').replace('{name: a}', '{name: a, resourceVersion: "7"}') }),
    [],
  );
});

test('folder: a bad object keeps what it said before, disturbs no other, and is said once', (t) => {
  const { refresh, lines, counters } = opened();
  refresh({ a: `${service('a')}---\n${service('b')}`, c: service('c') });
  const bad = { a: `${service('a', 81)}---\n${service('b', 'x')}`, c: service('c', 82) };
  t.deepEqual(refresh(bad), ['put Service a', 'put Service c']);
  t.deepEqual(refresh(bad), []);
  t.is(lines.length, 1);
  t.like(lines[0], {
    level: 'error',
    object: 'Service default/b',
    file: 'a',
    document: 2,
    line: 9,
    key: 'spec.ports[0].port',
    value: '"x"',
    expectation: 'expected a port number from 1 to 65535',
    msg: `Service default/b: a:9:45: document 2: spec.ports[0].port: "x": expected a port number from 1 to 65535; what it said before stays in force`,
  });
  t.is(counters.malformed, 1);
  t.deepEqual(refresh({ ...bad, a: service('a', 83) }), [
    'put Service a',
    'delete Service default/b',
  ]);
  t.is(lines.length, 1);
});

test('folder: a bad object that is new is left out, and the others of its file count', (t) => {
  const { refresh, lines, counters } = opened();
  t.deepEqual(refresh({ a: `${service('b', 'x')}---\n${service('a')}` }), ['put Service a']);
  t.regex(String(lines[0]?.['msg']), /^Service default\/b: a:4:45: .*; left out$/);
  t.is(counters.malformed, 1);
});

test('folder: a file with a bad object takes nothing back', (t) => {
  const { refresh } = opened();
  refresh({ a: `${service('a')}---\n${service('b')}` });
  const misspelt = service('b').replace('name: b', 'nam: b');
  t.deepEqual(refresh({ a: misspelt }), []);
  t.deepEqual(refresh({ a: service('b') }), ['delete Service default/a']);
});

test('folder: what is not YAML keeps the last good objects too', (t) => {
  const { refresh, lines, counters } = opened();
  refresh({ a: service('a') });
  t.deepEqual(refresh({ a: 'x: [' }), []);
  t.is(counters.malformed, 1);
  t.regex(
    String(lines[0]?.['msg']),
    /^a:1:5: document 1: not YAML: .*; the file's last good objects stay in force$/,
  );
});

test('folder: an unreadable file is neither changed nor gone', (t) => {
  const { refresh } = opened();
  refresh({ a: service('a') });
  t.deepEqual(refresh({ a: undefined }), []);
  t.deepEqual(refresh({}), ['delete Service default/a']);
});

test('folder: an object in two files is taken from the first, and from the other when that goes', (t) => {
  const { refresh, lines } = opened();
  t.deepEqual(refresh({ b: service('a', 81), a: service('a', 80) }), ['put Service a']);
  t.is(lines.length, 1);
  t.is(lines[0]?.['msg'], 'Service default/a in b is left out: another file has it already');
  t.deepEqual(refresh({ b: service('a', 81) }), ['put Service a']);
  t.is(lines.length, 1);
});

test('folder: moving an object to another file changes nothing', (t) => {
  const { refresh } = opened();
  refresh({ a: service('a') });
  t.deepEqual(refresh({ b: service('a') }), []);
});
