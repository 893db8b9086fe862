import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { CniError } from '../../src/cni/errors.js';
import { formatConflist, installCni, uninstallCni } from '../../src/cni/install.js';
import { DataplaneError } from '../../src/errors.js';
import { packageFile } from '../../src/package-root.js';
import { ATTACHMENT, PLUGIN, RESULT, conf, execute, startAgent, temporary } from './plugin.js';

async function site(t: ExecutionContext, handle?: () => Promise<undefined>) {
  const root = temporary(t);
  const run = join(root, 'run');
  mkdirSync(run);
  const agent = await startAgent(t, { folder: run, ...(handle ? { handle } : {}) });
  const binDir = join(root, 'opt', 'bin');
  const confDir = join(root, 'etc', 'net.d');
  const options = { binDir, confDir, name: 'sluice', socketPath: agent.socket };
  return { options, binDir, confDir, agent, conflist: join(confDir, '10-sluice.conflist') };
}

test('install: plugin, link and configuration are put in place, nothing else', async (t) => {
  const { options, binDir, confDir, agent, conflist } = await site(t);
  const { changed, warnings } = await installCni(options, PLUGIN);
  t.deepEqual(changed, [join(binDir, 'sluice'), join(binDir, 'sluice.sock'), conflist]);
  t.deepEqual(warnings, []);
  t.deepEqual(readdirSync(binDir), ['sluice', 'sluice.sock']);
  t.deepEqual(readdirSync(confDir), ['10-sluice.conflist']);
  t.is(statSync(join(binDir, 'sluice')).mode & 0o777, 0o755);
  t.is(statSync(conflist).mode & 0o777, 0o644);
  t.is(readlinkSync(join(binDir, 'sluice.sock')), agent.socket);
  const env = { ...ATTACHMENT, CNI_COMMAND: 'ADD' };
  const ended = await execute({ env, stdin: JSON.stringify(conf()), file: join(binDir, 'sluice') });
  t.deepEqual(JSON.parse(ended.stdout), { cniVersion: '1.1.0', ...RESULT });
});

test('install: the configuration declares what the plugin can', (t) => {
  t.deepEqual(JSON.parse(formatConflist('other')), {
    cniVersion: '1.0.0',
    cniVersions: ['0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    name: 'sluice',
    plugins: [
      {
        type: 'other',
        capabilities: {
          portMappings: true,
          bandwidth: true,
          ipRanges: true,
          ips: true,
          mac: true,
          dns: true,
          'io.kubernetes.cri.pod-annotations': true,
        },
      },
    ],
  });
});

test('install: again, it touches nothing; what differs it replaces', async (t) => {
  const { options, binDir, conflist } = await site(t);
  await installCni(options, PLUGIN);
  const before = [conflist, join(binDir, 'sluice')].map((path) => statSync(path).ino);
  t.deepEqual((await installCni(options, PLUGIN)).changed, []);
  const after = [conflist, join(binDir, 'sluice')].map((path) => statSync(path).ino);
  t.deepEqual(after, before);
  writeFileSync(conflist, '{"old":true}');
  writeFileSync(join(binDir, 'sluice'), `earlier\nsluice-cni: the CNI plugin of Sluice\n`);
  const { changed } = await installCni(options, PLUGIN);
  t.deepEqual(changed, [join(binDir, 'sluice'), conflist]);
  t.true(readFileSync(join(binDir, 'sluice')).equals(readFileSync(PLUGIN)));
});

test('install: nothing is put anywhere while the agent is not there, or not ready', async (t) => {
  const { options, binDir, confDir } = await site(t, () => {
    throw new CniError(50, 'no addresses yet');
  });
  const notReady = await t.throwsAsync(installCni(options, PLUGIN), { instanceOf: DataplaneError });
  t.regex(notReady.message, /no addresses yet/);
  const nobody = { ...options, socketPath: join(binDir, 'nobody.sock') };
  await t.throwsAsync(installCni(nobody, PLUGIN), { instanceOf: DataplaneError });
  t.false(existsSync(binDir));
  t.false(existsSync(confDir));
});

test('install: another plugin of the same name is left alone', async (t) => {
  const { options, binDir, confDir } = await site(t);
  mkdirSync(binDir, { recursive: true });
  writeFileSync(join(binDir, 'sluice'), 'somebody else');
  const error = await t.throwsAsync(installCni(options, PLUGIN), { instanceOf: DataplaneError });
  t.regex(error.message, /somebody else's/);
  t.is(readFileSync(join(binDir, 'sluice'), 'utf8'), 'somebody else');
  t.false(existsSync(confDir));
});

test('install: a configuration that runtimes would prefer is named', async (t) => {
  const { options, confDir } = await site(t);
  mkdirSync(confDir, { recursive: true });
  for (const name of ['05-flannel.conflist', '20-later.conf', '00-README', '09-x.json'])
    writeFileSync(join(confDir, name), '');
  const { warnings } = await installCni(options, PLUGIN);
  t.is(warnings.length, 2);
  t.regex(warnings.join('\n'), /05-flannel\.conflist comes first[^]*09-x\.json/);
});

test('install: what an installation was killed over is removed by the next one', async (t) => {
  const { options, binDir, confDir } = await site(t);
  await installCni(options, PLUGIN);
  const longAgo = new Date(Date.now() - 3_600_000);
  const parts = [
    join(binDir, '.sluice.77'),
    join(binDir, '.sluice.sock.77'),
    join(confDir, '.10-sluice.conflist.77'),
  ];
  const others = [join(binDir, '.bridge.77'), join(binDir, '.sluice.old')];
  const fresh = join(binDir, '.sluice.78');
  for (const path of [...parts, ...others, fresh]) writeFileSync(path, '');
  for (const path of [...parts, ...others]) utimesSync(path, longAgo, longAgo);
  await installCni(options, PLUGIN);
  t.deepEqual(parts.filter(existsSync), []);
  t.deepEqual([...others, fresh].filter(existsSync), [...others, fresh]);
});

test('uninstall: takes away what install made, and only that', async (t) => {
  const { options, binDir, confDir, conflist } = await site(t);
  t.deepEqual(await uninstallCni(options), []);
  await installCni(options, PLUGIN);
  writeFileSync(join(binDir, 'bridge'), '');
  const removed = await uninstallCni(options);
  t.deepEqual(removed, [conflist, join(binDir, 'sluice'), join(binDir, 'sluice.sock')]);
  t.deepEqual([readdirSync(binDir), readdirSync(confDir)], [['bridge'], []]);
});

test('uninstall: what is somebody else’s stays', async (t) => {
  const { options, binDir, confDir, conflist } = await site(t);
  mkdirSync(binDir, { recursive: true });
  mkdirSync(confDir, { recursive: true });
  writeFileSync(join(binDir, 'sluice'), 'somebody else');
  writeFileSync(join(binDir, 'sluice.sock'), '');
  for (const text of [
    '{',
    '{"name":"k8s","plugins":[{"type":"sluice"}]}',
    '[]',
    '{"name":"sluice"}',
  ]) {
    writeFileSync(conflist, text);
    t.deepEqual(await uninstallCni(options), [], text);
  }
  t.true(lstatSync(join(binDir, 'sluice.sock')).isFile());
});

test('cli: `sluice cni conflist` prints the configuration', async (t) => {
  const file = join(temporary(t), 'sluice.yaml');
  const head = 'apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nsource: {files: .}\n';
  writeFileSync(file, `${head}cni: {name: mine}\n`);
  const cli = packageFile('src/cli.ts');
  const args = ['--import=tsx', cli, 'cni', 'conflist', '--config', file];
  // Asynchronous: the other tests of this file talk to agents of this process meanwhile.
  const { stdout } = await promisify(execFile)(process.execPath, args);
  t.is(stdout, formatConflist('mine'));
});
