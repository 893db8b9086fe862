/** What the driver of all CNI tests does, by the words of libcni's own tests. */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { type FakePlugins, fakePlugins } from '../support/fake-plugins.js';
import type { Json } from '../support/libcni/config.js';
import { parseList } from '../support/libcni/config.js';
import { PluginError } from '../support/libcni/exec.js';
import { type Libcni, openLibcni } from '../support/libcni.js';

const RESULT_A = {
  cniVersion: '1.1.0',
  interfaces: [{ name: 'eth0', sandbox: '/netns/a', mtu: 1450 }],
  ips: [{ address: '10.1.2.3/24', gateway: '10.1.2.1', interface: 0 }],
  routes: [{ dst: '0.0.0.0/0' }],
};
const RESULT_B = { ...RESULT_A, dns: { nameservers: ['10.1.2.1'] } };
const ATTACHMENT = { containerId: 'c1', ifname: 'eth0', netns: '/netns/a' };

interface World {
  readonly plugins: FakePlugins;
  readonly libcni: Libcni;
  open(timeoutMs: number): Libcni;
}

/** Two plugins that succeed. */
function openWorld(t: ExecutionContext): World {
  const home = mkdtempSync(join(tmpdir(), 'sluice-libcni-'));
  t.teardown(() => rmSync(home, { recursive: true }));
  const plugins = fakePlugins(home, 'one', 'two');
  plugins.answer('one', 'ADD', { out: RESULT_A });
  plugins.answer('two', 'ADD', { out: RESULT_B });
  const options = { path: [plugins.bin], cacheDir: join(home, 'cache') };
  return {
    plugins,
    libcni: openLibcni(options),
    open: (timeoutMs) => openLibcni({ ...options, timeoutMs }),
  };
}

function listOf(more: Json = {}) {
  const list = { cniVersion: '1.1.0', name: 'net', plugins: [{ type: 'one' }, { type: 'two' }] };
  return parseList(JSON.stringify({ ...list, ...more }));
}

test('libcni: ADD hands each result to the next plugin and keeps the last [cni 9]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  t.deepEqual(await libcni.add(listOf(), ATTACHMENT), RESULT_B);
  const [first, second] = plugins.take();
  t.deepEqual([first?.plugin, first?.command, first?.containerId], ['one', 'ADD', 'c1']);
  t.deepEqual(first?.input, { type: 'one', name: 'net', cniVersion: '1.1.0' });
  t.deepEqual(second?.input['prevResult'], RESULT_A);
  const file = libcni.cache.file('net', ATTACHMENT);
  t.true(file.endsWith('/results/net-c1-eth0'));
  const cached = JSON.parse(readFileSync(file, 'utf8')) as Json;
  t.like(cached, { kind: 'cniCacheV1', containerId: 'c1', ifName: 'eth0', networkName: 'net' });
  t.deepEqual(cached['result'], RESULT_B);
  t.is(Buffer.from(String(cached['config']), 'base64').toString(), listOf().text);
  t.is(statSync(file).mode & 0o777, 0o600);
});

test('libcni: the error of a later plugin ends ADD and leaves no cache [cni 10]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  plugins.answer('two', 'ADD', { out: { code: 107, msg: 'no', details: 'not at all' }, code: 1 });
  const error = await t.throwsAsync(libcni.add(listOf(), ATTACHMENT), { instanceOf: PluginError });
  t.like(error, { code: 107, message: 'no', details: 'not at all' });
  t.false(existsSync(libcni.cache.file('net', ATTACHMENT)));
  const commands = plugins.take().map(({ plugin, command }) => `${plugin} ${command}`);
  t.deepEqual(commands, ['one ADD', 'two ADD'], 'undoing is for the runtime to ask for');
});

test('libcni: DEL goes backwards with the cached result, and without one when repeated [cni 11]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  await libcni.add(listOf(), ATTACHMENT);
  plugins.take();
  for (const expected of [RESULT_B, undefined]) {
    await libcni.del(listOf(), ATTACHMENT);
    const calls = plugins.take();
    t.deepEqual(
      calls.map(({ plugin }) => plugin),
      ['two', 'one'],
    );
    for (const { input } of calls) t.deepEqual(input['prevResult'], expected);
  }
  t.false(existsSync(libcni.cache.file('net', ATTACHMENT)));
});

test('libcni: a DEL that failed keeps the cache and starts from the last plugin again [cni 11]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  await libcni.add(listOf(), ATTACHMENT);
  plugins.answer('one', 'DEL', { out: { code: 11, msg: 'busy' }, code: 1 });
  await t.throwsAsync(libcni.del(listOf(), ATTACHMENT), { message: 'busy' });
  t.true(existsSync(libcni.cache.file('net', ATTACHMENT)));
  plugins.answer('one', 'DEL');
  plugins.take();
  await libcni.del(listOf(), ATTACHMENT);
  t.deepEqual(plugins.take()[0]?.input['prevResult'], RESULT_B);
});

test('libcni: a cache that cannot be read fails CHECK and does not stop DEL [cni 12]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  await libcni.add(listOf(), ATTACHMENT);
  writeFileSync(libcni.cache.file('net', ATTACHMENT), '{"adfadsfasdfasfdsafaf');
  plugins.take();
  await t.throwsAsync(libcni.check(listOf(), ATTACHMENT));
  t.deepEqual(plugins.take(), []);
  await libcni.del(listOf(), ATTACHMENT);
  t.is(plugins.take().length, 2);
});

test('libcni: a cached result is converted to the version of the list [cni 13]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  await libcni.add(listOf(), ATTACHMENT);
  plugins.take();
  const older = listOf({ cniVersion: '0.4.0' });
  await libcni.check(older, ATTACHMENT);
  t.deepEqual(plugins.take()[0]?.input['prevResult'], {
    ...RESULT_B,
    cniVersion: '0.4.0',
    interfaces: [{ name: 'eth0', sandbox: '/netns/a' }],
    ips: [{ version: '4', address: '10.1.2.3/24', gateway: '10.1.2.1', interface: 0 }],
  });
  await libcni.del(older, ATTACHMENT);
  t.like(plugins.take()[0]?.input['prevResult'], { cniVersion: '0.4.0' });
});

test('libcni: DEL runs without a cached result that cannot be converted [cni 13]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  plugins.answer('two', 'ADD', { out: { ...RESULT_B, cniVersion: '0.3.9' } });
  await libcni.add(listOf(), ATTACHMENT);
  plugins.take();
  await t.throwsAsync(libcni.check(listOf(), ATTACHMENT), { message: /unsupported CNI result/ });
  await libcni.del(listOf(), ATTACHMENT);
  t.deepEqual(
    plugins.take().map(({ input }) => 'prevResult' in input),
    [false, false],
  );
});

test('libcni: a capability reaches the plugins that declare it and no other [cni 14]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
  const list = listOf({
    plugins: [
      { type: 'one', capabilities: { portMappings: false, bandwidth: true } },
      { type: 'two', capabilities: { portMappings: true } },
    ],
  });
  await libcni.add(list, { ...ATTACHMENT, capabilities: { portMappings, mac: 'x' } });
  const [first, second] = plugins.take();
  t.false('runtimeConfig' in (first?.input ?? {}));
  t.deepEqual(second?.input['runtimeConfig'], { portMappings });
});

test('libcni: disableCheck keeps CHECK from every plugin [cni 15]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  await libcni.add(listOf(), ATTACHMENT);
  plugins.take();
  for (const disableCheck of [true, 'true']) {
    await libcni.check(listOf({ disableCheck }), ATTACHMENT);
    t.deepEqual(plugins.take(), []);
  }
  await libcni.check(listOf({ disableCheck: 'False' }), ATTACHMENT);
  t.deepEqual(
    plugins.take().map(({ plugin, input }) => [plugin, input['prevResult']]),
    [
      ['one', RESULT_B],
      ['two', RESULT_B],
    ],
  );
});

test('libcni: GC deletes what is not valid and then asks the plugins, under both keys [cni 16]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  await libcni.gc(listOf());
  await libcni.add(listOf(), ATTACHMENT);
  await libcni.add(listOf(), { ...ATTACHMENT, containerId: 'c2' });
  await libcni.add(listOf({ name: 'other' }), { ...ATTACHMENT, containerId: 'c3' });
  plugins.take();
  const valid = [{ containerID: 'c2', ifname: 'eth0' }];
  await libcni.gc(listOf({ disableGC: true }), valid);
  t.deepEqual(plugins.take(), []);
  await libcni.gc(listOf(), valid);
  const calls = plugins.take();
  t.deepEqual(
    calls.map(({ plugin, command, containerId }) => [plugin, command, containerId]),
    [
      ['two', 'DEL', 'c1'],
      ['one', 'DEL', 'c1'],
      ['one', 'GC', ''],
      ['two', 'GC', ''],
    ],
  );
  t.deepEqual(calls[2]?.input['cni.dev/valid-attachments'], valid);
  t.deepEqual(calls[2]?.input['cni.dev/attachments'], valid);
  await libcni.gc(listOf({ cniVersion: '1.0.0' }));
  t.deepEqual(
    plugins.take().map(({ command, containerId }) => [command, containerId]),
    [
      ['DEL', 'c2'],
      ['DEL', 'c2'],
    ],
    'nothing is valid without a list, and 1.0.0 has no GC',
  );
});

test('libcni: GC goes on after a failure and reports every one [cni 16]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  for (const type of ['one', 'two']) plugins.answer(type, 'GC', { out: { msg: type }, code: 1 });
  const error = await t.throwsAsync(libcni.gc(listOf(), []));
  t.regex(error.message, /one[^]*two/);
});

test('libcni: the code of a plugin that is not ready surfaces from STATUS [cni 17]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  plugins.answer('one', 'STATUS', { out: { code: 50, msg: 'not yet' }, code: 1 });
  const error = await t.throwsAsync(libcni.status(listOf()), { instanceOf: PluginError });
  t.is(error.code, 50);
  t.is(plugins.take().length, 1, 'the first error ends it');
  await libcni.status(listOf({ cniVersion: '1.0.0' }));
  t.deepEqual(plugins.take(), []);
});

test('libcni: a plugin that hangs is killed at the deadline, whatever the command [cni 18]', async (t) => {
  const { libcni, plugins, open } = openWorld(t);
  await libcni.add(listOf(), ATTACHMENT);
  for (const command of ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'])
    for (const type of ['one', 'two']) plugins.answer(type, command, { hangs: true });
  const hurried = open(200);
  const verbs = [
    hurried.add(listOf(), ATTACHMENT),
    hurried.del(listOf(), ATTACHMENT),
    hurried.check(listOf(), ATTACHMENT),
    hurried.gc(listOf(), [{ containerID: 'c1', ifname: 'eth0' }]),
    hurried.status(listOf()),
    hurried.version('one'),
  ];
  await Promise.all(verbs.map((verb) => t.throwsAsync(verb, { message: /SIGKILL/ })));
});

test('libcni: the newest version that both know is spoken [cni 19]', (t) => {
  const versionOf = (more: Json): string => listOf({ cniVersion: undefined, ...more }).cniVersion;
  t.is(versionOf({ cniVersions: ['0.4.0', '1.0.0', '1.1.0', '9.9.9'] }), '1.1.0');
  t.is(versionOf({ cniVersions: ['0.4.0', '0.3.1'], cniVersion: '1.0.0' }), '1.0.0');
  t.is(versionOf({ cniVersions: ['9.9.9'], cniVersion: '0.3.1' }), '0.3.1');
  t.is(versionOf({ cniVersion: '0.4.0' }), '0.4.0');
});

test('libcni: another interface on one network has a cache of its own [cni 20]', async (t) => {
  const { libcni, plugins } = openWorld(t);
  const second = { ...ATTACHMENT, ifname: 'eth1' };
  await libcni.add(listOf(), ATTACHMENT);
  plugins.answer('two', 'ADD', { out: RESULT_A });
  await libcni.add(listOf(), second);
  t.deepEqual(libcni.cache.result('net', ATTACHMENT), RESULT_B);
  t.deepEqual(libcni.cache.result('net', second), RESULT_A);
  await libcni.del(listOf(), ATTACHMENT);
  t.is(libcni.cache.result('net', ATTACHMENT), undefined);
  t.deepEqual(libcni.cache.result('net', second), RESULT_A);
});

test('libcni: a plugin that is being written is tried again', async (t) => {
  const { libcni, plugins } = openWorld(t);
  const writer = openSync(plugins.file('one'), 'r+');
  const added = libcni.add(listOf(), ATTACHMENT);
  await delay(100);
  closeSync(writer);
  t.deepEqual(await added, RESULT_B);
});
