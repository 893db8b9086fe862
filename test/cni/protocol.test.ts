import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { SUPPORTED_VERSIONS } from '../../src/cni/version-list.js';
import { ATTACHMENT, RESULT, conf, errorOf, execute, startAgent, temporary } from './plugin.js';

const REQUIRED = {
  ADD: 'CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH',
  CHECK: 'CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH',
  DEL: 'CNI_CONTAINERID, CNI_IFNAME, CNI_PATH',
  GC: 'CNI_PATH',
  STATUS: 'CNI_PATH',
};

test('protocol: an ADD prints the result in the version of its configuration', async (t) => {
  const agent = await startAgent(t);
  const { exit, stdout, stderr } = await agent.call('ADD', conf({}, '1.1.0'));
  t.deepEqual([exit, stderr], [0, '']);
  t.deepEqual(JSON.parse(stdout), { cniVersion: '1.1.0', ...RESULT });
  for (const version of SUPPORTED_VERSIONS) {
    const older = await agent.call('ADD', conf({}, version));
    t.is((JSON.parse(older.stdout) as { cniVersion: string }).cniVersion, version);
  }
  const unsaid = await agent.call('ADD', { name: 'k8s', type: 'sluice' });
  t.is((JSON.parse(unsaid.stdout) as { cniVersion: string }).cniVersion, '0.1.0');
});

test('protocol: DEL, CHECK, GC and STATUS print nothing', async (t) => {
  const agent = await startAgent(t);
  const gc = conf({ 'cni.dev/valid-attachments': [] });
  for (const verb of ['DEL', 'CHECK', 'GC', 'STATUS']) {
    const { exit, stdout } = await agent.call(verb, verb === 'GC' ? gc : conf());
    t.deepEqual([verb, exit, stdout], [verb, 0, '']);
  }
  t.is(agent.handled.length, 4);
});

for (const [verb, names] of Object.entries(REQUIRED)) {
  test(`protocol: ${verb} names all variables that are missing at once [cni 1]`, async (t) => {
    const agent = await startAgent(t);
    const error = errorOf(t, await agent.call(verb, conf(), {}));
    t.is(error.code, 4);
    t.is(error.msg, `required environment variables missing: ${names}`);
    const empty = Object.fromEntries(names.split(', ').map((name) => [name, '']));
    t.deepEqual(errorOf(t, await agent.call(verb, conf(), empty)).msg, error.msg);
    t.is(agent.handled.length, 0);
    // The plugin alone has the same words for it.
    const alone = await execute({
      env: { CNI_COMMAND: verb, SLUICE_CNI_SOCKET: '/not/there/cni.sock' },
      stdin: '{}',
    });
    t.like(errorOf(t, alone), { code: 4, msg: error.msg });
  });
}

test('protocol: a bad container id or interface name is refused, nothing is executed [cni 2]', async (t) => {
  const agent = await startAgent(t);
  const bad = [
    ...['', '-c', '.c', 'a/b', 'a b', 'ä'].map((CNI_CONTAINERID) => ({ CNI_CONTAINERID })),
    ...[
      '',
      '.',
      '..',
      'a/b',
      'a:b',
      'a b',
      'a\tb',
      'sixteen-bytes-xx',
      'ääääääää',
      'eth%d',
      'all',
      'default',
    ].map((CNI_IFNAME) => ({ CNI_IFNAME })),
  ];
  for (const variable of bad) {
    const error = errorOf(t, await agent.call('ADD', conf(), { ...ATTACHMENT, ...variable }));
    const [name, value] = Object.entries(variable)[0] ?? ['', ''];
    t.is(error.code, 4, `${name}=${value}`);
    t.true(error.msg.includes(name), error.msg);
    t.true(error.msg.includes(JSON.stringify(value).slice(1, -1)), error.msg);
  }
  t.is(agent.handled.length, 0);
  const fine = { ...ATTACHMENT, CNI_IFNAME: 'fifteen-bytes-x', CNI_CONTAINERID: '0_.-x' };
  t.is((await agent.call('ADD', conf(), fine)).exit, 0);
});

test('protocol: a verb nobody knows is refused', async (t) => {
  const agent = await startAgent(t);
  const error = errorOf(t, await agent.call('UPDATE', conf()));
  t.is(error.code, 4);
  t.regex(error.msg, /CNI_COMMAND.*UPDATE/);
});

test('protocol: no JSON is code 6; no name and a bad name are code 7 [cni 3]', async (t) => {
  const agent = await startAgent(t);
  const code = async (stdin: unknown) => errorOf(t, await agent.call('ADD', stdin)).code;
  for (const stdin of ['', '{', 'null', '[]', '"x"']) t.is(await code(stdin), 6, stdin);
  t.is(await code({ cniVersion: '1.0.0', type: 'sluice' }), 7);
  for (const name of ['', '.x', 'a/b', 'a b', 7, {}]) t.is(await code(conf({ name })), 7);
  t.is(agent.handled.length, 0);
});

test('protocol: without CNI_COMMAND it says on standard error what it is [cni 4]', async (t) => {
  for (const env of [{}, { CNI_COMMAND: '' }]) {
    const { exit, stdout, stderr } = await execute({ env });
    t.deepEqual([exit, stdout], [0, '']);
    t.regex(stderr, /CNI plugin of Sluice/);
    for (const version of SUPPORTED_VERSIONS) t.true(stderr.includes(version), version);
  }
});

test('protocol: VERSION needs neither input nor agent [cni 5]', async (t) => {
  const answer = { cniVersion: '1.1.0', supportedVersions: [...SUPPORTED_VERSIONS] };
  for (const stdin of ['', '{"cniVersion":"1.0.0"}']) {
    const alone = await execute({ env: { CNI_COMMAND: 'VERSION' }, stdin });
    t.is(alone.exit, 0);
    t.deepEqual(JSON.parse(alone.stdout), answer);
  }
});

test('protocol: CHECK needs 0.4.0, GC and STATUS need 1.1.0 [cni 6]', async (t) => {
  const agent = await startAgent(t);
  const all = { 'cni.dev/valid-attachments': [] };
  const refused: [string, string][] = [
    ['CHECK', '0.3.1'],
    ['CHECK', '0.2.0'],
    ['GC', '1.0.0'],
    ['STATUS', '1.0.0'],
    ['STATUS', '0.4.0'],
  ];
  for (const [verb, version] of refused) {
    const error = errorOf(t, await agent.call(verb, conf(all, version)));
    t.like(error, { code: 1, cniVersion: version });
    t.regex(error.details ?? '', /1\.1\.0/);
  }
  t.is(agent.handled.length, 0);
  t.is((await agent.call('CHECK', conf({}, '0.4.0'))).exit, 0);
});

test('protocol: a version that is not spoken is code 1 with the list of those that are [cni 7]', async (t) => {
  const agent = await startAgent(t);
  for (const version of ['0.5.0', '1.2.0', '2.0.0']) {
    const error = errorOf(t, await agent.call('ADD', conf({}, version)));
    t.is(error.code, 1);
    for (const known of SUPPORTED_VERSIONS) t.true(error.details?.includes(known), known);
  }
  for (const version of ['1.x', 'v1.0.0', '1.0.0-rc1']) {
    t.is(errorOf(t, await agent.call('ADD', conf({}, version))).code, 6, version);
  }
  t.is(agent.handled.length, 0);
});

test("protocol: the agent's own namespace is refused before anything is done [cni 8]", async (t) => {
  const agent = await startAgent(t);
  const own = { ...ATTACHMENT, CNI_NETNS: `/proc/${process.pid}/ns/net` };
  for (const verb of ['ADD', 'DEL']) {
    const error = errorOf(t, await agent.call(verb, conf(), own));
    t.is(error.code, 8);
    t.true(error.msg.includes(own.CNI_NETNS));
  }
  t.is(agent.handled.length, 0);
  for (const CNI_NETNS_OVERRIDE of ['1', 'TRUE', 'true']) {
    t.is((await agent.call('ADD', conf(), { ...own, CNI_NETNS_OVERRIDE })).exit, 0);
  }
  // Another namespace, here one of another kind: what counts is device and inode.
  const other = { ...ATTACHMENT, CNI_NETNS: `/proc/${process.pid}/ns/uts` };
  t.is((await agent.call('ADD', conf(), other)).exit, 0);
});

test('protocol: what is no namespace is refused before anybody opens it, a DEL of it is done', async (t) => {
  const agent = await startAgent(t);
  const folder = temporary(t);
  const [file, pipe] = [join(folder, 'file'), join(folder, 'pipe')];
  writeFileSync(file, '');
  execFileSync('mkfifo', [pipe]);
  for (const CNI_NETNS of [folder, file, pipe]) {
    const env = { ...ATTACHMENT, CNI_NETNS };
    const error = errorOf(t, await agent.call('ADD', conf(), env));
    t.like(error, {
      code: 4,
      msg: `CNI_NETNS: ${JSON.stringify(CNI_NETNS)}: expected a network namespace`,
    });
    t.is((await agent.call('DEL', conf(), env)).exit, 0);
  }
  t.deepEqual(
    agent.handled.map(({ verb }) => verb),
    ['DEL', 'DEL', 'DEL'],
  );
});

test('protocol: keys in capitals, as containerd writes them, are read [cni 21]', async (t) => {
  const agent = await startAgent(t);
  const runtimeConfig = {
    portMappings: [
      { HostPort: 8080, ContainerPort: 80, Protocol: 'TCP', HostIP: '' },
      { HostPort: 0, ContainerPort: 81, Protocol: 'tcp', HostIP: '' },
      { hostPort: -1, containerPort: 0, protocol: 'tcp' },
    ],
    bandwidth: {
      IngressRate: 1000,
      IngressBurst: 2 ** 32 - 1,
      EgressRate: 0,
      EgressBurst: 0,
    },
    IPRanges: [[{ Subnet: '10.1.0.0/24', RangeStart: '10.1.0.9', RangeEnd: '', Gateway: '' }]],
  };
  t.is((await agent.call('ADD', conf({ runtimeConfig }))).exit, 0);
  t.deepEqual(agent.handled[0]?.conf.runtimeConfig, {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: undefined }],
    bandwidth: { ingress: { rate: 1000, burst: 2 ** 32 - 1 }, egress: undefined },
    ips: [],
    mac: undefined,
    ipRanges: [[{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9' }]],
    dns: undefined,
    podAnnotations: new Map(),
  });
});

test('protocol: a GC without its list is an error, and nobody is asked to delete [cni 23]', async (t) => {
  const agent = await startAgent(t);
  for (const list of [{}, { 'cni.dev/valid-attachments': null }]) {
    const error = errorOf(t, await agent.call('GC', conf(list)));
    t.is(error.code, 7);
    t.regex(error.msg, /cni\.dev\/valid-attachments/);
  }
  const bad = [{ containerID: 'a' }, { ifname: 'eth0' }, 'a', null];
  for (const entry of bad) {
    const list = { 'cni.dev/valid-attachments': [entry] };
    t.is(errorOf(t, await agent.call('GC', conf(list))).code, 7);
  }
  t.is(agent.handled.length, 0);
  const entry = { containerID: 'a', ifname: 'eth0' };
  for (const key of ['cni.dev/valid-attachments', 'cni.dev/attachments']) {
    t.is((await agent.call('GC', conf({ [key]: [entry] }))).exit, 0);
  }
  const wanted = [{ containerId: 'a', ifname: 'eth0' }];
  t.deepEqual(
    agent.handled.map((request) => request.conf.validAttachments),
    [wanted, wanted],
  );
});
