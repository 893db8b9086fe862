import { Scope, addAddress, deleteAddress, listAddresses } from '../../src/kernel/address.js';
import { findLink } from '../../src/kernel/link.js';
import { deleteNeighbour, listNeighbours, replaceNeighbour } from '../../src/kernel/neighbour.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { labTest } from '../support/netns.js';

const MAC_A = '0a:00:00:00:00:0a';
const MAC_B = '0a:00:00:00:00:0b';

labTest('address: added and deleted as ip(8) shows, IPv6 usable at once', (t, lab) => {
  const ns = lab.namespace('node');
  lab.connect({ ns, ifname: 'va' }, { ns, ifname: 'vb' });
  const net = netnsAt(ns.path);
  const ifindex = findLink(net.rtnl, 'va')?.ifindex ?? 0;
  addAddress(net.rtnl, ifindex, '10.1.2.3/24');
  addAddress(net.rtnl, ifindex, '2001:db8::5');
  const listed = listAddresses(net.rtnl, ifindex);
  const v4 = { ifindex, family: 4, address: '10.1.2.3', prefixLen: 24, scope: 0, usable: true };
  t.deepEqual(listed[0], v4 as (typeof listed)[number]);
  t.like(
    listed.find(({ address }) => address === '2001:db8::5'),
    { prefixLen: 128, usable: true },
  );
  const [shown] = ns.json(['ip', '-j', 'addr', 'show', 'va']) as {
    addr_info: { local: string; prefixlen: number }[];
  }[];
  t.deepEqual(
    shown?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort(),
    listed.map(({ address, prefixLen }) => `${address}/${prefixLen}`).sort(),
  );
  t.throws(() => addAddress(net.rtnl, ifindex, '10.1.2.3/24'), { code: 'EEXIST' });
  deleteAddress(net.rtnl, ifindex, '10.1.2.3/24');
  deleteAddress(net.rtnl, ifindex, '2001:db8::5/128');
  t.throws(() => deleteAddress(net.rtnl, ifindex, '10.1.2.3/24'), { code: 'EADDRNOTAVAIL' });
  t.true(listAddresses(net.rtnl, ifindex).every(({ scope }) => scope === Scope.LINK));
  net.close();
});

labTest('neighbour: permanent and proxy entries are what ip(8) shows', (t, lab) => {
  const ns = lab.namespace('node');
  lab.connect({ ns, ifname: 'va' }, { ns, ifname: 'vb' });
  const net = netnsAt(ns.path);
  const { rtnl } = net;
  const ifindex = findLink(rtnl, 'va')?.ifindex ?? 0;
  for (const address of ['169.254.1.1', 'fe80::1']) {
    replaceNeighbour(rtnl, { ifindex, address, mac: MAC_B });
    replaceNeighbour(rtnl, { ifindex, address, mac: MAC_A });
  }
  replaceNeighbour(rtnl, { ifindex, address: '2001:db8::7' });
  const shown = ns.json(['ip', '-j', 'neigh', 'show', 'dev', 'va', 'nud', 'permanent']) as object[];
  t.like(shown[0], { dst: '169.254.1.1', lladdr: MAC_A });
  const entries = listNeighbours(rtnl, { ifindex }).filter(({ permanent }) => permanent);
  t.deepEqual(
    entries.map(({ address, mac }) => [address, mac]),
    [
      ['169.254.1.1', MAC_A],
      ['fe80::1', MAC_A],
    ],
  );
  const [proxy, ...more] = listNeighbours(rtnl, { proxy: true });
  t.deepEqual(more, []);
  t.like(proxy, { ifindex, address: '2001:db8::7', proxy: true });
  deleteNeighbour(rtnl, { ifindex, address: '169.254.1.1', mac: MAC_A });
  deleteNeighbour(rtnl, { ifindex, address: '2001:db8::7' });
  t.deepEqual(listNeighbours(rtnl, { proxy: true }), []);
  net.close();
});
