/** What the verbs do where another plugin gives the addresses. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'ava';
import { CNI_CODE, CniError } from '../../src/cni/errors.js';
import { convertTo } from '../../src/cni/result.js';
import { needs } from '../support/skip.js';
import { execute } from './plugin.js';
import { requestOf, valid, verbsRig } from './verbs-rig.js';

const HOST_LOCAL = { ipam: { type: 'host-local', subnet: '10.7.0.0/24' } };

test("verbs: a delegate's addresses are given back without its configuration, too", async (t) => {
  const { run, calls, left, records } = verbsRig();
  const args = { CNI_ARGS: 'K8S_POD_NAME=web;K8S_POD_NAMESPACE=default' };
  const result = await run(requestOf('ADD', 'c1', HOST_LOCAL, args));
  t.is(result?.ips[0]?.address, '10.7.0.9/32');
  calls.splice(0);
  await run(requestOf('GC', '', { ...HOST_LOCAL, ...valid() }));
  t.deepEqual(
    calls.map(({ type, verb }) => `${type} ${verb}`),
    ['host-local DEL', 'host-local GC'],
  );
  t.like(calls[0]?.env, {
    CNI_CONTAINERID: 'c1',
    CNI_IFNAME: 'eth0',
    CNI_NETNS: '/run/netns/c1',
    CNI_PATH: '/opt/cni/bin',
    ...args,
  });
  t.deepEqual(calls[0]?.stdin, { cniVersion: '1.1.0', name: 'k8s', type: 'sluice', ...HOST_LOCAL });
  t.deepEqual(left(), []);

  await run(requestOf('ADD', 'c2', HOST_LOCAL));
  calls.splice(0);
  // The administrator has changed the configuration meanwhile.
  await run(requestOf('DEL', 'c2'));
  t.is(calls[0]?.verb, 'DEL');
  t.is(records.size, 0);
});

test('verbs: an ADD that fails after its delegate has given an address calls the delegate again', async (t) => {
  const { run, failing, calls, left } = verbsRig();
  failing.add('link.attach');
  await t.throwsAsync(run(requestOf('ADD', 'c1', HOST_LOCAL)));
  t.deepEqual(
    calls.map(({ verb }) => verb),
    ['ADD', 'DEL'],
  );
  t.deepEqual(left(), []);
});

test('verbs: an address plugin that is not there leaves nothing behind, and keeps no DEL from its end [cni 25]', async (t) => {
  const { run, failures, records, lines } = verbsRig();
  failures.set('delegate.ADD', new CniError(CNI_CODE.INVALID_CONFIG, 'host-locl is not there'));
  failures.set('delegate.DEL', new CniError(CNI_CODE.INVALID_CONFIG, 'host-locl is not there'));
  await t.throwsAsync(run(requestOf('ADD', 'c1', HOST_LOCAL)), { message: /not there/ });
  t.is(records.size, 0);
  t.true(lines.some(({ msg }) => String(msg).includes('nothing to give back')));
  await t.notThrowsAsync(run(requestOf('DEL', 'c1', HOST_LOCAL)));
  // What it has given has to be taken back some day.
  failures.delete('delegate.ADD');
  await run(requestOf('ADD', 'c1', HOST_LOCAL));
  await t.throwsAsync(run(requestOf('DEL', 'c1', HOST_LOCAL)), { message: /not there/ });
  t.is(records.size, 1);
  failures.clear();
  await run(requestOf('DEL', 'c1', HOST_LOCAL));
  t.is(records.size, 0);
});

test('verbs: routes of an address plugin lead by our gateway, and are kept for the link', async (t) => {
  const { run, granting, links, records } = verbsRig();
  granting.routes = [
    { dst: '0.0.0.0/0', gw: '10.7.0.1' },
    { dst: '10.0.0.0/8', gw: '10.99.0.1', priority: 7 },
    { dst: 'fd00::/8' },
  ];
  const result = await run(requestOf('ADD', 'c1', HOST_LOCAL));
  t.deepEqual(result?.routes, [
    { dst: '0.0.0.0/0', gw: '169.254.1.1' },
    { dst: '10.0.0.0/8', gw: '169.254.1.1', priority: 7 },
  ]);
  const routes = [{ dst: '10.0.0.0/8', metric: 7 }];
  t.deepEqual(links.get('k8s/c1/eth0')?.routes, routes);
  t.deepEqual(records.get('k8s/c1/eth0')?.routes, routes);
});

const PLUGIN = '/usr/lib/cni/static';

needs({ also: existsSync(PLUGIN) ? undefined : 'needs the CNI plugin static' })(
  'verbs: a CHECK says the gateways that the address plugin gave, which `static` looks for',
  async (t) => {
    const { run, granting, calls } = verbsRig();
    const addresses = [{ address: '10.7.0.9/24', gateway: '10.7.0.1' }, { address: 'fd07::9/64' }];
    const more = { ipam: { type: 'static', addresses }, cniVersion: '1.0.0' };
    granting.ips = addresses;
    const result = await run(requestOf('ADD', 'c1', more));
    assert(result !== undefined);
    t.is(result.ips[0]?.gateway, '169.254.1.1');
    const prevResult = convertTo(result, '1.0.0');
    const request = requestOf('CHECK', 'c1', { ...more, prevResult });
    await run(request);
    const check = (stdin: string) => {
      const env = { ...Object.fromEntries(request.env), CNI_COMMAND: 'CHECK' };
      return execute({ file: PLUGIN, env, stdin });
    };
    const { exit, stdout } = await check(JSON.stringify(calls.at(-1)?.stdin));
    t.is(exit, 0, stdout);
    t.regex((await check(request.stdin)).stdout, /Failed to match addr 10\.7\.0\.9/);
  },
);
