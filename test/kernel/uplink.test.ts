import test from 'ava';
import { formatAddress } from '../../src/addr.js';
import { netnsAt } from '../../src/kernel/netns.js';
import {
  localAddresses,
  resolveUplink,
  setNodeRoutes,
  uplinkMode,
} from '../../src/kernel/uplink.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';

test('uplink: auto is xdp where the driver has it, tc on a veth and on strangers', (t) => {
  t.is(uplinkMode('auto', 'ixgbe'), 'xdp');
  t.is(uplinkMode('auto', 'virtio_net'), 'xdp');
  t.is(uplinkMode('auto', 'veth'), 'tc');
  t.is(uplinkMode('auto', ''), 'tc');
  t.is(uplinkMode('xdp', 'veth'), 'xdp');
  t.is(uplinkMode('tc', 'ixgbe'), 'tc');
});

function twoNodes(lab: Lab): [Namespace, Namespace] {
  const [node, peer] = [lab.namespace('node'), lab.namespace('peer')];
  lab.connect(
    {
      ns: node,
      ifname: 'up0',
      addresses: ['192.0.2.1/24', '2001:db8::1/64'],
      mac: '0a:00:00:00:00:01',
    },
    { ns: peer, ifname: 'up0', addresses: ['192.0.2.2/24', '2001:db8::2/64'] },
    1480,
  );
  return [node, peer];
}

labTest('uplink: it is resolved to index, MAC, MTU, driver and global addresses', (t, lab) => {
  const [node] = twoNodes(lab);
  const net = netnsAt(node.path);
  const [shown] = node.json(['ip', '-j', 'link', 'show', 'up0']) as { ifindex: number }[];
  t.deepEqual(resolveUplink(net, { name: 'up0', mode: 'auto' }), {
    name: 'up0',
    ifindex: shown?.ifindex ?? 0,
    mac: '0a:00:00:00:00:01',
    mtu: 1480,
    driver: 'veth',
    mode: 'tc',
    up: true,
    addresses: ['192.0.2.1/24', '2001:db8::1/64'],
  });
  t.throws(() => resolveUplink(net, { name: 'eth9', mode: 'auto' }), {
    code: 'ERR_KERNEL',
    message: /uplink eth9 does not exist; this node has lo, .*up0/,
  });
  t.is(resolveUplink(net, { name: 'lo', mode: 'auto' }).mode, 'tc');
  node.run(['ip', 'link', 'add', 'slc0123456789a', 'type', 'veth', 'peer', 'name', 'pod0']);
  t.throws(() => resolveUplink(net, { name: 'slc0123456789a', mode: 'xdp' }), {
    message: /slc0123456789a is the link of a pod/,
  });
  net.close();
});

labTest(
  'uplink: local addresses are those others can reach, of whatever interface, each once',
  (t, lab) => {
    const [node] = twoNodes(lab);
    node.run(['ip', 'address', 'add', '198.51.100.1/32', 'dev', 'lo']);
    node.run(['ip', 'address', 'add', '127.0.0.2/8', 'dev', 'lo']);
    lab.connect(
      { ns: node, ifname: 'br0', addresses: ['192.0.2.1/32', '203.0.113.1/24', 'fe80::77/64'] },
      { ns: node, ifname: 'br1' },
    );
    const net = netnsAt(node.path);
    const texts = (): string[] => localAddresses(net).map(formatAddress);
    t.deepEqual(texts(), ['192.0.2.1', '198.51.100.1', '2001:db8::1', '203.0.113.1']);
    node.run(['ip', 'address', 'add', '203.0.113.2/24', 'dev', 'br0']);
    node.run(['ip', 'address', 'del', '198.51.100.1/32', 'dev', 'lo']);
    t.deepEqual(texts(), ['192.0.2.1', '2001:db8::1', '203.0.113.1', '203.0.113.2']);
    net.close();
  },
);

labTest(
  'uplink: pods of other nodes are routed by the node address, and no longer when it is gone',
  (t, lab) => {
    const [node, peer] = twoNodes(lab);
    const net = netnsAt(node.path);
    peer.run(['ip', 'address', 'add', '10.2.0.5/32', 'dev', 'lo']);
    const wanted = [
      { podCidr: '10.2.0.0/24', via: '192.0.2.2' },
      { podCidr: 'fd00:2:0:0::/64', via: '2001:db8::2' },
    ];
    setNodeRoutes(net, wanted);
    setNodeRoutes(net, wanted);
    t.is(node.tryRun(['ping', '-c', '1', '-W', '2', '10.2.0.5']).status, 0);
    t.regex(node.run(['ip', 'route', 'get', 'fd00:2::9']), /via 2001:db8::2 dev up0/);
    setNodeRoutes(net, [{ podCidr: '10.2.0.0/24', via: '192.0.2.3' }]);
    t.regex(node.run(['ip', 'route', 'get', '10.2.0.5']), /via 192\.0\.2\.3/);
    t.notRegex(node.run(['ip', '-6', 'route']), /fd00:2::/);
    node.run(['ip', 'route', 'add', '10.7.0.0/16', 'via', '192.0.2.2']);
    setNodeRoutes(net, []);
    t.regex(node.run(['ip', 'route']), /10\.7\.0\.0/, 'a route of the operator stays');
    t.is(node.run(['ip', 'route', 'show', 'proto', '83']), '');
    net.close();
  },
);

labTest('uplink: a node that cannot be reached does not cost the others their routes', (t, lab) => {
  const [node] = twoNodes(lab);
  const net = netnsAt(node.path);
  const wanted = [
    { podCidr: '10.3.0.0/24', via: '203.0.113.9' },
    { podCidr: '10.2.0.0/24', via: '192.0.2.2' },
  ];
  t.throws(() => setNodeRoutes(net, wanted), {
    code: 'ERR_NETLINK',
    message: /10\.3\.0\.0\/24.*203\.0\.113\.9.*ENETUNREACH/,
  });
  t.regex(node.run(['ip', 'route']), /10\.2\.0\.0\/24 via 192\.0\.2\.2/);
  net.close();
});
