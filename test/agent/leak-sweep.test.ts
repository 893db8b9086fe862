import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { keepSweeping } from '../../src/agent/leak-sweep.js';
import { ownerKey } from '../../src/ipam/ipam.js';
import { cluster } from '../ipam/blocks/managers.js';
import { owner } from '../cni/verbs-rig.js';
import { GRACE_MS, leaveFile, nodeRig, rangeAddresses, temporary } from './node-rig.js';

test('leak sweep: a container that is gone at two looks is taken back as by DEL', async (t) => {
  const rig = nodeRig({ addresses: rangeAddresses(t, temporary(t)) });
  const address = await rig.add('c1');
  await rig.add('c2');
  rig.alive.delete('c1');
  await rig.look(0);
  await rig.look(GRACE_MS - 1);
  t.is(rig.sweep.leaked(), 1);
  t.is(rig.sweep.reclaimed(), 0);
  t.true((await rig.given()).includes(address));
  await rig.look(1);
  t.false((await rig.given()).includes(address));
  t.deepEqual([...rig.records.keys()], ['k8s/c2/eth0']);
  t.deepEqual([...rig.links], ['k8s/c2/eth0']);
  t.is(rig.sweep.leaked(), 0);
  t.is(rig.sweep.reclaimed(), 1);
});

test('leak sweep: a container that came back, or another of its name, is not the one that was gone [cni 50]', async (t) => {
  const rig = nodeRig({ addresses: rangeAddresses(t, temporary(t)) });
  await rig.add('back');
  await rig.add('again');
  rig.alive.clear();
  await rig.look(0);
  rig.alive.add('back');
  await rig.look(GRACE_MS / 2);
  rig.alive.delete('back');
  await rig.store.remove(owner('again'));
  await rig.look(1);
  await rig.store.put({
    ...{ ...owner('again'), isPending: false, netns: '/x', ips: ['10.1.2.3'], mtu: 1450 },
    ...{ hostPorts: [], sinceMs: rig.clock.ms },
  });
  await rig.look(GRACE_MS / 2);
  t.is(rig.sweep.reclaimed(), 0);
  await rig.look(GRACE_MS);
  t.is(rig.sweep.reclaimed(), 2);
});

test('leak sweep: what a request works on is not looked at', async (t) => {
  const rig = nodeRig({ addresses: rangeAddresses(t, temporary(t)), pods: [] });
  await rig.add('c1');
  await rig.add('c2', { isPending: true });
  rig.alive.clear();
  let finish = (): void => undefined;
  const under = new Promise<void>((resolve) => (finish = resolve));
  const turns = ['c1', 'c2'].map((id) => rig.turns.take(ownerKey(owner(id)), () => under));
  await rig.look(0);
  await rig.look(GRACE_MS);
  t.is(rig.sweep.reclaimed(), 0);
  finish();
  await Promise.all(turns);
  await rig.look(0);
  t.is(rig.sweep.reclaimed(), 1, 'the record that was never completed');
  await rig.look(GRACE_MS);
  t.is(rig.sweep.reclaimed(), 2);
});

test('leak sweep: a failure is told once, and tried again at every look', async (t) => {
  const rig = nodeRig({ addresses: rangeAddresses(t, temporary(t)) });
  await rig.add('c1', { isPending: true });
  rig.failing.detach = 'busy';
  for (let i = 0; i < 3; i++) await rig.look(1);
  t.is(rig.lines.filter(({ msg }) => String(msg).includes('busy')).length, 1);
  rig.failing.detach = '';
  await rig.look(1);
  t.is(rig.records.size, 0);
  t.deepEqual(await rig.given(), []);
});

test("leak sweep: without an API server an address of no attachment may be another plugin's", async (t) => {
  const dataDir = temporary(t);
  leaveFile(dataDir, '10.1.2.9', 'foreign\r\neth0');
  const rig = nodeRig({ addresses: rangeAddresses(t, dataDir) });
  await rig.look(0);
  await rig.look(GRACE_MS * 2);
  t.deepEqual(await rig.given(), ['10.1.2.9']);
});

test('leak sweep: with one, an address that no Pod has and no container is given back', async (t) => {
  const dataDir = temporary(t);
  leaveFile(dataDir, '10.1.2.9', 'gone\r\neth0');
  leaveFile(dataDir, '10.1.2.10', 'foreign\r\neth0');
  leaveFile(dataDir, '10.1.2.11', 'c1');
  const rig = nodeRig({ addresses: rangeAddresses(t, dataDir), pods: ['10.1.2.10'] });
  const own = await rig.add('c1').catch(() => 'refused');
  t.is(own, 'refused', 'the file of an older version counts for the container');
  await rig.store.put({
    ...{ ...owner('c1'), isPending: false, netns: '/x', ips: ['10.1.2.11'], mtu: 1450 },
    ...{ hostPorts: [], sinceMs: 1 },
  });
  rig.alive.add('c1');
  await rig.look(0);
  t.is(rig.sweep.leaked(), 1);
  await rig.look(GRACE_MS);
  t.deepEqual(await rig.given(), ['10.1.2.10', '10.1.2.11']);
});

test('leak sweep: a grace time of 0 frees nothing but what was never completed', async (t) => {
  const rig = nodeRig({ addresses: rangeAddresses(t, temporary(t)), graceMs: 0, pods: [] });
  await rig.add('c1');
  await rig.add('c2', { isPending: true });
  rig.alive.clear();
  await rig.look(0);
  await rig.look(GRACE_MS);
  t.deepEqual([...rig.records.keys()], ['k8s/c1/eth0']);
});

test('leak sweep: in blocks an address without attachment is freed, and empty blocks are given back', async (t) => {
  const { node, clock } = await cluster({ a: { cidr: '10.1.0.0/24', blockSize: 30 } });
  const ipam = node('n1', { leakGraceMs: GRACE_MS });
  const rig = nodeRig({ addresses: { mode: 'blocks', ipam } });
  for (const id of ['c1', 'c2', 'c3', 'c4', 'c5']) await rig.add(id);
  const look = async (laterMs: number): Promise<void> => {
    clock.ms += laterMs;
    await rig.look(laterMs);
  };
  await rig.store.remove(owner('c5'));
  await look(0);
  t.is(rig.sweep.leaked(), 1);
  await look(GRACE_MS / 2);
  t.is((await rig.given()).length, 5);
  await look(GRACE_MS / 2);
  t.is((await rig.given()).length, 4);
  t.is(rig.sweep.reclaimed(), 1);
  t.is(rig.sweep.leaked(), 0);
  await look(60_000);
  t.is((await ipam.overview()).nodes[0]?.blocks, 1);
});

test('leak sweep: a store that does not answer is told once, and does not stop the looking', async (t) => {
  const { node, faults } = await cluster({ a: { cidr: '10.1.0.0/24' } });
  const rig = nodeRig({ addresses: { mode: 'blocks', ipam: node('n1') } });
  faults.isDown = true;
  for (let i = 0; i < 3; i++) await rig.look(60_000);
  t.is(rig.lines.filter(({ msg }) => String(msg).includes('could not be taken back')).length, 1);
});

test('leak sweep: looks do not overlap, and none begins after the end', async (t) => {
  let looks = 0;
  let inside = 0;
  const look = async (): Promise<void> => {
    looks++;
    t.is(++inside, 1);
    await delay(20);
    inside--;
  };
  const stop = keepSweeping({ look, leaked: () => 0, reclaimed: () => 0 }, 1);
  while (looks < 3) await delay(1);
  await stop();
  const before = looks;
  await delay(30);
  t.is(looks, before);
});
