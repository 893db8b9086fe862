import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { execDelegate } from '../../src/cni/delegate.js';
import type { DelegateOptions } from '../../src/cni/delegate.js';
import { CniError } from '../../src/cni/errors.js';
import { parseRequest } from '../../src/cni/request.js';
import type { RequestVerb } from '../../src/cni/request.js';
import { convertTo } from '../../src/cni/result.js';
import { needs } from '../support/skip.js';
import { ATTACHMENT, RESULT, conf, execute, recordingLog, temporary } from './plugin.js';

/** Where Debian's containernetworking-plugins puts its programs. */
const DEBIAN = '/usr/lib/cni';
const OLD_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0'] as const;

const needsPlugin = (name: string, root = false) =>
  needs({
    root,
    also: existsSync(join(DEBIAN, name)) ? undefined : `needs the CNI plugin ${name}`,
  });

interface Call extends Partial<DelegateOptions> {
  readonly path: string;
  readonly more?: object;
  readonly version?: string;
  readonly env?: Record<string, string>;
}

function call(type: string, verb: RequestVerb, { path, more, version, env, ...options }: Call) {
  const all = { CNI_COMMAND: verb, ...ATTACHMENT, CNI_PATH: path, ...env };
  const stdin = JSON.stringify(conf(more, version));
  const request = parseRequest(verb, { env: new Map(Object.entries(all)), stdin });
  return execDelegate(request, {
    type,
    verb,
    log: recordingLog().log,
    timeoutMs: 10_000,
    ...options,
  });
}

async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<CniError> {
  return t.throwsAsync(promise, { instanceOf: CniError });
}

/** A folder with one plugin, a shell script. */
function scripted(t: ExecutionContext, script: string): string {
  const folder = temporary(t);
  writeFileSync(join(folder, 'p'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'p'), 0o755);
  return folder;
}

test('delegate: it is found in CNI_PATH, gets the whole input and the same environment', async (t) => {
  const path = scripted(
    t,
    'cat > "$0.stdin"; env > "$0.env"; echo to whom it may concern >&2; echo \'{"ips":[{"address":"10.0.0.1/8","interface":3}]}\'',
  );
  const { log, lines } = recordingLog();
  const more = { ipam: { type: 'p', odd: [1] } };
  const env = { CNI_ARGS: 'IgnoreUnknown=1;A=b' };
  const result = await call('p', 'ADD', { path: `/not/there:${path}`, more, env, log });
  t.deepEqual(result, { interfaces: [], ips: [{ address: '10.0.0.1/8' }], routes: [], dns: {} });
  t.is(readFileSync(join(path, 'p.stdin'), 'utf8'), JSON.stringify(conf(more)));
  const seen = readFileSync(join(path, 'p.env'), 'utf8');
  for (const line of ['CNI_COMMAND=ADD', 'CNI_CONTAINERID=c1', 'CNI_ARGS=IgnoreUnknown=1;A=b']) {
    t.true(seen.split('\n').includes(line), line);
  }
  t.true(lines.some(({ msg }) => msg === 'to whom it may concern'));
});

test('delegate: an ADD that failed can be followed by a DEL of the same request', async (t) => {
  const path = scripted(t, 'echo "$CNI_COMMAND" >> "$0.calls"');
  for (const verb of ['DEL', 'CHECK', 'STATUS', 'GC'] as const) {
    t.is(await call('p', 'ADD', { path, verb }), undefined);
  }
  t.is(readFileSync(join(path, 'p.calls'), 'utf8'), 'DEL\nCHECK\nSTATUS\nGC\n');
});

test('delegate: what it says when it fails comes through with its code', async (t) => {
  const says = (text: string) => scripted(t, `cat >/dev/null; printf '%s' '${text}'; exit 1`);
  const full = says('{"cniVersion":"1.0.0","code":11,"msg":"busy","details":"lock"}');
  const busy = await failure(t, call('p', 'ADD', { path: full }));
  t.like(busy, { code: 11, message: 'p: busy', details: 'lock' });
  t.is((await failure(t, call('p', 'DEL', { path: says('{"code":0,"msg":"?"}') }))).code, 999);
  t.is((await failure(t, call('p', 'DEL', { path: says('{}') }))).code, 999);
  t.is((await failure(t, call('p', 'DEL', { path: says('panic!') }))).code, 6);
  const mute = scripted(t, 'echo segmentation fault >&2; exit 2');
  const error = await failure(t, call('p', 'STATUS', { path: mute }));
  t.is(error.code, 999);
  t.regex(error.message, /status 2: segmentation fault/);
});

test('delegate: output that is no result is an error', async (t) => {
  for (const text of ['', 'x', '[]', '{"ips":[]}', '{"ips":[{"address":"x"}]}']) {
    const path = scripted(t, `printf '%s' '${text}'`);
    const error = await failure(t, call('p', 'ADD', { path }));
    t.true([6, 7].includes(error.code), text);
  }
  const future = scripted(t, 'echo \'{"cniVersion":"3.0.0","ips":[]}\'');
  t.is((await failure(t, call('p', 'ADD', { path: future }))).code, 1);
});

test('delegate: one that takes too long is killed, and so is one that nobody waits for', async (t) => {
  const path = scripted(t, 'exec sleep 100');
  t.is((await failure(t, call('p', 'ADD', { path, timeoutMs: 100 }))).code, 11);
  const signal = AbortSignal.timeout(100);
  t.is((await failure(t, call('p', 'ADD', { path, signal }))).code, 11);
  t.is((await failure(t, call('p', 'ADD', { path, signal }))).code, 11, 'over before it begins');
});

test('delegate: only a file of CNI_PATH is executed', async (t) => {
  const path = scripted(t, 'exit 0');
  mkdirSync(join(path, 'folder'));
  writeFileSync(join(path, 'plain'), '');
  for (const type of ['', '.', '..', '../p', '/bin/sh', 'plain', 'nobody']) {
    const error = await failure(t, call(type, 'DEL', { path: join(path) }));
    t.is(error.code, 7, type);
    t.true(error.message.includes(JSON.stringify(type)), error.message);
  }
  t.is((await failure(t, call('folder', 'DEL', { path }))).code, 999);
});

test('delegate: one that does not read its input is no trouble', async (t) => {
  const path = scripted(t, 'exec 0<&-; exit 0');
  t.is(await call('p', 'DEL', { path, more: { filler: 'x'.repeat(1 << 20) } }), undefined);
});

test('delegate: one that is being written is waited for', async (t) => {
  const path = temporary(t);
  const file = join(path, 'p');
  writeFileSync(file, readFileSync('/bin/true'));
  chmodSync(file, 0o755);
  const fd = openSync(file, 'r+');
  const done = call('p', 'DEL', { path });
  await sleep(300);
  closeSync(fd);
  t.is(await done, undefined);
});

needsPlugin('host-local')(
  'delegate: host-local gives, checks and releases addresses in every version it speaks',
  async (t) => {
    for (const version of OLD_VERSIONS) {
      const dataDir = temporary(t);
      const ranges = [[{ subnet: '10.7.0.0/24' }], [{ subnet: 'fd07::/64' }]];
      const ipam = { type: 'host-local', ranges, dataDir, routes: [{ dst: '0.0.0.0/0' }] };
      const options = { path: DEBIAN, more: { ipam }, version };
      const result = await call('host-local', 'ADD', options);
      t.deepEqual(result?.ips, [
        { address: '10.7.0.2/24', gateway: '10.7.0.1' },
        { address: 'fd07::2/64', gateway: 'fd07::1' },
      ]);
      t.deepEqual(result?.routes, [{ dst: '0.0.0.0/0' }]);
      t.true(existsSync(join(dataDir, 'k8s', '10.7.0.2')));
      if (result !== undefined && version >= '0.4.0') {
        const prevResult = convertTo(result, version);
        const checking = { ...options, more: { ipam, prevResult } };
        t.is(await call('host-local', 'CHECK', checking), undefined);
      }
      t.is(await call('host-local', 'DEL', options), undefined);
      t.false(existsSync(join(dataDir, 'k8s', '10.7.0.2')));
    }
  },
);

needsPlugin('host-local')('delegate: an exhausted host-local says so', async (t) => {
  const subnet = { subnet: '10.7.0.0/24', rangeStart: '10.7.0.9', rangeEnd: '10.7.0.9' };
  const ipam = { type: 'host-local', ranges: [[subnet]], dataDir: temporary(t) };
  const options = { path: DEBIAN, more: { ipam }, version: '1.0.0' };
  await call('host-local', 'ADD', options);
  const next = { ...options, env: { CNI_CONTAINERID: 'c2' } };
  const error = await failure(t, call('host-local', 'ADD', next));
  t.regex(error.message, /host-local: .*no IP addresses available/);
});

needsPlugin('static')(
  'result: what the plugin `static` prints in each version is what we print in it',
  async (t) => {
    const dns = { nameservers: ['10.0.0.2'], search: ['x'] };
    const routes = [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }, { dst: '::/0' }];
    const addresses = [{ address: '10.1.2.3/24', gateway: '10.1.2.1' }, { address: 'fd00::3/64' }];
    const wanted = { interfaces: [], ips: addresses, routes, dns };
    for (const version of OLD_VERSIONS) {
      const ipam = { type: 'static', addresses, routes, dns };
      const stdin = JSON.stringify(conf({ ipam }, version));
      const env = { ...ATTACHMENT, CNI_COMMAND: 'ADD', CNI_PATH: DEBIAN };
      const { stdout } = await execute({ file: join(DEBIAN, 'static'), env, stdin });
      t.deepEqual(JSON.parse(stdout), convertTo(wanted, version), version);
      t.deepEqual(await call('static', 'ADD', { path: DEBIAN, more: { ipam }, version }), wanted);
    }
  },
);

/** Debian's plugins are older than 1.1.0 and leave out what they do not know. */
function withoutNews(value: unknown): unknown {
  const drop = (key: string, member: unknown) => (key === 'mtu' ? undefined : member);
  return JSON.parse(JSON.stringify(value, drop));
}

needsPlugin('tuning', true)(
  'result: a chained plugin takes ours as prevResult in each version, and hands it on unchanged',
  async (t) => {
    for (const version of ['0.3.0', '0.3.1', '0.4.0', '1.0.0'] as const) {
      const prevResult = convertTo(RESULT, version);
      const env = { ...ATTACHMENT, CNI_COMMAND: 'ADD', CNI_NETNS: '/proc/self/ns/net' };
      const stdin = JSON.stringify(conf({ type: 'tuning', prevResult }, version));
      const ended = await execute({ file: join(DEBIAN, 'tuning'), env, stdin });
      t.is(ended.exit, 0, ended.stdout);
      t.deepEqual(JSON.parse(ended.stdout), withoutNews(prevResult), version);
    }
  },
);
