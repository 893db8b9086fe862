import { createHash } from 'node:crypto';
import test from 'ava';
import { type Netns, netnsAt } from '../../src/kernel/netns.js';
import {
  ensurePodLink,
  listPodLinks,
  podLinkName,
  removePodLink,
} from '../../src/kernel/pod-link.js';
import { GATEWAY_MAC, podMac } from '../../src/model/pod-mac.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';

const MTU = 1450;

interface Node {
  readonly ns: Namespace;
  readonly net: Netns;
}

function node(lab: Lab): Node {
  const ns = lab.namespace('node');
  return { ns, net: netnsAt(ns.path) };
}

/** A pod `name` with the addresses 10.1.0.<n> and fd00:1::<n>. */
function pod(lab: Lab, name: string, n: number) {
  const ns = lab.namespace(name);
  const ips = [`10.1.0.${n}`, `fd00:1::${n}`];
  const key = { namespace: 'default', name };
  const link = { hostIfname: podLinkName(key), mac: podMac(key), ifname: 'eth0' };
  return { ns, key, spec: { ...link, netns: ns.path, ips, mtu: MTU } };
}

function stateOf(ns: Namespace): string {
  const shown = [
    ['ip', '-j', '-d', 'link'],
    ['ip', '-j', 'address'],
    ['ip', '-j', 'route'],
    ['ip', '-j', '-6', 'route'],
    ['ip', '-j', 'neigh', 'show', 'nud', 'permanent'],
  ] as const;
  const text = shown.map((command) => ns.run(command)).join('\n');
  // Reported up to a second late (linkwatch).
  return text.replaceAll('"NO-CARRIER",', '').replaceAll(/"operstate":"\w+",/g, '');
}

function pings(from: Namespace, to: string): boolean {
  return from.tryRun(['ping', '-c', '2', '-i', '0.05', '-W', '2', to]).status === 0;
}

test('pod link: name and MAC follow from the pod alone', (t) => {
  const key = { namespace: 'kube-system', name: 'dns-0' };
  const hash = createHash('sha256').update('kube-system/dns-0').digest('hex');
  t.is(podLinkName(key), `slc${hash.slice(0, 11)}`);
  t.is(podLinkName(key).length, 14);
  t.regex(podMac(key), /^0a(:[0-9a-f]{2}){5}$/);
  t.not(podMac(key), podMac({ ...key, name: 'dns-1' }));
  t.is(GATEWAY_MAC, '02:53:00:00:00:01');
});

labTest('pod link: a pod takes packets from XDP where an uplink hands them over so', (t, lab) => {
  const { net } = node(lab);
  const { ns, spec } = pod(lab, 'a', 1);
  const gro = (): string => ns.run(['ethtool', '-k', 'eth0']);
  ensurePodLink(net, spec);
  t.regex(gro(), /generic-receive-offload: off/);
  ensurePodLink(net, { ...spec, fromXdp: true });
  t.regex(gro(), /generic-receive-offload: on/);
  net.close();
});

labTest('pod link: both ends are as the model says', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  const link = ensurePodLink(net, a.spec);
  t.like(link, { mtu: MTU, ownMac: GATEWAY_MAC, podMac: podMac(a.key), adopted: false });
  t.is(link.name, podLinkName(a.key));
  const [host] = ns.json(['ip', '-j', '-d', 'address', 'show', link.name]) as {
    ifindex: number;
    address: string;
    mtu: number;
    addr_info: { local: string; prefixlen: number; nodad?: boolean }[];
  }[];
  t.like(host, { ifindex: link.ifindex, address: GATEWAY_MAC, mtu: MTU });
  t.is(host?.addr_info.length, 1);
  t.like(host?.addr_info[0], { local: 'fe80::1', prefixlen: 64, nodad: true });
  const [eth0] = a.ns.json(['ip', '-j', 'address', 'show', 'eth0']) as NonNullable<typeof host>[];
  t.like(eth0, { address: link.podMac, mtu: MTU });
  const addresses = eth0?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`) ?? [];
  t.deepEqual(addresses.slice(0, 2), ['10.1.0.2/32', 'fd00:1::2/128']);
  t.regex(addresses[2] ?? '', /^fe80::/);
  t.false(a.ns.run(['ip', 'address']).includes('tentative'), 'usable at once');
  t.regex(a.ns.run(['ip', 'link', 'show', 'lo']), /LOOPBACK,UP/);
  t.regex(a.ns.run(['ip', 'route']), /default via 169\.254\.1\.1 dev eth0/);
  t.regex(a.ns.run(['ip', 'route']), /169\.254\.1\.1 dev eth0 .*scope link/);
  t.regex(a.ns.run(['ip', '-6', 'route']), /default via fe80::1 dev eth0/);
  t.regex(ns.run(['ip', 'route']), new RegExp(`10\\.1\\.0\\.2 dev ${link.name} .*scope link`));
  t.regex(ns.run(['ip', '-6', 'route']), new RegExp(`fd00:1::2 dev ${link.name}`));
  for (const [key, value] of [
    [`ipv4/conf/${link.name}/proxy_arp`, '1'],
    [`ipv4/neigh/${link.name}/proxy_delay`, '0'],
    [`ipv4/conf/${link.name}/rp_filter`, '0'],
    [`ipv4/ip_forward`, '1'],
    [`ipv6/conf/${link.name}/accept_ra`, '0'],
    [`ipv6/conf/${link.name}/forwarding`, '1'],
  ]) {
    t.is(net.sysctl.read(`net/${key}`), value, key);
  }
  t.is(a.ns.run(['cat', '/proc/sys/net/ipv6/conf/eth0/accept_ra']).trim(), '0');
  net.close();
});

labTest('pod link: two pods, and the node, reach each other with no agent at all', (t, lab) => {
  const { ns, net } = node(lab);
  const [a, b] = [pod(lab, 'a', 2), pod(lab, 'b', 3)];
  ensurePodLink(net, a.spec);
  ensurePodLink(net, b.spec);
  ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  for (const address of b.spec.ips) {
    t.true(pings(a.ns, address), `pod to pod ${address}`);
    t.true(pings(ns, address), `node to pod ${address}`);
  }
  t.true(pings(a.ns, '192.0.2.1'), 'pod to node');
  net.close();
});

labTest('pod link: a pod that forgot the gateway gets it by ARP and NDP', (t, lab) => {
  const { ns, net } = node(lab);
  lab.connect({ ns, ifname: 'up0', addresses: ['192.0.2.1/24'] }, { ns, ifname: 'up1' });
  // Proxy ARP answers for what the node itself routes to another link.
  ns.run(['ip', 'route', 'add', 'default', 'via', '192.0.2.2']);
  const [a, b] = [pod(lab, 'a', 2), pod(lab, 'b', 3)];
  ensurePodLink(net, a.spec);
  ensurePodLink(net, b.spec);
  a.ns.run(['ip', 'neigh', 'flush', 'dev', 'eth0', 'nud', 'permanent']);
  for (const address of b.spec.ips) t.true(pings(a.ns, address), address);
  const learnt = a.ns.json(['ip', '-j', 'neigh']) as { dst: string; lladdr: string }[];
  t.deepEqual(learnt.map(({ dst, lladdr }) => `${dst} ${lladdr}`).sort(), [
    `169.254.1.1 ${GATEWAY_MAC}`,
    `fe80::1 ${GATEWAY_MAC}`,
  ]);
  net.close();
});

labTest('pod link: a restart adopts it and changes nothing', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  const first = ensurePodLink(net, a.spec);
  const before = stateOf(ns) + stateOf(a.ns);
  const spelling = { ...a.spec, ips: ['10.1.0.2/32', 'fd00:1:0::2'] };
  t.deepEqual(ensurePodLink(net, spelling), { ...first, adopted: true });
  t.is(stateOf(ns) + stateOf(a.ns), before);
  const resized = ensurePodLink(net, { ...a.spec, mtu: 1400 });
  t.like(resized, { ifindex: first.ifindex, adopted: true, mtu: 1400 });
  t.regex(a.ns.run(['ip', 'link', 'show', 'eth0']), /mtu 1400/);
  net.close();
});

labTest('pod link: what was broken on an adopted link is mended', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  const { name } = ensurePodLink(net, a.spec);
  const before = stateOf(ns) + stateOf(a.ns);
  a.ns.run(['ip', 'route', 'delete', 'default']);
  a.ns.run(['ip', 'address', 'delete', '10.1.0.2/32', 'dev', 'eth0']);
  ns.run(['ip', 'route', 'delete', '10.1.0.2/32']);
  ns.run(['ip', 'neigh', 'delete', '10.1.0.2', 'dev', name]);
  t.true(ensurePodLink(net, a.spec).adopted);
  const sorted = (text: string): string[] => text.split(/[,\n]/).sort();
  t.deepEqual(sorted(stateOf(ns) + stateOf(a.ns)), sorted(before));
  net.close();
});

labTest(
  'pod link: a stale link of its name is replaced, an address of an earlier life too',
  (t, lab) => {
    const { ns, net } = node(lab);
    const a = pod(lab, 'a', 2);
    const name = podLinkName(a.key);
    lab.connect({ ns, ifname: name }, { ns, ifname: 'stale' });
    const first = ensurePodLink(net, a.spec);
    t.false(first.adopted);
    t.is(ns.tryRun(['ip', 'link', 'show', 'stale']).status, 1);
    const moved = ensurePodLink(net, { ...a.spec, ips: ['10.1.0.9'] });
    t.false(moved.adopted);
    t.notRegex(a.ns.run(['ip', 'address']), /10\.1\.0\.2/);
    t.notRegex(ns.run(['ip', 'route']), /10\.1\.0\.2/);
    net.close();
  },
);

labTest('pod link: an address moves to the pod that has it now', (t, lab) => {
  const { ns, net } = node(lab);
  const [old, young] = [pod(lab, 'old', 2), pod(lab, 'young', 2)];
  ensurePodLink(net, old.spec);
  t.throws(() => ensurePodLink(net, young.spec), { code: 'ERR_ADDRESS_TAKEN' });
  const { name } = ensurePodLink(net, { ...young.spec, takesAddress: true });
  t.regex(ns.run(['ip', 'route', 'get', '10.1.0.2']), new RegExp(name));
  t.regex(ns.run(['ip', 'route', 'get', 'fd00:1::2']), new RegExp(name));
  net.close();
});

labTest('pod link: removal leaves nothing, also when the namespace went first', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  const before = stateOf(ns);
  const podBefore = a.ns.run(['ip', '-j', 'link']);
  const { name } = ensurePodLink(net, a.spec);
  t.deepEqual(
    listPodLinks(net).map((link) => link.name),
    [name],
  );
  t.true(removePodLink(net, name));
  t.is(stateOf(ns), before);
  t.is(a.ns.run(['ip', '-j', 'link']), podBefore);
  t.false(removePodLink(net, name), 'a second removal finds nothing');
  ensurePodLink(net, a.spec);
  ns.run(['ip', 'netns', 'delete', a.ns.name]);
  const gone = ns.tryRun(['timeout', '5', 'sh', '-c', `while ip link show ${name}; do :; done`]);
  t.is(gone.status, 0, 'the far end goes with the namespace');
  t.false(removePodLink(net, name));
  net.close();
});

labTest('pod link: when its making fails half-way nothing is left', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  // The operator routes the address elsewhere: not ours to take.
  ns.run(['ip', 'route', 'add', '10.1.0.2/32', 'dev', 'lo']);
  const links = [ns, a.ns].map((each) => each.run(['ip', '-j', 'link']));
  t.throws(() => ensurePodLink(net, a.spec), {
    code: 'ERR_ADDRESS_TAKEN',
    message: /10\.1\.0\.2\/32/,
  });
  t.deepEqual(
    [ns, a.ns].map((each) => each.run(['ip', '-j', 'link'])),
    links,
  );
  t.regex(ns.run(['ip', 'route']), /10\.1\.0\.2 dev lo/);
  net.close();
});

labTest('pod link: an interface of the pod that is not ours is left alone', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  a.ns.run(['ip', 'link', 'add', 'eth0', 'type', 'bridge']);
  t.throws(() => ensurePodLink(net, a.spec), {
    code: 'ERR_IFNAME_TAKEN',
    message: /interface eth0/,
  });
  t.regex(a.ns.run(['ip', '-d', 'link', 'show', 'eth0']), /bridge/);
  t.deepEqual(listPodLinks(net), []);
  const link = ensurePodLink(net, { ...a.spec, ifname: 'net1', hostIfname: 'slcmine' });
  t.is(link.name, 'slcmine');
  t.regex(a.ns.run(['ip', 'address', 'show', 'net1']), /10\.1\.0\.2/);
  t.regex(ns.run(['ip', 'route']), /10\.1\.0\.2 dev slcmine/);
  net.close();
});

labTest('pod link: bad places and names are refused before anything is made', (t, lab) => {
  const { ns, net } = node(lab);
  const a = pod(lab, 'a', 2);
  const links = ns.run(['ip', '-j', 'link']);
  const attempt = (change: object) => () => ensurePodLink(net, { ...a.spec, ...change });
  t.throws(attempt({ netns: ns.path }), { code: 'ERR_KERNEL', message: /own network namespace/ });
  t.throws(attempt({ netns: '/var/run/netns/gone' }), { code: 'ENOENT', message: /gone/ });
  t.throws(attempt({ ifname: 'sixteen-letters-' }), { code: 'ERR_KERNEL', message: /sixteen/ });
  t.throws(attempt({ ifname: 'a/b' }), { code: 'ERR_KERNEL' });
  t.throws(attempt({ ips: ['10.1.0.300'] }), { code: 'ERR_ADDRESS', message: /10\.1\.0\.300/ });
  t.is(ns.run(['ip', '-j', 'link']), links);
  net.close();
});

labTest(
  'pod link: IPv6 that the runtime switched off is switched on, and not without need',
  (t, lab) => {
    const { net } = node(lab);
    const [a, b] = [pod(lab, 'a', 2), pod(lab, 'b', 3)];
    for (const { ns } of [a, b]) {
      ns.run([
        'sysctl',
        '-qw',
        'net.ipv6.conf.all.disable_ipv6=1',
        'net.ipv6.conf.default.disable_ipv6=1',
      ]);
    }
    ensurePodLink(net, a.spec);
    t.regex(a.ns.run(['ip', 'address', 'show', 'eth0']), /fd00:1::2\/128/);
    ensurePodLink(net, { ...b.spec, ips: ['10.1.0.3'] });
    t.deepEqual(b.ns.json(['ip', '-j', '-6', 'address', 'show', 'eth0']), []);
    t.true(pings(a.ns, '10.1.0.3'));
    net.close();
  },
);
