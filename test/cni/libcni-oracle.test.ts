/** The driver of all CNI tests against the real libcni: one list, one story, the same calls. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { cnitoolContainer, openCnitool, whyNoCnitool } from '../support/cnitool.js';
import type { ToolResult } from '../support/cnitool.js';
import { type FakePlugins, type RecordedCall, fakePlugins } from '../support/fake-plugins.js';
import type { Attachment } from '../support/libcni/cache.js';
import { type Json, loadList } from '../support/libcni/config.js';
import { openLibcni } from '../support/libcni.js';
import { needs, whyNot } from '../support/skip.js';

const NETNS = '/run/netns/oracle';
const NEEDS = { root: true, tools: ['go', 'unshare'] } as const;

const oracleTest = needs({ ...NEEDS, also: whyNot(NEEDS) ?? whyNoCnitool() });

/** One step of a story, told both ways. */
interface Step {
  readonly verb: 'add' | 'del' | 'check' | 'gc' | 'status';
  /** What changes before it. */
  readonly before?: (world: World) => void;
  /** By the names that cnitool reads. */
  readonly env?: Readonly<Record<string, string>>;
}

interface World {
  readonly plugins: FakePlugins;
  readonly listFile: string;
  /** The file of an attachment in either cache. */
  readonly cacheFiles: readonly string[];
}

interface Told {
  readonly calls: readonly RecordedCall[];
  readonly succeeded: boolean;
  readonly result: Json | undefined;
}

/** Go prints an empty `dns` where there was none, and each adds keys in an order of its own. */
function withoutEmptyDns(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyDns);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value as Json).map(([key, one]) => [key, withoutEmptyDns(one)]);
  return Object.fromEntries(
    entries.filter(([key, one]) => key !== 'dns' || JSON.stringify(one) !== '{}'),
  );
}

function parseArgs(text = ''): [string, string][] {
  const pairs = text.split(';').filter(Boolean);
  return pairs.map((pair) => pair.split('=') as [string, string]);
}

function attachmentOf(env: Step['env'] = {}): Attachment {
  const capabilities = env['CAP_ARGS'];
  return {
    containerId: cnitoolContainer(NETNS),
    ifname: env['CNI_IFNAME'] ?? 'eth0',
    netns: NETNS,
    args: parseArgs(env['CNI_ARGS']),
    ...(capabilities !== undefined && { capabilities: JSON.parse(capabilities) as Json }),
  };
}

function toldByTool({ status, stdout }: ToolResult, plugins: FakePlugins): Told {
  const result = status === 0 && stdout !== '' ? (JSON.parse(stdout) as Json) : undefined;
  return { calls: plugins.take(), succeeded: status === 0, result };
}

async function outcomeOf(work: Promise<unknown>, plugins: FakePlugins): Promise<Told> {
  try {
    const result = ((await work) ?? undefined) as Json | undefined;
    return { calls: plugins.take(), succeeded: true, result };
  } catch {
    return { calls: plugins.take(), succeeded: false, result: undefined };
  }
}

/** Tell a story by the real libcni and by ours, step by step. */
async function tell(t: ExecutionContext, list: Json, steps: readonly Step[]): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-oracle-'));
  t.teardown(() => rmSync(home, { recursive: true }));
  const plugins = fakePlugins(home, 'one', 'two');
  const confDir = join(home, 'net.d');
  const listFile = join(confDir, '10-net.conflist');
  mkdirSync(confDir);
  writeFileSync(listFile, JSON.stringify({ name: 'net', cniVersion: '1.1.0', ...list }));
  const path = [plugins.bin];
  const caches = ['theirs', 'ours'].map((name) => join(home, name)) as [string, string];
  const tool = openCnitool({ confDir, path, cacheDir: caches[0] });
  const libcni = openLibcni({ path, cacheDir: caches[1] });
  const file = `results/net-${cnitoolContainer(NETNS)}-eth0`;
  const world = { plugins, listFile, cacheFiles: caches.map((cache) => join(cache, file)) };
  let seen = 0;
  for (const [index, { verb, before, env }] of steps.entries()) {
    before?.(world);
    const theirs = toldByTool(tool.run(verb, 'net', NETNS, env), plugins);
    seen += theirs.calls.length;
    const loaded = loadList(listFile);
    const ours = await outcomeOf(
      verb === 'gc' || verb === 'status'
        ? libcni[verb](loaded)
        : libcni[verb](loaded, attachmentOf(env)),
      plugins,
    );
    t.deepEqual(withoutEmptyDns(ours), withoutEmptyDns(theirs), `step ${String(index)}: ${verb}`);
  }
  t.true(seen > 0, 'a plugin was called');
}

const RESULT = {
  cniVersion: '1.1.0',
  interfaces: [{ name: 'host0' }, { name: 'eth0', sandbox: NETNS, mac: '02:00:00:00:00:01' }],
  ips: [
    { address: '10.1.2.3/24', gateway: '10.1.2.1', interface: 1 },
    { address: 'fd00::3/64', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }, { dst: '::/0' }],
};
const LATER = { ...RESULT, dns: { nameservers: ['10.1.2.1'] } };
const BOTH = { plugins: [{ type: 'one', unknown: { kept: true } }, { type: 'two' }] };

const succeed = ({ plugins }: World): void => {
  plugins.answer('one', 'ADD', { out: RESULT });
  plugins.answer('two', 'ADD', { out: LATER });
};
const failWith =
  (type: string, command: string, code: number) =>
  ({ plugins }: World): void =>
    plugins.answer(type, command, { out: { code, msg: 'no' }, code: 1 });

oracleTest('libcni: a life goes the same way with the real one [cni 9 11 20]', (t) =>
  tell(t, BOTH, [
    { verb: 'del' },
    { verb: 'add', before: succeed },
    { verb: 'add', env: { CNI_IFNAME: 'eth1', CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=p' } },
    { verb: 'check' },
    { verb: 'status' },
    { verb: 'del' },
    { verb: 'del' },
    { verb: 'gc' },
    { verb: 'gc' },
  ]),
);

oracleTest('libcni: failures are the same with the real one [cni 10 16 17]', (t) =>
  tell(t, BOTH, [
    {
      verb: 'add',
      before: (world) => [succeed, failWith('two', 'ADD', 107)].forEach((f) => f(world)),
    },
    { verb: 'del' },
    { verb: 'add', before: succeed },
    { verb: 'check', before: failWith('one', 'CHECK', 100) },
    { verb: 'del', before: failWith('one', 'DEL', 11) },
    { verb: 'del', before: ({ plugins }) => plugins.answer('one', 'DEL') },
    { verb: 'status', before: failWith('one', 'STATUS', 50) },
    { verb: 'gc', before: failWith('one', 'GC', 999) },
  ]),
);

oracleTest('libcni: damaged and foreign caches are the same with the real one [cni 12 13]', (t) =>
  tell(t, BOTH, [
    { verb: 'add', before: succeed },
    {
      verb: 'check',
      before: ({ cacheFiles }) => cacheFiles.forEach((file) => writeFileSync(file, '{"no')),
    },
    { verb: 'del' },
    { verb: 'add' },
    {
      verb: 'check',
      before: ({ listFile }) =>
        writeFileSync(listFile, JSON.stringify({ name: 'net', cniVersion: '0.4.0', ...BOTH })),
    },
    {
      verb: 'del',
      before: ({ cacheFiles }) =>
        cacheFiles.forEach((file) =>
          writeFileSync(file, '{"kind":"cniCacheV1","result":{"cniVersion":"0.3.9"}}'),
        ),
    },
  ]),
);

for (const cniVersion of ['0.2.0', '0.3.1', '0.4.0', '1.0.0']) {
  oracleTest(`libcni: a list of ${cniVersion} is the same with the real one [cni 13 15]`, (t) => {
    const old = {
      cniVersion,
      ip4: { ip: '10.1.2.3/24', gateway: '10.1.2.1', routes: [{ dst: '0.0.0.0/0' }] },
    };
    const middle = { ...RESULT, cniVersion, ips: [{ version: '4', address: '10.1.2.3/24' }] };
    const newer = { ...RESULT, cniVersion };
    const out = cniVersion === '0.2.0' ? old : cniVersion === '1.0.0' ? newer : middle;
    const answer = ({ plugins }: World): void =>
      ['one', 'two'].forEach((type) => plugins.answer(type, 'ADD', { out }));
    return tell(t, { ...BOTH, cniVersion }, [
      { verb: 'add', before: answer },
      { verb: 'check' },
      { verb: 'status' },
      { verb: 'gc' },
    ]);
  });
}

oracleTest('libcni: capabilities, versions and switches are the same [cni 14 15 19]', (t) =>
  tell(
    t,
    {
      cniVersions: ['0.4.0', '1.0.0', '1.1.0', '9.9.9'],
      disableCheck: 'true',
      plugins: [
        { type: 'one', capabilities: { portMappings: false, bandwidth: true } },
        { type: 'two', capabilities: { portMappings: true }, runtimeConfig: { mac: 'kept' } },
      ],
    },
    [
      {
        verb: 'add',
        before: succeed,
        env: { CAP_ARGS: '{"portMappings":[{"hostPort":8080,"containerPort":80}],"mac":"x"}' },
      },
      { verb: 'check' },
      { verb: 'add', before: succeed },
      { verb: 'gc' },
    ],
  ),
);
