/** What the verbs do and in which order; links, addresses and records are in memory. */
import { statSync } from 'node:fs';
import test from 'ava';
import { parseAddress } from '../../src/addr.js';
import { CNI_CODE, CniError, toCniError } from '../../src/cni/errors.js';
import type { CniResult } from '../../src/cni/result.js';
import { IpamError } from '../../src/ipam/ipam.js';
import { cluster } from '../ipam/blocks/managers.js';
import { addressesOf, memoryIpam, owner, requestOf, valid, verbsRig } from './verbs-rig.js';

const ANNOTATIONS = 'io.kubernetes.cri.pod-annotations';
const annotated = (annotations: Record<string, string>, rest: object = {}) => ({
  runtimeConfig: { [ANNOTATIONS]: annotations, ...rest },
});

const ADD_STEPS = ['store.begin', 'ipam.acquire', 'link.attach', 'store.complete'];
const UNDO_STEPS = ['link.detach', 'ipam.release', 'store.remove'];

test('verbs: ADD is noted before anything is made, and DEL forgets it after everything is gone', async (t) => {
  const { run, steps, records, left } = verbsRig();
  const result = await run(requestOf('ADD', 'c1'));
  t.deepEqual(steps.splice(0), ADD_STEPS);
  t.like(result?.ips[0], { address: '10.1.2.2/32', gateway: '169.254.1.1', interface: 1 });
  t.like(records.get('k8s/c1/eth0'), { isPending: false, ips: ['10.1.2.2'], mtu: 1450 });
  await run(requestOf('DEL', 'c1'));
  t.deepEqual(steps, UNDO_STEPS);
  t.deepEqual(left(), []);
});

for (const step of ADD_STEPS) {
  test(`verbs: an ADD that fails at ${step} leaves nothing`, async (t) => {
    const { run, failing, left } = verbsRig();
    failing.add(step);
    await t.throwsAsync(run(requestOf('ADD', 'c1')), { message: `${step} fails` });
    t.deepEqual(left(), []);
    failing.clear();
    await run(requestOf('ADD', 'c1'));
    t.is(left().length, 3);
  });
}

for (const step of UNDO_STEPS) {
  test(`verbs: an ADD that cannot be undone at ${step} is undone by the next one, or by DEL`, async (t) => {
    for (const verb of ['ADD', 'DEL'] as const) {
      const { run, failing, left, records, lines } = verbsRig();
      failing.add('store.complete').add(step);
      await t.throwsAsync(run(requestOf('ADD', 'c1')), { message: 'store.complete fails' });
      t.true(records.get('k8s/c1/eth0')?.isPending);
      t.true(lines.some(({ msg }) => String(msg).includes('could not be undone')));
      failing.clear();
      await run(requestOf(verb, 'c1'));
      t.is(left().length, verb === 'ADD' ? 3 : 0);
    }
  });
}

for (const step of UNDO_STEPS) {
  test(`verbs: a DEL that fails at ${step} can be repeated`, async (t) => {
    const { run, failing, left } = verbsRig();
    await run(requestOf('ADD', 'c1'));
    failing.add(step);
    await t.throwsAsync(run(requestOf('DEL', 'c1')), { message: `${step} fails` });
    t.true(left().includes('k8s/c1/eth0'));
    failing.clear();
    await run(requestOf('DEL', 'c1'));
    t.deepEqual(left(), []);
  });
}

test('verbs: an interface name that is taken in the pod fails ADD, and its address is free [cni 24]', async (t) => {
  const { run, failing, held, left } = verbsRig();
  failing.add('link.attach');
  await t.throwsAsync(run(requestOf('ADD', 'c1')));
  t.is(held.size, 0);
  t.deepEqual(left(), []);
});

test('verbs: an ADD nobody waits for any more is undone [cni 60]', async (t) => {
  for (const step of ['ipam.acquire', 'link.attach']) {
    const { run, holds, left } = verbsRig();
    const over = new AbortController();
    let go = (): void => undefined;
    holds.set(step, new Promise((resolve) => (go = resolve)));
    const done = run(requestOf('ADD', 'c1'), over.signal);
    over.abort();
    go();
    await t.throwsAsync(done, { any: true });
    t.deepEqual(left(), []);
  }
});

test('verbs: the same attachment twice is a duplicate, and the first stays as it is [cni 37 48]', async (t) => {
  const { run, steps, held } = verbsRig();
  await run(requestOf('ADD', 'c1'));
  steps.splice(0);
  const again = await t.throwsAsync(run(requestOf('ADD', 'c1')), { instanceOf: CniError });
  t.is(again.code, CNI_CODE.DUPLICATE);
  t.deepEqual(steps, []);
  await run(requestOf('ADD', 'c1', {}, { CNI_IFNAME: 'net1' }));
  t.is(held.size, 2);
});

test('verbs: DEL of what was never added succeeds, also when its configuration cannot be read [cni 25 38]', async (t) => {
  const { run, left } = verbsRig();
  await run(requestOf('DEL', 'never'));
  await run(requestOf('DEL', 'never', { runtimeConfig: 7, ipam: 'x', dns: [] }));
  t.deepEqual(left(), []);
});

test('verbs: DEL frees the address when the namespace is gone and not even named [cni 26]', async (t) => {
  const { run, left } = verbsRig();
  await run(requestOf('ADD', 'c1'));
  await run(requestOf('DEL', 'c1', {}, { CNI_NETNS: '' }));
  t.deepEqual(left(), []);
});

test('verbs: a late DEL of an old sandbox leaves the new one alone [cni 47]', async (t) => {
  const { run, links, held } = verbsRig();
  const args = { CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web' };
  await run(requestOf('ADD', 'old', {}, args));
  await run(requestOf('ADD', 'new', {}, args));
  await run(requestOf('DEL', 'old', {}, args));
  await run(requestOf('DEL', 'old', {}, args));
  t.deepEqual([...links.keys()], ['k8s/new/eth0']);
  t.deepEqual([...held.keys()], ['k8s/new/eth0']);
});

test('verbs: until the agent is ready ADD is to be tried again, and STATUS says why', async (t) => {
  const { run, ready, steps } = verbsRig();
  ready.why = 'not yet';
  const codes = await Promise.all(
    (['ADD', 'STATUS'] as const).map((verb) =>
      run(requestOf(verb, 'c1')).catch((error: unknown) => toCniError(error).code),
    ),
  );
  t.deepEqual(codes, [CNI_CODE.TRY_AGAIN, CNI_CODE.NOT_AVAILABLE]);
  t.deepEqual(steps, []);
});

test('verbs: STATUS has the reason why no address could be given', async (t) => {
  const { ipam } = memoryIpam();
  const { run } = verbsRig({ ipam: { ...ipam, status: () => Promise.resolve('all gone') } });
  const error = await t.throwsAsync(run(requestOf('STATUS', '')), { instanceOf: CniError });
  t.is(error.code, CNI_CODE.NOT_AVAILABLE);
  t.is(error.message, 'all gone');
});

test('verbs: CHECK names what is missing or different', async (t) => {
  const { run, held, wrong } = verbsRig();
  const prevResult = { ...(await run(requestOf('ADD', 'c1'))), cniVersion: '1.1.0' };
  const check = async (more: object, containerId = 'c1') => {
    try {
      await run(requestOf('CHECK', containerId, more));
      return 'fine';
    } catch (error) {
      const { code, message } = toCniError(error);
      return `${code} ${message}`;
    }
  };
  t.is(await check({ prevResult }), 'fine');
  t.is(await check({}), '7 prevResult: missing, expected what ADD returned');
  t.is(await check({ prevResult }, 'c2'), '3 container c2 has no eth0 in network k8s');
  t.is(
    await check({ prevResult: { ...prevResult, ips: [] } }),
    '105 prevResult: ips: 10.1.2.2 of eth0 is missing',
  );
  wrong.check = 'eth0 is down';
  t.is(await check({ prevResult }), '105 eth0 is down');
  delete wrong.check;
  held.clear();
  t.is(await check({ prevResult }), '105 10.1.2.2 of eth0 is not allocated any more');
});

test('verbs: a host port that somebody has is refused before anything is made', async (t) => {
  const { run, wrong, steps } = verbsRig();
  wrong.conflict = '8080/TCP is taken';
  const error = await t.throwsAsync(run(requestOf('ADD', 'c1')), { instanceOf: CniError });
  t.is(error.code, CNI_CODE.TRY_AGAIN);
  t.deepEqual(steps, []);
});

test("verbs: limits of the configuration beat the runtime's [cni 75]", async (t) => {
  const { run, records } = verbsRig();
  const runtimeConfig = {
    bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 4000 },
  };
  const limits = async (id: string, more: object) => {
    await run(requestOf('ADD', id, { runtimeConfig, ...more }));
    const { ingress, egress } = records.get(`k8s/${id}/eth0`) ?? {};
    return [ingress, egress];
  };
  const said = [
    { rate: 1000, burst: 2000 },
    { rate: 3000, burst: 4000 },
  ];
  const own = [{ rate: 70, burst: 80 }, undefined];
  t.deepEqual(await limits('runtime', {}), said);
  t.deepEqual(await limits('plugin', { ingressRate: 70, ingressBurst: 80 }), own);
  t.deepEqual(await limits('mapping', { bandwidth: { ingressRate: 70, ingressBurst: 80 } }), own);
  t.deepEqual(await limits('none', { ingressRate: 0, ingressBurst: 0 }), said);
});

test('verbs: a pod gets the address it asks for by annotation; the runtime is heard before [cni 44]', async (t) => {
  const { run, asked } = verbsRig();
  const ipAddrs = '["10.1.2.77", "fd00::77"]';
  const key = 'cni.projectcalico.org/ipAddrs';
  const result = await run(requestOf('ADD', 'c1', annotated({ [key]: ipAddrs })));
  t.deepEqual(
    result?.ips.map(({ address }) => address),
    ['10.1.2.77/32', 'fd00::77/128'],
  );
  await run(requestOf('ADD', 'c2', annotated({ [key]: ipAddrs }, { ips: ['10.1.2.99'] })));
  t.deepEqual(addressesOf(asked.at(-1)), ['10.1.2.99', 'fd00::77']);
  const two = requestOf('ADD', 'c3', annotated({ [key]: '["10.1.2.1", "10.1.2.2"]' }));
  const error = await t.throwsAsync(run(two), {
    instanceOf: CniError,
    message: /one IPv4 address/,
  });
  t.is(error.code, CNI_CODE.INVALID_CONFIG);
});

test('verbs: a MAC annotation is used, a bad one fails ADD, and the runtime is heard before [cni 45]', async (t) => {
  const { run, left } = verbsRig();
  const macOf = (result: CniResult | undefined) => result?.interfaces[1]?.mac;
  const mac = { 'sluice.dev/hwAddr': '02:53:00:00:00:45' };
  t.is(macOf(await run(requestOf('ADD', 'c1', annotated(mac)))), '02:53:00:00:00:45');
  const both = annotated(mac, { mac: '02:53:00:00:00:01' });
  t.is(macOf(await run(requestOf('ADD', 'c2', both))), '02:53:00:00:00:01');
  for (const bad of ['nonsense', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00']) {
    const request = requestOf('ADD', 'c3', annotated({ 'sluice.dev/hwAddr': bad }));
    const error = await t.throwsAsync(run(request), { instanceOf: CniError });
    t.is(error.code, CNI_CODE.INVALID_CONFIG);
  }
  t.false(left().some((key) => key.includes('c3')));
});

test('verbs: pools by annotation, by name and by CIDR; one that is not there or disabled fails ADD', async (t) => {
  const { node } = await cluster({
    a: { cidr: '10.1.0.0/24' },
    b: { cidr: '10.2.0.0/24' },
    off: { cidr: '10.3.0.0/24', disabled: true },
  });
  const { run, left } = verbsRig({ ipam: node('n1') });
  const add = async (id: string, pools: string) => {
    const more = annotated({ 'cni.projectcalico.org/ipv4pools': pools });
    const result = await run(requestOf('ADD', id, more));
    return result?.ips[0]?.address.split('.').slice(0, 2).join('.');
  };
  t.is(await add('c1', '["b"]'), '10.2');
  t.is(await add('c2', '["10.2.0.0/24"]'), '10.2');
  for (const bad of ['["nowhere"]', '["off"]', 'b']) {
    const error = await t.throwsAsync(add('c3', bad));
    t.is(toCniError(error).code, CNI_CODE.INVALID_CONFIG, bad);
  }
  t.false(left().some((key) => key.includes('c3')));
});

test('verbs: GC takes back what is not in the list, and goes on after a failure [cni 16]', async (t) => {
  const { run, left, held, failing } = verbsRig();
  for (const id of ['stale', 'valid']) await run(requestOf('ADD', id));
  await run(requestOf('ADD', 'other', { name: 'another' }));
  held.set('k8s/bare/eth0', { owner: owner('bare'), addresses: [parseAddress('10.1.2.200')] });
  failing.add('ipam.release');
  const error = await t.throwsAsync(run(requestOf('GC', '', valid('valid'))), {
    instanceOf: CniError,
  });
  t.is(error.code, CNI_CODE.TRY_AGAIN);
  t.regex(error.details, /stale eth0: ipam.release fails/);
  failing.clear();
  await run(requestOf('GC', '', valid('valid')));
  const ids = new Set(left().map((key) => key.split('/')[1]));
  t.deepEqual([...ids].sort(), ['other', 'valid']);
});

test('verbs: GC leaves an ADD under way and what was made again since alone', async (t) => {
  const { run, holds, left, records } = verbsRig();
  let go = (): void => undefined;
  holds.set('link.attach', new Promise((resolve) => (go = resolve)));
  const adding = run(requestOf('ADD', 'c1'));
  const collecting = run(requestOf('GC', '', valid()));
  go();
  await Promise.all([adding, collecting]);
  t.is(left().length, 3);
  t.false(records.get('k8s/c1/eth0')?.isPending);

  holds.set('link.detach', new Promise((resolve) => (go = resolve)));
  const replaced = [run(requestOf('DEL', 'c1')), run(requestOf('ADD', 'c1'))];
  const late = run(requestOf('GC', '', valid()));
  go();
  await Promise.all([...replaced, late]);
  t.is(left().length, 3);
});

test('verbs: why no address is given is a code of its own', async (t) => {
  const { ipam } = memoryIpam();
  const acquire = () => Promise.reject(new IpamError('exhausted', 'no address is free'));
  const { run, left } = verbsRig({ ipam: { ...ipam, acquire } });
  const error = await t.throwsAsync(run(requestOf('ADD', 'c1')));
  t.is(toCniError(error).code, CNI_CODE.EXHAUSTED);
  t.deepEqual(left(), []);
});

test('ADD: the record names the namespace itself, whatever its path leads to later', async (t) => {
  const rig = verbsRig();
  await rig.run(requestOf('ADD', 'c1', {}, { CNI_NETNS: '/proc/self/ns/net' }));
  const { dev, ino } = statSync('/proc/self/ns/net', { bigint: true });
  t.is(rig.records.get('k8s/c1/eth0')?.netnsId, `${dev}:${ino}`);
});

test('verbs: what plugins before have made is in the result of a chained ADD, behind ours', async (t) => {
  const { run } = verbsRig();
  const before = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'lo', sandbox: '/run/netns/c1' }],
    ips: [{ address: '127.0.0.1/8', interface: 0 }],
    routes: [{ dst: '10.9.0.0/16', gw: '10.0.0.1' }],
    dns: { nameservers: ['8.8.8.8'] },
  };
  const result = await run(requestOf('ADD', 'c1', { prevResult: before }));
  t.deepEqual(
    result?.interfaces.map(({ name }) => name),
    ['slc-c1', 'eth0', 'lo'],
  );
  t.deepEqual(
    result?.ips.map(({ address, interface: at }) => [address, at]),
    [
      ['10.1.2.2/32', 1],
      ['127.0.0.1/8', 2],
    ],
  );
  t.deepEqual(
    result?.routes.map(({ dst }) => dst),
    ['0.0.0.0/0', '10.9.0.0/16'],
  );
  t.deepEqual(result?.dns, { nameservers: ['8.8.8.8'] });
  await t.notThrowsAsync(
    run(requestOf('CHECK', 'c1', { prevResult: { cniVersion: '1.1.0', ...result } })),
  );
});

test("verbs: the runtime's DNS of a pod is in the result", async (t) => {
  const { run } = verbsRig();
  const runtimeConfig = { dns: { servers: ['10.96.0.10'], searches: ['svc'] } };
  const dns = { nameservers: ['192.0.2.53'] };
  const result = await run(requestOf('ADD', 'c1', { runtimeConfig, dns }));
  t.like(result?.dns, { nameservers: ['10.96.0.10'], search: ['svc'] });
});

test('verbs: CHECK in another namespace than the one that was attached fails', async (t) => {
  const { run } = verbsRig();
  const CNI_NETNS = '/proc/self/ns/net';
  const prevResult = {
    cniVersion: '1.1.0',
    ...(await run(requestOf('ADD', 'c1', {}, { CNI_NETNS }))),
  };
  await t.notThrowsAsync(run(requestOf('CHECK', 'c1', { prevResult }, { CNI_NETNS })));
  for (const elsewhere of ['/proc/self/ns/uts', '/run/netns/nope']) {
    const error = await t.throwsAsync(
      run(requestOf('CHECK', 'c1', { prevResult }, { CNI_NETNS: elsewhere })),
      { instanceOf: CniError },
    );
    t.is(error.code, CNI_CODE.CHECK_FAILED);
    t.true(error.message.includes(elsewhere), error.message);
  }
});
