/** From the configuration file to whoever gives the addresses. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { formatAddress } from '../../src/addr.js';
import { openAddresses } from '../../src/agent/addresses.js';
import type { Addresses } from '../../src/agent/addresses.js';
import { openCniState } from '../../src/agent/cni.js';
import { openAttachmentStore } from '../../src/cni/attachment-store.js';
import { createControl } from '../../src/compile/control.js';
import { parseConfig } from '../../src/config/config.js';
import { IpamError } from '../../src/ipam/ipam.js';
import type { AddressRequest } from '../../src/ipam/ipam.js';
import { recordingLog } from '../cni/plugin.js';
import { memoryStore, owner } from '../cni/verbs-rig.js';
import { HERE, node, put } from '../model/objects.js';
import { temporary } from './node-rig.js';

const CAPACITIES = { services: 8, backends: 8, setEntries: 8, maglevEntries: 8, ranges: 8 };

function rig(t: ExecutionContext, folder: string) {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  const { store } = memoryStore();
  const { log } = recordingLog();
  const open = async (ipam: string): Promise<Addresses> => {
    const text = `apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nnodeName: ${HERE}\ncni: {}\nipam: ${ipam}\n`;
    const config = parseConfig(text, join(folder, 'sluice.yaml'), HERE);
    const addresses = await openAddresses({ config, control, records: store, log });
    t.teardown(() => addresses.ipam.close());
    return addresses;
  };
  return { control, store, open };
}

async function add(addresses: Addresses, id: string, more: Partial<AddressRequest> = {}) {
  const request = {
    ...{ owner: owner(id), pod: undefined, requested: [], rangeSets: [], pools: [] },
    ...more,
  };
  try {
    return (await addresses.ipam.acquire(request)).map(formatAddress).join();
  } catch (error) {
    if (error instanceof IpamError) return error.kind;
    throw error;
  }
}

test('addresses: by default of the podCIDRs of the Node, as soon as they are known', async (t) => {
  const folder = temporary(t);
  const { control, open } = rig(t, folder);
  const addresses = await open('{ dataDir: networks }');
  t.is(await addresses.ipam.status(), 'no pod range known yet');
  control.apply(put('Node', node(HERE, ['10.1.2.0/24', 'fd00:1::/64'], [])));
  t.is(await add(addresses, 'c1'), '10.1.2.2,fd00:1::2');
  t.is(await addresses.ipam.status(), undefined);
  t.true(readdirSync(join(folder, 'networks/k8s')).includes('10.1.2.2'));
});

test('addresses: a restart has the same claims; a Node whose range has moved is refused in STATUS [cni 58]', async (t) => {
  const folder = temporary(t);
  const before = rig(t, folder);
  before.control.apply(put('Node', node(HERE, ['10.1.2.0/24'], [])));
  const first = await before.open('{ dataDir: networks }');
  await add(first, 'c1');
  await first.ipam.close();
  const after = rig(t, folder);
  await after.store.put({
    ...{ ...owner('c1'), isPending: false, netns: '/x', ips: ['10.1.2.2'], mtu: 1450 },
    ...{ hostPorts: [], sinceMs: 1 },
  });
  after.control.apply(put('Node', node(HERE, ['10.1.2.0/24'], [])));
  const same = await after.open('{ dataDir: networks }');
  t.is(await same.ipam.status(), undefined);
  t.is(await add(same, 'c1'), 'duplicate');
  t.is(await add(same, 'c2'), '10.1.2.3');
  after.control.apply(put('Node', node(HERE, ['10.9.0.0/24'], [])));
  t.regex(
    (await same.ipam.status()) ?? '',
    /^10\.1\.2\.2 of container c1 .* and 1 more: given out/,
  );
  t.is(await add(same, 'c3'), 'unavailable');
});

test('addresses: blocks with pools of the file, in a folder, chosen by labels of Node and namespace', async (t) => {
  const folder = temporary(t);
  const { control, open } = rig(t, folder);
  const here = node(HERE, [], []);
  control.apply(put('Node', { ...here, metadata: { name: HERE, labels: { zone: 'a' } } }));
  const pools = [
    '{ name: a, cidr: 10.1.0.0/24, nodeSelector: zone=a, namespaceSelector: kubernetes.io/metadata.name=gold }',
    '{ name: b, cidr: 10.2.0.0/24, nodeSelector: zone=b }',
    '{ name: c, cidr: 10.3.0.0/24, nodeSelector: zone=a }',
  ];
  const blocks = `{ mode: blocks, store: { file: blocks }, pools: [${pools.join(', ')}], reservedCIDRs: [10.3.0.0/26] }`;
  const addresses = await open(blocks);
  t.is(addresses.mode, 'blocks');
  const pod = { namespace: 'gold', name: 'web', uid: undefined };
  t.regex(await add(addresses, 'c1', { pod }), /^10\.1\.0\./);
  t.regex(await add(addresses, 'c2'), /^10\.3\.0\./);
  t.is(await addresses.ipam.status(), undefined);
  control.apply(put('Node', { ...here, metadata: { name: HERE, labels: { zone: 'b' } } }));
  t.regex(await add(addresses, 'c3'), /^10\.2\.0\./);
  await addresses.ipam.close();
  const again = await open(blocks);
  t.is((await again.ipam.leases()).length, 3);
  t.is(await add(again, 'c2'), 'duplicate');
});

test('addresses: a label that is added to the Node counts', (t) => {
  const { control } = rig(t, temporary(t));
  const labels = () => Object.fromEntries(control.ownNode()?.labels ?? []);
  for (const wanted of [{}, { a: '1' }, { a: '1', b: '2' }, { b: '2' }]) {
    control.apply(put('Node', { metadata: { name: HERE, labels: wanted } }));
    t.deepEqual(labels(), wanted);
  }
});

test("addresses: what an earlier boot attached is to be freed, and in nobody's way", async (t) => {
  const dataDir = temporary(t);
  const { log } = recordingLog();
  const { store } = await openAttachmentStore(dataDir, 'another-boot', log);
  await store.put({
    ...{ ...owner('c1'), isPending: false, netns: '/x', ips: ['10.1.2.2'], mtu: 1450 },
    ...{ hostPorts: [], sinceMs: 1 },
  });
  await store.close();
  const state = await openCniState({ dataDir, log });
  t.deepEqual(state.attached, []);
  t.true(state.store.find(owner('c1'))?.isPending);
  await state.store.close();
});
