import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { Etcd3 } from 'etcd3';
import type { ExecutionContext } from 'ava';
import { parseAddress, parseCidr, parseMac } from '../../src/addr.js';
import { watchFlannelEtcd } from '../../src/flannel/etcd.js';
import type { FlannelEtcdOptions } from '../../src/flannel/etcd.js';
import { createLog } from '../../src/log.js';
import type { SourceEvent } from '../../src/model/events.js';
import { needs, whyNot } from '../support/skip.js';
import { startEtcd } from '../support/etcd.js';

const tools = { tools: ['etcd'] };
const etcdTest = needs(tools);
let server: Awaited<ReturnType<typeof startEtcd>> | undefined;
let client: Etcd3 | undefined;
let count = 0;

if (whyNot(tools) === undefined) {
  test.before(async () => {
    server = await startEtcd();
    client = new Etcd3({
      hosts: server.endpoint,
      defaultCallOptions: () => ({ deadline: Date.now() + 5_000 }),
    });
  });
  test.after.always(async () => {
    client?.close();
    await server?.stop();
  });
}

const MAC = parseMac('06:00:00:00:00:01');
const CONFIG = JSON.stringify({
  Network: '10.5.0.0/16',
  EnableIPv6: true,
  IPv6Network: 'fd00:5::/48',
  Backend: { Type: 'vxlan' },
});

interface Node {
  /** The next event. */
  next(): Promise<SourceEvent>;
  stop(): Promise<void>;
}

/** A network of its own in etcd, and nodes that join it. */
async function network(t: ExecutionContext) {
  const prefix = `/network-${count++}`;
  if (server === undefined || client === undefined) throw new Error('no etcd');
  const { endpoint } = server;
  await client.put(`${prefix}/config`).value(CONFIG);
  const join = (
    nodeName: string,
    address: string,
    more: Partial<FlannelEtcdOptions> = {},
  ): Node => {
    const over = new AbortController();
    const events = watchFlannelEtcd({
      etcd: {
        endpoints: [endpoint],
        prefix,
        ...{ caFile: undefined, certFile: undefined, keyFile: undefined },
        ...{ username: undefined, password: undefined },
      },
      nodeName,
      addresses: [parseAddress(address), parseAddress(`fd00::${address.split('.')[3] ?? ''}`)],
      ...{ mac: MAC, vni: 1, previous: [], log: createLog('fatal'), signal: over.signal },
      ...more,
    });
    const stop = async (): Promise<void> => {
      over.abort();
      while (!(await events.next()).done);
    };
    t.teardown(stop);
    return {
      next: async () => {
        const event = (await events.next()).value as SourceEvent;
        return event.type === 'synced' ? ((await events.next()).value as SourceEvent) : event;
      },
      stop,
    };
  };
  return { prefix, client, join };
}

interface Said {
  readonly name: string | undefined;
  readonly podCIDRs: readonly string[] | undefined;
}

function said(event: SourceEvent): Said {
  if (event.type !== 'put' || event.kind !== 'Node') throw new Error(JSON.stringify(event));
  return { name: event.object.metadata?.name, podCIDRs: event.object.spec?.podCIDRs };
}

etcdTest('flannel: a node leases a free subnet of each family for a day', async (t) => {
  const { prefix, client, join } = await network(t);
  const node = join('node-a', '192.0.2.1', { random: () => 0 });
  const { name, podCIDRs } = said(await node.next());
  t.deepEqual([name, podCIDRs], ['node-a', ['10.5.1.0/24', 'fd00:5:0:1::/64']]);
  const { kvs } = await client.getAll().prefix(`${prefix}/subnets/`).exec();
  t.deepEqual(
    kvs.map(({ key }) => key.toString()),
    [`${prefix}/subnets/10.5.1.0-24&fd00:5:0:1::-64`],
  );
  t.deepEqual(JSON.parse(kvs[0]?.value.toString() ?? ''), {
    PublicIP: '192.0.2.1',
    PublicIPv6: 'fd00::1',
    BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: '06:00:00:00:00:01' },
    BackendV6Data: { VNI: 1, VtepMAC: '06:00:00:00:00:01' },
  });
  const { TTL } = await client.leaseClient.leaseTimeToLive({ ID: kvs[0]?.lease ?? '0' });
  t.true(Number(TTL) > 86_000);
});

etcdTest(
  'flannel: a node that comes back gets its subnet by its address, and the MAC it had [cni 62]',
  async (t) => {
    const { join } = await network(t);
    const before = said(await join('node-a', '192.0.2.1').next());
    const other = { mac: parseMac('06:00:00:00:00:99'), random: () => 0.5 };
    const event = await join('node-a', '192.0.2.1', other).next();
    t.deepEqual(said(event), before);
    t.regex(JSON.stringify(event), /06:00:00:00:00:01/);
  },
);

etcdTest('flannel: without a lease the subnet that its file names is preferred', async (t) => {
  const { join } = await network(t);
  const previous = [parseCidr('10.5.77.0/24'), parseCidr('10.9.0.0/24')];
  const { podCIDRs } = said(await join('node-a', '192.0.2.1', { previous }).next());
  t.is(podCIDRs?.[0], '10.5.77.0/24');
});

etcdTest('flannel: peers come and go with their leases', async (t) => {
  const { prefix, client, join } = await network(t);
  const node = join('node-a', '192.0.2.1', { random: () => 0 });
  await node.next();
  const lease = JSON.stringify({
    PublicIP: '192.0.2.2',
    PublicIPv6: null,
    BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: '82:6e:00:00:00:02' },
    BackendV6Data: null,
  });
  const coming = node.next();
  await client.put(`${prefix}/subnets/10.5.9.0-24`).value(lease);
  t.deepEqual(said(await coming), { name: 'flannel-10.5.9.0-24', podCIDRs: ['10.5.9.0/24'] });
  const going = node.next();
  await client.delete().key(`${prefix}/subnets/10.5.9.0-24`);
  t.deepEqual(await going, { type: 'delete', kind: 'Node', key: 'flannel-10.5.9.0-24' as never });
});

etcdTest('flannel: nodes that start together get different subnets', async (t) => {
  const { join } = await network(t);
  const nodes = [1, 2, 3, 4].map((i) => join(`node-${i}`, `192.0.2.${i}`, { random: () => 0 }));
  const own = await Promise.all(nodes.map(async (node) => said(await node.next()).podCIDRs?.[0]));
  t.is(new Set(own).size, 4, own.join());
});

etcdTest('flannel: a lease that was lost is taken again', async (t) => {
  const { prefix, client, join } = await network(t);
  const node = join('node-a', '192.0.2.1', { random: () => 0, relistMs: 50 });
  await node.next();
  const held = () => client.getAll().prefix(`${prefix}/subnets/`).keys();
  const before = await held();
  t.is(before.length, 1);
  const going = node.next(); // keeps it running
  // By hand; or it has expired while this node did not run.
  await client.delete().prefix(`${prefix}/subnets/`);
  for (let i = 0; i < 100 && (await held()).length === 0; i++) await delay(20);
  t.deepEqual(await held(), before, 'before somebody else has it');
  await Promise.race([going, delay(0)]);
});
