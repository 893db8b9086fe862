import { findLink } from '../../src/kernel/link.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { type NextHops, resolveNextHops } from '../../src/kernel/next-hop.js';
import { lookupRoute } from '../../src/kernel/route.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';
import { until } from '../native/root.js';

const PEER_MAC = '0a:00:00:00:00:02';
const ON_LINK = ['192.0.2.2', '2001:db8::2'];
const BEHIND_GATEWAY = ['198.51.100.9', '2001:db8:9::9'];

/** A node and a peer on one link; the peer is also its way to everywhere else. */
function twoNodes(lab: Lab): [Namespace, Namespace] {
  const [node, peer] = [lab.namespace('node'), lab.namespace('peer')];
  lab.connect(
    { ns: node, ifname: 'up0', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
    {
      ns: peer,
      ifname: 'up0',
      addresses: ['192.0.2.2/24', '192.0.2.254/24', '2001:db8::2/64', '2001:db8::fe/64'],
      mac: PEER_MAC,
    },
  );
  node.run(['ip', 'route', 'add', 'default', 'via', '192.0.2.254']);
  node.run(['ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::fe']);
  return [node, peer];
}

labTest(
  'next hop: peers on the link and behind a gateway get the MAC they are sent to',
  async (t, lab) => {
    const [node] = twoNodes(lab);
    const net = netnsAt(node.path);
    const addresses = [...ON_LINK, ...BEHIND_GATEWAY];
    let hops: NextHops = resolveNextHops(net, addresses);
    t.deepEqual(hops.missing, addresses, 'nobody has spoken with them yet');
    await until(() => (hops = resolveNextHops(net, addresses)).missing.length === 0);
    const ifindex = findLink(net.rtnl, 'up0')?.ifindex ?? 0;
    t.deepEqual(
      [...hops.found],
      addresses.map((address) => [address, { ifindex, mac: PEER_MAC }]),
    );
    net.close();
  },
);

labTest(
  'next hop: one that does not answer is missing, and the others are not held up',
  async (t, lab) => {
    const [node] = twoNodes(lab);
    const net = netnsAt(node.path);
    const addresses = ['192.0.2.77', '192.0.2.2'];
    let hops = resolveNextHops(net, addresses);
    await until(() => (hops = resolveNextHops(net, addresses)).found.size === 1);
    t.deepEqual(hops.missing, ['192.0.2.77']);
    net.close();
  },
);

labTest('next hop: a new MAC address is noticed, an entry in use is kept fresh', async (t, lab) => {
  const [node, peer] = twoNodes(lab);
  const net = netnsAt(node.path);
  node.run(['ip', 'neigh', 'add', '192.0.2.2', 'lladdr', PEER_MAC, 'nud', 'stale', 'dev', 'up0']);
  t.is(resolveNextHops(net, ['192.0.2.2']).found.get('192.0.2.2')?.mac, PEER_MAC);
  const state = (): string => node.run(['ip', 'neigh', 'show', '192.0.2.2']);
  t.notRegex(state(), /STALE/, 'it is being confirmed');
  peer.run(['ip', 'link', 'set', 'up0', 'address', '0a:00:00:00:00:03']);
  node.run(['ip', 'neigh', 'flush', 'all']);
  const macOf = (): string | undefined =>
    resolveNextHops(net, ['192.0.2.2']).found.get('192.0.2.2')?.mac;
  await until(() => macOf() === '0a:00:00:00:00:03');
  net.close();
});

labTest('next hop: own addresses and those nobody routes have none', (t, lab) => {
  const [node] = twoNodes(lab);
  node.run(['ip', 'route', 'del', 'default']);
  node.run(['ip', 'route', 'add', 'blackhole', '203.0.113.0/24']);
  const net = netnsAt(node.path);
  const hops = resolveNextHops(net, ['192.0.2.1', '198.51.100.9', '203.0.113.9', '127.0.0.1']);
  t.deepEqual([[...hops.found], hops.missing], [[], []]);
  t.is(lookupRoute(net.rtnl, '198.51.100.9'), undefined);
  t.like(lookupRoute(net.rtnl, '2001:db8:9::9'), { via: '2001:db8::fe' });
  net.close();
});
