import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { setUpFile } from '../../../src/dns/plugins/file/file.js';
import { until } from '../../support/until.js';
import { ask, contextOf, setUp, told, unexpected } from './harness.js';

const SOA = '@ 60 SOA ns admin 1 2 3 4 5\n';

function folderOf(t: ExecutionContext, files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'zones-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'sub'));
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, `${name}.new`), text);
    renameSync(join(folder, `${name}.new`), join(folder, name));
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { folder, write };
}

test('file: a file is included from the folder of the file that names it', (t) => {
  const { folder } = folderOf(t, {
    db: `${SOA}$include sub/part\n`,
    'sub/part': '$INCLUDE deep\n',
    'sub/deep': 'a A 192.0.2.1\nb A x\n',
  });
  const error = t.throws(() => setUp(setUpFile, 'file db example.org', contextOf({ folder })));
  t.is(
    error.message,
    `Corefile:2: file: ${folder}/db:2: ${folder}/sub/part:1: ${folder}/sub/deep:2: "x": expected an IPv4 address`,
  );
});

test('file: a change of a file that is included is read, and so is its return', async (t) => {
  const { folder, write } = folderOf(t, {
    db: `${SOA}$INCLUDE sub/part\n`,
    'sub/part': 'a A 192.0.2.1\n',
  });
  const lines: string[] = [];
  const log = { warn: (_: unknown, message: string) => void lines.push(message) } as never;
  const context = contextOf({ folder, log });
  const plugin = setUp(setUpFile, 'file db example.org {\nreload 20ms\n}', context);
  t.teardown(() => plugin.close?.());
  const answerOf = async (name: string): Promise<string[]> =>
    told(await plugin.handle(ask(`${name}.example.org`), unexpected)).answer;
  /** Until `a` has the address. */
  const answered = async (address: string): Promise<void> => {
    let latest = '';
    await until(`a has ${address}`, () => {
      void answerOf('a').then(([record = '']) => (latest = record));
      return latest === `a.example.org 60 A ${address}`;
    });
  };
  t.deepEqual(await answerOf('a'), ['a.example.org 60 A 192.0.2.1']);
  write('sub/part', 'a A 192.0.2.22\n');
  await answered('192.0.2.22');
  rmSync(join(folder, 'sub/part'));
  await until('the mistake is told', () => lines.length > 0);
  t.regex(lines[0] ?? '', /db:2: ENOENT/);
  t.deepEqual(await answerOf('a'), ['a.example.org 60 A 192.0.2.22']);
  write('sub/part', 'a A 192.0.2.3\n');
  await answered('192.0.2.3');
  t.is(lines.length, 1, 'one mistake is one line');
});

test('file: $GENERATE and HTTPS records are served', async (t) => {
  const db = `${SOA}$GENERATE 1-3 host-$ A 192.0.2.$\nweb HTTPS 1 . alpn="h2,h3" port=8443\n`;
  const plugin = setUp(
    setUpFile,
    'file db example.org',
    contextOf({ folder: folderOf(t, { db }).folder }),
  );
  t.teardown(() => plugin.close?.());
  const host = await plugin.handle(ask('host-2.example.org'), unexpected);
  t.deepEqual(told(host).answer, ['host-2.example.org 60 A 192.0.2.2']);
  const web = await plugin.handle(
    ask({ name: 'web.example.org', type: 'UNKNOWN_65' as never }),
    unexpected,
  );
  const rdata = Buffer.from('000100000100060268320268330003000220fb', 'hex');
  t.true(Buffer.from(web.message).includes(rdata));
});
