import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { openJournal } from '../../src/journal/journal.js';

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-journal-'));
test.after.always(() => rmSync(folder, { recursive: true }));

let files = 0;
const newFile = () => path.join(folder, `journal-${files++}`);
const readNumber = (value: unknown) => (typeof value === 'number' ? value : undefined);
const open = (file: string, said: string[] = []) =>
  openJournal<number>(file, { read: readNumber, report: (sentence) => void said.push(sentence) });

/** What a process that starts now would find. */
async function reread(file: string): Promise<[string, number][]> {
  const journal = open(file);
  const entries = [...journal.entries];
  await journal.close();
  return entries;
}

test('journal: its folder is made, and where nothing can be made, that is an error at once', async (t) => {
  const file = path.join(folder, 'a', 'b', 'journal');
  await open(file).close();
  t.is(statSync(path.dirname(file)).mode & 0o777, 0o700);
  // Node's own `recursive` never returns from here.
  t.throws(() => open('/proc/sluice/a/journal'), { code: 'ENOENT' });
});

test('journal: a change is in memory at once and in the file when it resolves', async (t) => {
  const file = newFile();
  const journal = open(file);
  const done = journal.set('a', 1);
  t.is(journal.entries.get('a'), 1);
  t.is(readFileSync(file, 'utf8'), '');
  await done;
  t.regex(readFileSync(file, 'utf8'), /^[0-9a-f]{8} \{"key":"a","value":1\}\n$/);
  await journal.close();
  t.deepEqual(await reread(file), [['a', 1]]);
});

test('journal: what comes together is written together, in its order', async (t) => {
  const file = newFile();
  const journal = open(file);
  const changes = [journal.set('a', 1), journal.set('a', 2), journal.delete('b')];
  t.is(new Set(changes).size, 1, 'one batch, one promise');
  await Promise.all(changes);
  await journal.close();
  t.deepEqual(await reread(file), [['a', 2]]);
});

test('journal: a second user is refused in one sentence, and let in when the first is gone', async (t) => {
  const file = newFile();
  const journal = open(file);
  const message = `${file} is in use by process ${process.pid}; expected to be its only user`;
  t.throws(() => open(file), { code: 'ERR_STATE', message });
  await journal.close();
  await t.throwsAsync(journal.set('late', 1), { message: /is closed/ });
  t.deepEqual(await reread(file), []);
});

test('journal: a last line cut off at any byte costs that line only', async (t) => {
  const file = newFile();
  const journal = open(file);
  await journal.set('a', 1);
  const before = statSync(file).size;
  await journal.set('ü', 2);
  await journal.close();
  const whole = readFileSync(file);
  for (let len = before; len < whole.length; len++) {
    writeFileSync(file, whole);
    truncateSync(file, len);
    const said: string[] = [];
    const again = open(file, said);
    t.deepEqual([...again.entries], [['a', 1]], `${len} bytes`);
    t.deepEqual(said, []);
    await again.set('b', 3);
    await again.close();
    t.deepEqual((await reread(file)).sort(), [
      ['a', 1],
      ['b', 3],
    ]);
  }
});

test('journal: a damaged line in the middle is kept aside, said once, and costs no other', async (t) => {
  const file = newFile();
  const journal = open(file);
  for (const [i, key] of ['a', 'b', 'c'].entries()) await journal.set(key, i);
  await journal.close();
  const damaged = readFileSync(file, 'utf8').replace('"b"', '"x"');
  writeFileSync(file, damaged);
  const said: string[] = [];
  const again = open(file, said);
  await again.close();
  t.deepEqual([...again.entries.keys()], ['a', 'c']);
  t.deepEqual(said, [`${file}: damaged lines, kept in ${file}.corrupt, do not count: 1`]);
  t.is(readFileSync(`${file}.corrupt`, 'utf8'), `${damaged.split('\n')[1]}\n`);
  await open(file, said).close();
  t.is(said.length, 1);
});

test('journal: a value that cannot be read is kept aside too', async (t) => {
  const file = newFile();
  const strings = openJournal<string>(file, { read: String });
  await strings.set('a', 'text');
  await strings.close();
  t.deepEqual(await reread(file), []);
  t.regex(readFileSync(`${file}.corrupt`, 'utf8'), /"text"/);
});

test('journal: many changes of few keys leave a short file', async (t) => {
  const file = newFile();
  const journal = open(file);
  for (let round = 0; round < 30; round++) {
    await Promise.all(Array.from({ length: 100 }, (_, i) => journal.set(`k${i % 3}`, round + i)));
  }
  await journal.close();
  const lines = readFileSync(file, 'utf8').split('\n').length;
  t.true(lines < 1300, `${lines} lines`);
  t.is((await reread(file)).length, 3);
  const left = readdirSync(folder).filter((name) => name.startsWith(`${path.basename(file)}.tmp`));
  t.deepEqual(left, []);
});

test('journal: what a killed process acknowledged is there, and nothing older', async (t) => {
  const file = newFile();
  const child = path.join(import.meta.dirname, 'journal-child.ts');
  const writer = spawn(process.execPath, ['--import=tsx', child, file]);
  const last = new Map<string, number>();
  let highest = 0;
  const enough = 4000; // beyond the first time the file is written anew
  for await (const line of createInterface({ input: writer.stdout })) {
    const count = Number(line);
    const key = String(count % 20);
    last.set(key, Math.max(count, last.get(key) ?? 0));
    highest = Math.max(highest, count);
    if (highest > enough) writer.kill('SIGKILL');
  }
  if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
  t.is(writer.signalCode, 'SIGKILL');
  t.true(highest > enough, 'it was killed in the middle');
  const found = new Map(await reread(file));
  for (const [key, count] of last) {
    const isDeleted = Math.floor(count / 20) % 5 === 4;
    const value = found.get(key);
    // The next change of the key may have been written without being acknowledged any more.
    if (isDeleted) t.true(value === undefined || value > count, `${key}: ${value}`);
    else t.true(value === undefined ? true : value >= count, `${key}: ${value} < ${count}`);
    const nextDeletes = Math.floor(count / 20) % 5 === 3;
    if (!isDeleted && !nextDeletes) t.true(value !== undefined, `${key} is lost`);
  }
});

test('journal: what a full disk refused is written with the next change that succeeds', async (t) => {
  const file = newFile();
  const child = path.join(import.meta.dirname, 'full-child.ts');
  // No file beyond 40 KiB; without the signal, a write beyond it fails as on a full disk.
  const script = `trap '' XFSZ; ulimit -f 40; exec "$0" --import=tsx "$@"`;
  const { stdout } = await promisify(execFile)('bash', [
    '-c',
    script,
    process.execPath,
    child,
    file,
  ]);
  const { refused, keys } = JSON.parse(stdout) as { refused: number; keys: string[] };
  t.true(refused > 0);
  t.deepEqual(keys, ['k95', 'k96', 'k97', 'k98', 'k99', 'last']);
  const strings = openJournal<string>(file, { read: String });
  t.deepEqual([...strings.entries.keys()], keys);
  await strings.close();
});

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ key: fc.string({ maxLength: 2 }), value: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ key: fc.string({ maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.constant('restart' as const) },
);

testProp(
  'journal: any changes and restarts leave what a Map holds',
  [fc.array(step, { maxLength: 60, size: 'max' })],
  async (t, steps) => {
    const file = newFile();
    const model = new Map<string, number>();
    let journal = open(file);
    let changes: Promise<void>[] = [];
    for (const next of steps) {
      if (next === 'restart') {
        await journal.close();
        journal = open(file);
      } else if ('value' in next) {
        model.set(next.key, next.value);
        changes.push(journal.set(next.key, next.value));
      } else {
        model.delete(next.key);
        changes.push(journal.delete(next.key));
      }
      t.deepEqual(new Map(journal.entries), model);
      if (changes.length > 5) {
        await Promise.all(changes);
        changes = [];
      }
    }
    await journal.close();
    t.deepEqual(new Map(await reread(file)), model);
  },
  { numRuns: 60 },
);
