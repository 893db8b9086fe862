import test from 'ava';
import type { ExecutionContext } from 'ava';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/log.js';
import type { SourceEvent } from '../../src/model/events.js';
import { isManifestName, watchFiles } from '../../src/sources/files.js';

const service = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: ${port}}]}\n`;

/** Far above what a change takes, far below the limit of the runner. */
const PATIENCE_MS = 20_000;

interface Watched {
  readonly dir: string;
  /** Events up to the next `synced`. */
  next(): Promise<string[]>;
  end(): Promise<void>;
}

function shown(event: SourceEvent): string {
  if (event.type === 'put') return `put ${event.object.metadata?.name ?? ''}`;
  return event.type === 'delete' ? `delete ${event.key}` : 'synced';
}

async function watched(t: ExecutionContext, rescanMs = PATIENCE_MS): Promise<Watched> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-files-'));
  const controller = new AbortController();
  const { signal } = controller;
  const log = createLog('fatal', { write: () => undefined });
  const iterator = watchFiles({ dir, log, signal, debounceMs: 10, rescanMs });
  t.teardown(async () => {
    controller.abort();
    await iterator.return();
    await rm(dir, { recursive: true, force: true });
  });
  const next = async (): Promise<string[]> => {
    const batch: string[] = [];
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true || value.type === 'synced') return batch;
      batch.push(shown(value));
    }
  };
  const end = async (): Promise<void> => {
    controller.abort();
    t.true((await iterator.next()).done);
  };
  return { dir, next, end };
}

test('files: what editors and atomic replacement leave behind is no manifest', (t) => {
  for (const name of ['a.yaml', 'b.yml', 'c.json', 'D.YAML']) t.true(isManifestName(name), name);
  for (const name of [
    '.a.yaml.swp',
    '.a.yaml',
    'a.yaml~',
    '#a.yaml#',
    '.#a.yaml',
    'a.yaml.tmp',
    '4913',
    'a.txt',
    'a.yaml.bak',
    '..data',
  ]) {
    t.false(isManifestName(name), name);
  }
});

test('files: an empty folder is synced at once, and changes follow', async (t) => {
  const { dir, next, end } = await watched(t);
  t.deepEqual(await next(), []);
  await writeFile(join(dir, 'a.yaml'), service('a'));
  t.deepEqual(await next(), ['put a']);
  await writeFile(join(dir, 'b.yaml'), service('b'));
  t.deepEqual(await next(), ['put b']);
  await unlink(join(dir, 'a.yaml'));
  t.deepEqual(await next(), ['delete default/a']);
  await end();
});

test('files: replacing a file at one stroke is one change', async (t) => {
  const { dir, next } = await watched(t);
  await writeFile(join(dir, 'a.yaml'), `${service('a')}---\n${service('b')}`);
  await next();
  await writeFile(join(dir, '.a.yaml.tmp'), `${service('a', 81)}---\n${service('b')}`);
  await rename(join(dir, '.a.yaml.tmp'), join(dir, 'a.yaml'));
  t.deepEqual(await next(), ['put a']);
});

test('files: a mounted ConfigMap is followed when its data link is switched', async (t) => {
  const { dir, next } = await watched(t);
  for (const [version, port] of [
    ['..v1', 80],
    ['..v2', 81],
  ] as const) {
    await mkdir(join(dir, version));
    await writeFile(join(dir, version, 'a.yaml'), service('a', port));
  }
  await symlink('..v1', join(dir, '..data'));
  await symlink('..data/a.yaml', join(dir, 'a.yaml'));
  t.deepEqual(await next(), ['put a']);
  await symlink('..v2', join(dir, '..data_tmp'));
  await rename(join(dir, '..data_tmp'), join(dir, '..data'));
  t.deepEqual(await next(), ['put a']);
});

test('files: a folder replaced by another of its name is found by the rescan', async (t) => {
  const { dir, next } = await watched(t, 20);
  await writeFile(join(dir, 'a.yaml'), service('a'));
  t.deepEqual(await next(), ['put a']);
  const fresh = await mkdtemp(join(tmpdir(), 'sluice-files-'));
  await writeFile(join(fresh, 'b.yaml'), service('b'));
  await rename(dir, `${dir}.old`);
  await rename(fresh, dir);
  t.teardown(() => rm(`${dir}.old`, { recursive: true, force: true }));
  t.deepEqual(await next(), ['put b', 'delete default/a']);
  await writeFile(join(dir, 'c.yaml'), service('c'));
  t.deepEqual(await next(), ['put c']);
});

test('files: a folder that cannot be read at the start is an error', async (t) => {
  const { signal } = new AbortController();
  const log = createLog('fatal', { write: () => undefined });
  const iterator = watchFiles({ dir: '/nonexistent/manifests', log, signal });
  await t.throwsAsync(iterator.next(), {
    name: 'DataplaneError',
    message: 'cannot read the folder of manifests /nonexistent/manifests',
  });
});

test('files: an aborted signal ends the iteration', async (t) => {
  const { next, end } = await watched(t);
  await next();
  await end();
});
