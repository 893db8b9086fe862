import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createRangeIpam } from '../../src/ipam/range/range-ipam.js';
import { formatAttachments, formatFindings, formatIpam } from '../../src/ops/ipam.js';
import { owner } from '../cni/verbs-rig.js';
import { cluster } from '../ipam/blocks/managers.js';
import { leaveFile, nodeRig, rangeAddresses, temporary } from './node-rig.js';

const lines = (text: string): string[] => text.split('\n').map((line) => line.replace(/ +/g, ' '));

test('ipam show: a range with what is in use and what is never given', async (t) => {
  const dataDir = temporary(t);
  leaveFile(dataDir, '10.9.9.9', 'far\r\neth0');
  const rig = nodeRig({ addresses: rangeAddresses(t, dataDir) });
  await rig.add('c1');
  const report = await rig.desk.show();
  t.deepEqual(report.pools, [
    { name: 'set 0', addresses: '10.1.2.1-10.1.2.14', size: 14, inUse: 1, reserved: 1 },
  ]);
  t.deepEqual(lines(formatIpam(report)).slice(0, 4), [
    'NAME ADDRESSES SIZE IN USE RESERVED BORROWED BLOCKS',
    'set 0 10.1.2.1-10.1.2.14 14 1 1 - -',
    '',
    '10.9.9.9 of container far eth0 of network k8s is in no range',
  ]);
});

test('ipam show: pools with blocks, borrowed addresses and nodes', async (t) => {
  const { node } = await cluster({
    a: { cidr: '10.1.0.0/24' },
    b: { cidr: '10.2.0.0/24', disabled: true },
  });
  const rig = nodeRig({ addresses: { mode: 'blocks', ipam: node('n1') } });
  await rig.add('c1');
  t.deepEqual(lines(formatIpam(await rig.desk.show())), [
    'NAME ADDRESSES SIZE IN USE RESERVED BORROWED BLOCKS',
    'a 10.1.0.0/24 256 1 0 0 1',
    'b (disabled) 10.2.0.0/24 256 0 0 0 0',
    '',
    'NODE BLOCKS IN USE BORROWED',
    'n1 1 1 0',
  ]);
});

test('ipam check: nothing, then everything that can be wrong, a line each', async (t) => {
  const dataDir = temporary(t);
  const rig = nodeRig({ addresses: rangeAddresses(t, dataDir) });
  await rig.add('c1');
  t.is(formatFindings(await rig.desk.check()), 'nothing is wrong');
  leaveFile(dataDir, '10.1.2.9', 'bare\r\neth0');
  leaveFile(dataDir, 'notes.txt', 'remember the milk');
  const twin = {
    ...{ ...owner('c2'), isPending: false, netns: '/x', ips: ['10.1.2.2'], mtu: 1450 },
    ...{ hostPorts: [], sinceMs: 1 },
  };
  await rig.store.put(twin);
  t.deepEqual(lines(formatFindings(await rig.desk.check())), [
    "leaked 10.1.2.9: given to container bare eth0 of network k8s, which has no attachment here; another plugin's, or leaked",
    `unknown ${join(dataDir, 'k8s/notes.txt')}: neither an address nor anything else of the layout`,
    'missing 10.1.2.2: used by container c2 eth0 of network k8s, but not given to it',
    'double 10.1.2.2: held by container c1 eth0 of network k8s and container c2 eth0 of network k8s',
  ]);
  const delegate = { type: 'static', path: '', args: '', conf: {} };
  await rig.store.put({ ...twin, ips: ['10.7.0.1'], delegate });
  t.deepEqual(
    (await rig.desk.check()).map(({ kind }) => kind),
    ['leaked', 'unknown'],
    "a delegate's addresses are the delegate's",
  );
});

test('ipam show and check: a network that cannot be opened is named, and the others are shown', async (t) => {
  const dataDir = temporary(t);
  const path = join(dataDir, 'fnet');
  writeFileSync(path, 'a file');
  const addresses = rangeAddresses(t, dataDir);
  const rig = nodeRig({ addresses });
  await rig.add('c1');
  await t.throwsAsync(addresses.ipam.held({ ...owner('c2'), network: 'fnet' }));
  const why = `addresses of network fnet cannot be kept: EEXIST: file already exists, mkdir '${path}'`;
  const { pools, complaints } = await rig.desk.show();
  t.is(pools[0]?.inUse, 1);
  t.deepEqual(complaints, [why]);
  t.is(formatFindings(await rig.desk.check()), `broken ${path}: ${why}`);
});

test('ipam show: the size of a large range is exact', async (t) => {
  const ranges = () => [[{ subnet: 'fd00:1:2::/64' }], [{ subnet: '10.1.2.0/24' }]];
  const ipam = createRangeIpam({ dataDir: temporary(t), ranges, now: Date.now });
  t.teardown(() => ipam.close());
  const { pools } = await nodeRig({ addresses: { mode: 'range', ipam } }).desk.show();
  t.deepEqual(
    pools.map(({ size }) => size),
    ['18446744073709551615', 254],
  );
});

test('ipam check: an address that a Pod has is not leaked', async (t) => {
  const dataDir = temporary(t);
  leaveFile(dataDir, '10.1.2.9', 'foreign\r\neth0');
  const rig = nodeRig({ addresses: rangeAddresses(t, dataDir), pods: ['10.1.2.9'] });
  t.deepEqual(await rig.desk.check(), []);
});

test('ipam check: blocks are looked at, too', async (t) => {
  const { node } = await cluster({ a: { cidr: '10.1.0.0/24' } });
  const rig = nodeRig({ addresses: { mode: 'blocks', ipam: node('n1') } });
  const address = await rig.add('c1');
  t.deepEqual(await rig.desk.check(), []);
  await rig.store.remove(owner('c1'));
  t.like((await rig.desk.check())[0], { kind: 'leaked', subject: address });
});

test('ipam release: what nobody uses is given back; what somebody uses only by force', async (t) => {
  const dataDir = temporary(t);
  leaveFile(dataDir, '10.1.2.9', 'bare\r\neth0');
  leaveFile(dataDir, '10.1.2.10', 'foreign\r\neth0');
  const rig = nodeRig({ addresses: rangeAddresses(t, dataDir), pods: ['10.1.2.10'] });
  const [live, gone, pending] = await Promise.all(
    ['live', 'gone', 'half'].map((id) => rig.add(id)),
  );
  rig.alive.delete('gone');
  const half = rig.records.get('k8s/half/eth0');
  if (half) await rig.store.put({ ...half, isPending: true });
  t.is(
    await rig.release('10.1.2.9'),
    'given back: 10.1.2.9 of container bare eth0 of network k8s, which has no attachment',
  );
  t.is(
    await rig.release(gone ?? ''),
    `given back: ${gone ?? ''} of container gone eth0 of network k8s, whose container is gone`,
  );
  t.regex(await rig.release(pending ?? ''), /which was never completed$/);
  const refused = { code: 'ERR_USAGE', message: /in use by .*--force/ };
  await t.throwsAsync(rig.release(live ?? ''), refused);
  await t.throwsAsync(rig.release('10.1.2.10'), refused);
  await t.throwsAsync(rig.release('10.1.2.14'), {
    code: 'ERR_USAGE',
    message: '10.1.2.14 is given to nobody on this node',
  });
  t.deepEqual(await rig.given(), [live ?? '', '10.1.2.10'].sort());
  t.regex(await rig.release(live ?? '', true), /which is cut off now$/);
  t.is(rig.links.has('k8s/live/eth0'), false);
  await rig.release('10.1.2.10', true);
  t.deepEqual(await rig.given(), []);
  t.is(rig.records.size, 0);
});

test('cni list: every attachment, and whether its container is still there', async (t) => {
  const rig = nodeRig({ addresses: rangeAddresses(t, temporary(t)) });
  t.is(formatAttachments(rig.desk.attachments()), 'no attachments');
  await rig.add('c1', { pod: { namespace: 'default', name: 'web' }, sinceMs: 0 });
  await rig.add('c2', { sinceMs: 0 });
  rig.alive.delete('c2');
  t.deepEqual(lines(formatAttachments(rig.desk.attachments())), [
    'NETWORK CONTAINER IFNAME POD ADDRESSES STATE SINCE',
    'k8s c1 eth0 default/web 10.1.2.2 attached 1970-01-01T00:00:00.000Z',
    'k8s c2 eth0 - 10.1.2.3 gone 1970-01-01T00:00:00.000Z',
  ]);
});
