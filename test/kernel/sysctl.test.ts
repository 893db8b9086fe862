import { netnsAt } from '../../src/kernel/netns.js';
import { enableForwarding, openSysctl, relaxReversePath } from '../../src/kernel/sysctl.js';
import { labTest } from '../support/netns.js';

labTest('sysctl: a key is written in the namespace it was asked for, and in no other', (t, lab) => {
  const [a, b] = [lab.namespace('a'), lab.namespace('b')];
  const [net, other] = [netnsAt(a.path), netnsAt(b.path)];
  const own = openSysctl(-1).read('net/ipv4/conf/lo/proxy_arp');
  net.sysctl.write('net/ipv4/conf/lo/proxy_arp', 1);
  t.is(a.run(['cat', '/proc/sys/net/ipv4/conf/lo/proxy_arp']).trim(), '1');
  t.is(net.sysctl.read('net/ipv4/conf/lo/proxy_arp'), '1');
  t.is(other.sysctl.read('net/ipv4/conf/lo/proxy_arp'), '0');
  t.is(openSysctl(-1).read('net/ipv4/conf/lo/proxy_arp'), own);
  net.close();
  other.close();
});

labTest('sysctl: a refusal names key, value and what is there', (t, lab) => {
  const net = netnsAt(lab.namespace('node').path);
  const absent = 'net/ipv4/conf/not-there/proxy_arp';
  t.is(net.sysctl.read(absent), undefined);
  t.throws(() => net.sysctl.write(absent, 1), {
    code: 'ERR_KERNEL',
    message: /cannot set net\/ipv4\/conf\/not-there\/proxy_arp to 1: this kernel has no such key/,
  });
  t.throws(() => net.sysctl.write('net/ipv4/conf/lo/proxy_arp', NaN), {
    code: 'ERR_KERNEL',
    message: /cannot set .*proxy_arp to NaN: it is 0; EINVAL/,
  });
  net.close();
});

labTest('sysctl: forwarding does not cost the node its advertised default route', (t, lab) => {
  const ns = lab.namespace('node');
  lab.connect({ ns, ifname: 'up0' }, { ns, ifname: 'up1' });
  const net = netnsAt(ns.path);
  const acceptRa = 'net/ipv6/conf/up0/accept_ra';
  net.sysctl.write('net/ipv6/conf/up1/accept_ra', 0);
  enableForwarding(net.sysctl, () => ['up0', 'up1']);
  t.is(net.sysctl.read('net/ipv4/ip_forward'), '1');
  t.is(net.sysctl.read('net/ipv6/conf/all/forwarding'), '1');
  t.is(net.sysctl.read(acceptRa), '2');
  t.is(net.sysctl.read('net/ipv6/conf/up1/accept_ra'), '0');
  net.sysctl.write(acceptRa, 1);
  enableForwarding(net.sysctl, () => ['up0']);
  t.is(net.sysctl.read(acceptRa), '1', 'a node that forwards already is left alone');
  net.close();
});

labTest('sysctl: the reverse path check gives way whatever "all" says', (t, lab) => {
  const ns = lab.namespace('node');
  const net = netnsAt(ns.path);
  const key = 'net/ipv4/conf/lo/rp_filter';
  for (const [all, expected] of [
    [0, '0'],
    [1, '2'],
    [2, '0'],
  ] as const) {
    net.sysctl.write('net/ipv4/conf/all/rp_filter', all);
    relaxReversePath(net.sysctl, 'lo');
    t.is(net.sysctl.read(key), expected, `all = ${all}`);
  }
  net.close();
});
