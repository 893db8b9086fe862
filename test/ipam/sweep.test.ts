import test from 'ava';
import { parseAddress } from '../../src/addr.js';
import { isAmong } from '../../src/ipam/ipam.js';
import type { Lease, Owner } from '../../src/ipam/ipam.js';
import { createSweepMemory, staleOwners } from '../../src/ipam/sweep.js';
import { owner, rig } from './range/support.js';

const GRACE_MS = 60_000;
const nobody = () => false;
const lease = (of: Owner, address: string, seq?: number): Lease => ({
  owner: of,
  address: parseAddress(address),
  pod: undefined,
  sinceMs: 5,
  ...(seq === undefined ? {} : { seq }),
});

test('sweep: an owner is given up at the second look, when the grace time is over', (t) => {
  const memory = createSweepMemory(GRACE_MS);
  const leases = [lease(owner('a'), '10.1.2.2', 1), lease(owner('a'), 'fd00::2', 2)];
  t.deepEqual(staleOwners(leases, nobody, memory, 0), []);
  t.deepEqual(staleOwners(leases, nobody, memory, GRACE_MS - 1), []);
  t.deepEqual(staleOwners(leases, nobody, memory, GRACE_MS), [owner('a')]);
});

test('sweep: an owner seen in between begins anew', (t) => {
  const memory = createSweepMemory(GRACE_MS);
  const leases = [lease(owner('a'), '10.1.2.2', 1)];
  staleOwners(leases, nobody, memory, 0);
  staleOwners(leases, () => true, memory, 1);
  t.deepEqual(staleOwners(leases, nobody, memory, GRACE_MS), []);
  t.deepEqual(staleOwners(leases, nobody, memory, 2 * GRACE_MS), [owner('a')]);
});

test('sweep: an address that the same owner got again between two looks is not released [cni 50]', async (t) => {
  const { ipam, add, del } = rig([[{ subnet: '10.1.2.0/30' }]]);
  const memory = createSweepMemory(GRACE_MS);
  const first = await add(owner('a'));
  t.deepEqual(staleOwners(await ipam.leases(), nobody, memory, 0), []);
  await del(owner('a'));
  t.deepEqual(await add(owner('a')), first, 'the very same address');
  t.deepEqual(staleOwners(await ipam.leases(), nobody, memory, GRACE_MS), []);
  t.deepEqual(staleOwners(await ipam.leases(), nobody, memory, 2 * GRACE_MS), [owner('a')]);
  await ipam.close();
});

test('sweep: without a number the time of the lease tells one giving-out from the next [cni 50]', (t) => {
  const memory = createSweepMemory(GRACE_MS);
  const again = { ...lease(owner('a'), '10.1.2.2'), sinceMs: 6 };
  staleOwners([lease(owner('a'), '10.1.2.2')], nobody, memory, 0);
  t.deepEqual(staleOwners([again], nobody, memory, GRACE_MS), []);
});

test('sweep: a list of what is valid needs one look, and speaks of its network only', (t) => {
  const other = { ...owner('gone'), network: 'other' };
  const owners = [owner('a'), owner('a', 'eth1'), owner('gone'), other, owner('a', '')];
  const leases = owners.map((each, i) => lease(each, `10.1.2.${i + 2}`, i));
  const alive = isAmong('net', [{ containerId: 'a', ifname: 'eth0' }]);
  t.deepEqual(staleOwners(leases, alive, createSweepMemory(0), 0), [
    owner('a', 'eth1'),
    owner('gone'),
  ]);
});
