import {
  AddrGenMode,
  createVeth,
  deleteLink,
  findLink,
  listLinks,
  setLink,
} from '../../src/kernel/link.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { labTest } from '../support/netns.js';

const MAC_A = '0a:00:00:00:00:0a';
const MAC_B = '0a:00:00:00:00:0b';

interface IpLink {
  ifindex: number;
  ifname: string;
  address: string;
  mtu: number;
  flags: string[];
  linkinfo?: { info_kind: string };
}

labTest('link: a veth between two namespaces is what ip(8) shows', (t, lab) => {
  const [left, right] = [lab.namespace('left'), lab.namespace('right')];
  const [a, b] = [netnsAt(left.path), netnsAt(right.path)];
  createVeth(a.rtnl, {
    name: 'va',
    mac: MAC_A,
    mtu: 1400,
    queues: 3,
    peer: { name: 'eth0', mac: MAC_B, netnsFd: b.fd },
  });
  const near = findLink(a.rtnl, 'va');
  const far = findLink(b.rtnl, 'eth0');
  t.like(near, { mac: MAC_A, mtu: 1400, kind: 'veth', up: false, txQueues: 3, rxQueues: 3 });
  t.like(far, { mac: MAC_B, mtu: 1400, lowerIfindex: near?.ifindex, lowerElsewhere: true });
  t.is(near?.lowerIfindex, far?.ifindex);
  const [shown] = left.json(['ip', '-j', '-d', 'link', 'show', 'va']) as IpLink[];
  t.is(shown?.ifindex, near?.ifindex);
  t.is(shown?.address, MAC_A);
  t.is(shown?.linkinfo?.info_kind, 'veth');
  const names = (left.json(['ip', '-j', 'link']) as IpLink[]).map(({ ifname }) => ifname);
  t.deepEqual(
    listLinks(a.rtnl)
      .map(({ name }) => name)
      .sort(),
    names.sort(),
  );
  const taken = { name: 'va', mac: MAC_A, mtu: 1400, peer: { name: 'vb', mac: MAC_B } };
  t.throws(() => createVeth(a.rtnl, taken), { code: 'EEXIST', message: /^create veth va/ });
  a.close();
  b.close();
});

labTest('link: every change arrives, and what is gone is reported gone', (t, lab) => {
  const [here, there] = [lab.namespace('here'), lab.namespace('there')];
  const [net, other] = [netnsAt(here.path), netnsAt(there.path)];
  const { rtnl } = net;
  createVeth(rtnl, { name: 'va', mac: MAC_A, mtu: 1400, peer: { name: 'vb', mac: MAC_B } });
  const ifindex = findLink(rtnl, 'va')?.ifindex ?? 0;
  setLink(rtnl, ifindex, {
    name: 'vc',
    mtu: 1300,
    mac: '0a:00:00:00:00:0c',
    noArp: true,
    addrGenMode: AddrGenMode.NONE,
    gsoMaxSegs: 1,
  });
  setLink(rtnl, ifindex, { up: true });
  setLink(rtnl, findLink(rtnl, 'vb')?.ifindex ?? 0, { up: true });
  const [shown] = here.json(['ip', '-j', '-d', 'link', 'show', 'vc']) as (IpLink & {
    inet6_addr_gen_mode: string;
    gso_max_segs: number;
  })[];
  t.like(shown, { mtu: 1300, address: '0a:00:00:00:00:0c', inet6_addr_gen_mode: 'none' });
  t.is(shown?.gso_max_segs, 1);
  t.true(shown?.flags.includes('NOARP'));
  t.like(findLink(rtnl, ifindex), { name: 'vc', up: true, carrier: true, noArp: true });
  t.deepEqual(here.json(['ip', '-j', '-6', 'addr', 'show', 'vc']), []);
  setLink(rtnl, ifindex, { noArp: false, up: false });
  t.like(findLink(rtnl, ifindex), { up: false, noArp: false });
  setLink(rtnl, ifindex, { netnsFd: other.fd });
  t.is(findLink(rtnl, 'vc'), undefined);
  t.is(findLink(other.rtnl, 'vc')?.mac, '0a:00:00:00:00:0c');
  deleteLink(rtnl, findLink(rtnl, 'vb')?.ifindex ?? 0);
  t.is(findLink(other.rtnl, 'vc'), undefined);
  t.throws(() => setLink(rtnl, 4711, { up: true }), { code: 'ENODEV', message: /set link 4711/ });
  net.close();
  other.close();
});
