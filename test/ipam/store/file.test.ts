import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openFileStore } from '../../../src/ipam/store/file.js';
import { storeClaims } from './contract.js';
import { kindOf } from './kind-of.js';

const temporary = () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-store-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
};

storeClaims('file', async () => {
  const { dir, remove } = temporary();
  const stores = [await openFileStore(dir), await openFileStore(dir)] as const;
  const close = () => {
    remove();
    return Promise.resolve();
  };
  return { stores, close };
});

test('store: file: processes that raise one counter lose no count', async (t) => {
  const { dir, remove } = temporary();
  const store = await openFileStore(dir);
  await store.create('blocks/count', { n: 0 });
  const racers = [1, 2, 3].map(() => fork(join(import.meta.dirname, 'racer.ts'), [dir, '40']));
  const codes = await Promise.all(racers.map((racer) => once(racer, 'exit')));
  t.deepEqual(
    codes.map(([code]) => Number(code)),
    [0, 0, 0],
  );
  t.deepEqual((await store.get('blocks/count'))?.value, { n: 120 });
  remove();
});

test('store: file: a writer that dies halfway leaves what was there', async (t) => {
  const { dir, remove } = temporary();
  const store = await openFileStore(dir);
  const made = await store.create('blocks/x', { n: 1 });
  writeFileSync(join(dir, 'blocks/x/.half'), '{"n":');
  mkdirSync(join(dir, 'blocks/y'));
  const again = await openFileStore(dir);
  t.deepEqual(await again.get('blocks/x'), made);
  t.is(await again.get('blocks/y'), undefined);
  t.deepEqual(await again.list('blocks'), [made]);
  await again.create('blocks/y', { n: 2 });
  await again.update('blocks/x', { n: 2 }, made.revision);
  t.deepEqual((await again.get('blocks/x'))?.value, { n: 2 });
  remove();
});

test('store: file: a writer so slow that its number may have come and gone does not know', async (t) => {
  const { dir, remove } = temporary();
  const store = await openFileStore(dir);
  const made = await store.create('blocks/x', { n: 1 });
  // As soon as the slow writer has its number, another one goes on from it.
  const follow = (): void => {
    if (existsSync(join(dir, 'blocks/x/2'))) writeFileSync(join(dir, 'blocks/x/3'), '{"n":3}');
    else setImmediate(follow);
  };
  let ms = 0;
  const slow = await openFileStore(dir, () => {
    if (ms === 0) follow();
    return (ms += 60_000);
  });
  t.is(await kindOf(slow.update('blocks/x', { n: 2 }, made.revision)), 'unavailable');
  t.deepEqual((await store.get('blocks/x'))?.value, { n: 3 });
  remove();
});

test('store: file: superseded revisions stay only for a while', async (t) => {
  const { dir, remove } = temporary();
  const store = await openFileStore(dir);
  let { revision } = await store.create('blocks/x', { n: 0 });
  for (let n = 1; n <= 30; n++) ({ revision } = await store.update('blocks/x', { n }, revision));
  t.is(readdirSync(join(dir, 'blocks/x')).length, 31);
  remove();
});

test('store: file: a folder that cannot be made or read is unavailable', async (t) => {
  const { dir, remove } = temporary();
  writeFileSync(join(dir, 'file'), '');
  t.is(await kindOf(openFileStore(join(dir, 'file'))), 'unavailable');
  const store = await openFileStore(join(dir, 'store'));
  rmSync(join(dir, 'store'), { recursive: true });
  t.is(await kindOf(store.list('blocks')), 'unavailable');
  remove();
});
