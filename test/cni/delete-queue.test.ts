import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { startDeleteQueue } from '../../src/cni/delete-queue.js';
import { createDispatch } from '../../src/cni/dispatch.js';
import type { CniHandler } from '../../src/cni/dispatch.js';
import { CniError } from '../../src/cni/errors.js';
import type { CniRequest } from '../../src/cni/request.js';
import { encodeRequest } from '../../src/cni/wire.js';
import { ATTACHMENT, PLUGIN, conf, execute, recordingLog, temporary } from './plugin.js';

/** Every DEL that comes, and a promise of the next. */
function recorder(handle: CniHandler = () => Promise.resolve(undefined)) {
  const handled: CniRequest[] = [];
  let arrived = (): void => undefined;
  const next = (): Promise<void> => new Promise((resolve) => (arrived = resolve));
  const recording: CniHandler = async (request, signal) => {
    handled.push(request);
    try {
      return await handle(request, signal);
    } finally {
      arrived();
    }
  };
  const { log, lines } = recordingLog();
  const { signal } = new AbortController();
  return {
    handled,
    next,
    lines,
    log,
    dispatch: createDispatch({ handle: recording, log, signal }),
  };
}

async function start(t: ExecutionContext, folder: string, made: ReturnType<typeof recorder>) {
  const queue = await startDeleteQueue(folder, made);
  t.teardown(() => queue.close());
  return queue;
}

function put(folder: string, name: string, more: Record<string, string> = {}, stdin = conf()) {
  const env = new Map(Object.entries({ ...ATTACHMENT, CNI_COMMAND: 'DEL', ...more }));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), encodeRequest({ env, stdin: JSON.stringify(stdin) }));
}

test('delete queue: what was deleted without an agent is deleted when it starts [cni 22]', async (t) => {
  const run = temporary(t);
  const env = { ...ATTACHMENT, CNI_COMMAND: 'DEL', SLUICE_CNI_SOCKET: join(run, 'cni.sock') };
  const ended = await execute({ env, stdin: JSON.stringify(conf()) });
  t.deepEqual([ended.exit, ended.stdout], [0, '']);
  const made = recorder();
  const folder = join(run, 'deletes');
  await start(t, folder, made);
  t.is(made.handled.length, 1);
  t.like(made.handled[0], { verb: 'DEL', containerId: 'c1', ifname: 'eth0' });
  t.like(made.handled[0]?.conf, { name: 'k8s', cniVersion: '1.1.0' });
  t.deepEqual(readdirSync(folder), []);
});

test('delete queue: what cannot be read keeps no other one from being done', async (t) => {
  const folder = join(temporary(t), 'deletes');
  mkdirSync(join(folder, 'a.del'), { recursive: true });
  await delay(10); // the oldest is the first
  put(folder, 'b.del');
  const made = recorder();
  await start(t, folder, made);
  t.is(made.handled.length, 1);
  t.deepEqual(readdirSync(folder), ['a.del']);
  t.true(made.lines.some(({ msg }) => /a\.del: EISDIR/.test(String(msg))));
});

test('delete queue: one that comes while the agent runs is seen', async (t) => {
  const folder = join(temporary(t), 'deletes');
  const made = recorder();
  const queue = await start(t, folder, made);
  const next = made.next();
  put(folder, 'a.del');
  await next;
  await queue.drain();
  t.is(made.handled.length, 1);
  t.deepEqual(readdirSync(folder), []);
});

test('delete queue: one that fails for now stays, and is done later', async (t) => {
  for (const code of [11, 5, 104, 999]) {
    const folder = join(temporary(t), 'deletes');
    put(folder, 'a.del');
    put(folder, 'b.del', { CNI_CONTAINERID: 'c2' });
    let isWell = false;
    const made = recorder(({ containerId }) => {
      if (containerId === 'c1' && !isWell) throw new CniError(code, 'not now');
      return Promise.resolve(undefined);
    });
    const queue = await start(t, folder, made);
    t.deepEqual(readdirSync(folder), ['a.del'], 'the other one is done');
    await queue.drain();
    const complaints = made.lines.filter(({ msg }) => /stays queued/.test(String(msg)));
    t.is(complaints.length, 1, 'said once');
    isWell = true;
    await queue.drain();
    t.deepEqual(readdirSync(folder), []);
  }
});

test('delete queue: what can never be done is moved aside, and not much of it is kept', async (t) => {
  const folder = join(temporary(t), 'deletes');
  put(folder, 'add.del', { CNI_COMMAND: 'ADD' });
  put(folder, 'name.del', {}, { ...conf(), name: '/' });
  put(folder, 'version.del', {}, conf({}, '7.0.0'));
  put(folder, 'nobody.del', { CNI_CONTAINERID: '' });
  writeFileSync(join(folder, 'bytes.del'), Buffer.from([1, 2, 3, 0, 0, 0xff]));
  writeFileSync(join(folder, 'empty.del'), '');
  writeFileSync(join(folder, '.part.del.7'), 'not whole yet');
  const made = recorder();
  const queue = await start(t, folder, made);
  t.is(made.handled.length, 0);
  t.deepEqual(readdirSync(folder), ['.part.del.7', 'rejected']);
  const aside = join(folder, 'rejected');
  t.is(readdirSync(aside).length, 6);
  t.is(made.lines.filter(({ level }) => level === 'error').length, 6);
  for (let i = 0; i < 30; i++) writeFileSync(join(folder, `${i}.del`), '');
  await queue.drain();
  t.is(readdirSync(aside).length, 16);
});

test('delete queue: a DEL is done although its configuration is not well', async (t) => {
  const folder = join(temporary(t), 'deletes');
  const odd = { runtimeConfig: 7, ipam: [], prevResult: 'x', mtu: -1, dns: 1, args: 'x', type: 5 };
  put(folder, 'a.del', { CNI_ARGS: 'what=ever', CNI_NETNS: '' }, conf(odd));
  const made = recorder();
  await start(t, folder, made);
  t.is(made.handled[0]?.containerId, 'c1');
  t.is(made.handled[0]?.ignored.length, 8);
  t.deepEqual(readdirSync(folder), []);
});

test('delete queue: what a plugin was killed over is removed, once nobody can be writing it', async (t) => {
  const folder = join(temporary(t), 'deletes');
  mkdirSync(folder);
  const [stale, fresh] = ['.0123456789abcdef.del.77', '.fedcba9876543210.del.78'];
  for (const name of [stale, fresh, '.other.del.1']) writeFileSync(join(folder, name), 'half');
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const name of [stale, '.other.del.1']) utimesSync(join(folder, name), longAgo, longAgo);
  await start(t, folder, recorder());
  t.deepEqual(readdirSync(folder), ['.fedcba9876543210.del.78', '.other.del.1']);
});

test('delete queue: a process id that comes again does not keep the plugin from queueing', async (t) => {
  const run = temporary(t);
  const env = { ...ATTACHMENT, CNI_COMMAND: 'DEL', SLUICE_CNI_SOCKET: join(run, 'cni.sock') };
  const stdin = JSON.stringify(conf());
  t.is((await execute({ env, stdin })).exit, 0);
  const folder = join(run, 'deletes');
  const [name = ''] = readdirSync(folder);
  rmSync(join(folder, name));
  // The shell leaves the part of its own process id, which the plugin then has.
  const script = `: > ${folder}/.${name}.$$; exec ${PLUGIN}`;
  const { status, stdout } = spawnSync('sh', ['-c', script], {
    env,
    input: stdin,
    encoding: 'utf8',
  });
  t.deepEqual([status, stdout], [0, '']);
  t.deepEqual(readdirSync(folder), [name]);
});
