import { netnsAt } from '../../src/kernel/netns.js';
import { setTunnelPeers } from '../../src/kernel/tunnel-peers.js';
import type { TunnelRange } from '../../src/kernel/tunnel-peers.js';
import { VXLAN_NAME, ensureVxlan, removeVxlan } from '../../src/kernel/vxlan.js';
import { type Namespace, labTest } from '../support/netns.js';

const SPEC = {
  name: VXLAN_NAME[4],
  vni: 1,
  port: 8472,
  local: '192.0.2.1',
  mac: '06:00:00:00:00:01',
  mtu: 1450,
  addresses: ['10.244.1.0', 'fd00:244:1::'],
};

const RANGE: TunnelRange = {
  podCidr: '10.244.2.0/24',
  remote: '192.0.2.2',
  mac: '06:00:00:00:00:02',
  src: '10.244.1.0',
  mtu: undefined,
};

function connected(lab: Parameters<Parameters<typeof labTest>[1]>[1]): Namespace {
  const [node, peer] = [lab.namespace('node'), lab.namespace('peer')];
  const addresses = ['192.0.2.1/24', '2001:db8::1/64'];
  lab.connect({ ns: node, ifname: 'up0', addresses }, { ns: peer, ifname: 'up0' });
  return node;
}

labTest('vxlan: the device is made, adopted, and made again when it is another', (t, lab) => {
  const node = connected(lab);
  const net = netnsAt(node.path);
  const made = ensureVxlan(net, SPEC);
  const shown = node.run(['ip', '-d', 'link', 'show', 'slv4']);
  t.regex(shown, /mtu 1450/);
  t.regex(shown, /vxlan id 1 local 192\.0\.2\.1 .*dstport 8472 nolearning .*df set .*noudpcsum/);
  t.regex(
    node.run(['ip', '-br', 'address', 'show', 'slv4']),
    /10\.244\.1\.0\/32 fd00:244:1::\/128/,
  );
  t.deepEqual(ensureVxlan(net, SPEC), { ...made, adopted: true });
  t.is(ensureVxlan(net, { ...SPEC, mtu: 1400 }).ifindex, made.ifindex);
  const other = ensureVxlan(net, { ...SPEC, vni: 7 });
  t.not(other.ifindex, made.ifindex);
  const six = ensureVxlan(net, { ...SPEC, name: VXLAN_NAME[6], local: '2001:db8::1' });
  t.false(six.adopted);
  t.true(ensureVxlan(net, { ...SPEC, name: VXLAN_NAME[6], local: '2001:db8::1' }).adopted);
  t.true(removeVxlan(net, 'slv4'));
  t.false(removeVxlan(net, 'slv4'));
  t.throws(() => removeVxlan(net, 'up0'), { code: 'ERR_KERNEL' });
  net.close();
});

labTest(
  'vxlan: nodes beyond are told to the kernel, and forgotten in the reverse order',
  (t, lab) => {
    const node = connected(lab);
    const net = netnsAt(node.path);
    const { ifindex } = ensureVxlan(net, SPEC);
    const said = (): string[] => [
      node.run(['ip', 'route', 'show', 'dev', 'slv4']).trim(),
      node.run(['ip', 'neigh', 'show', 'dev', 'slv4']).trim(),
      node.run(['bridge', 'fdb', 'show', 'dev', 'slv4']).trim(),
    ];
    setTunnelPeers(net, ifindex, [{ ...RANGE, mtu: 1350 }]);
    setTunnelPeers(net, ifindex, [{ ...RANGE, mtu: 1350 }]);
    const [route = '', neighbour = '', fdb = ''] = said();
    t.regex(
      route,
      /^10\.244\.2\.0\/24 via 10\.244\.2\.0 proto 83 src 10\.244\.1\.0 onlink mtu 1350$/,
    );
    t.regex(neighbour, /^10\.244\.2\.0 lladdr 06:00:00:00:00:02 PERMANENT$/);
    t.regex(fdb, /^06:00:00:00:00:02 dst 192\.0\.2\.2 self permanent$/);
    setTunnelPeers(net, ifindex, [{ ...RANGE, mac: '06:00:00:00:00:03' }]);
    t.regex(said().join(), /06:00:00:00:00:03.*06:00:00:00:00:03 dst 192\.0\.2\.2/s);
    t.notRegex(said().join(), /06:00:00:00:00:02/);
    // A source that the node does not have: the route fails, and what was made for it is gone again.
    const bad = { ...RANGE, podCidr: '10.244.3.0/24', remote: '192.0.2.3', src: '10.9.9.9' };
    const wrong = { ...bad, mac: '06:00:00:00:00:04' };
    t.throws(() => setTunnelPeers(net, ifindex, [RANGE, wrong]), { code: 'ERR_NETLINK' });
    t.notRegex(said().join(), /10\.244\.3\.0|192\.0\.2\.3/);
    setTunnelPeers(net, ifindex, []);
    t.deepEqual(said(), ['', '', '']);
    net.close();
  },
);
