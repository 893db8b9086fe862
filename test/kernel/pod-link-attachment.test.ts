import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { type Netns, netnsAt } from '../../src/kernel/netns.js';
import { checkPodLink } from '../../src/kernel/pod-check.js';
import {
  type PodLinkSpec,
  attachmentLinkName,
  attachmentMac,
  ensurePodLink,
  listPodLinks,
} from '../../src/kernel/pod-link.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';

interface Container {
  readonly ns: Namespace;
  readonly spec: PodLinkSpec;
}

function node(lab: Lab): { ns: Namespace; net: Netns } {
  const ns = lab.namespace('node');
  ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  return { ns, net: netnsAt(ns.path) };
}

/** An attachment of network `n` with the addresses 10.1.0.<n> and fd00:1::<n>. */
function container(lab: Lab, containerId: string, n: number): Container {
  const ns = lab.namespace(containerId);
  return { ns, spec: specOf(ns, containerId, n) };
}

function specOf(ns: Namespace, containerId: string, n: number): PodLinkSpec {
  const name = { network: 'n', containerId, ifname: 'eth0' };
  return {
    netns: ns.path,
    ifname: 'eth0',
    hostIfname: attachmentLinkName(name),
    mac: attachmentMac(name),
    ips: [`10.1.0.${n}`, `fd00:1::${n}`],
    mtu: 1450,
  };
}

function linksOf(...all: readonly Namespace[]): string {
  const shown = [
    ['ip', '-o', 'link'],
    ['ip', '-o', 'address'],
    ['ip', 'route', 'show', 'table', 'all'],
    ['ip', '-6', 'route', 'show', 'table', 'all'],
  ] as const;
  const text = all.flatMap((ns) => shown.map((command) => ns.run(command))).join('\n');
  return text.replaceAll(/(valid_lft|NO-CARRIER,|state \w+)[^\n]*/g, '');
}

function throwsAndLeavesNothing(
  t: ExecutionContext,
  net: Netns,
  spec: PodLinkSpec,
  expected: { code: string; message: RegExp },
  ...all: readonly Namespace[]
): void {
  const before = linksOf(...all);
  t.throws(() => ensurePodLink(net, spec), expected);
  t.is(linksOf(...all), before);
}

test('pod link: name and MAC of an attachment follow from network, container and interface', (t) => {
  const name = { network: 'n', containerId: 'c1', ifname: 'eth0' };
  const hash = createHash('sha256').update('n/c1/eth0').digest('hex');
  t.is(attachmentLinkName(name), `slc${hash.slice(0, 11)}`);
  t.regex(attachmentMac(name), /^0a(:[0-9a-f]{2}){5}$/);
  const others = [{ network: 'm' }, { containerId: 'c2' }, { ifname: 'net1' }];
  const names = others.map((change) => attachmentLinkName({ ...name, ...change }));
  t.is(new Set([attachmentLinkName(name), ...names]).size, 4, 'a new container has a new link');
});

labTest(
  'pod link: an interface of that name that is not its own is an error, and nothing is made [cni 24]',
  (t, lab) => {
    const { ns, net } = node(lab);
    const a = container(lab, 'a', 2);
    lab.connect({ ns: a.ns, ifname: 'eth0' }, { ns, ifname: 'other' });
    // Looking at a link has the kernel notice its carrier, and then it gets an address.
    ns.run(['ip', 'link', 'show', 'other']);
    const expected = { code: 'ERR_IFNAME_TAKEN', message: /interface eth0/ };
    throwsAndLeavesNothing(t, net, a.spec, expected, ns, a.ns);
    net.close();
  },
);

labTest(
  'pod link: both addresses and both default routes are there, and go with it [cni 27]',
  (t, lab) => {
    const { ns, net } = node(lab);
    const a = container(lab, 'a', 2);
    const empty = linksOf(ns, a.ns);
    ensurePodLink(net, a.spec);
    const address = a.ns.run(['ip', 'address', 'show', 'eth0']);
    t.regex(address, /inet 10\.1\.0\.2\/32/);
    t.regex(address, /inet6 fd00:1::2\/128/);
    t.regex(a.ns.run(['ip', 'route']), /default via 169\.254\.1\.1 dev eth0/);
    t.regex(a.ns.run(['ip', '-6', 'route']), /default via fe80::1 dev eth0/);
    ns.run(['ip', 'link', 'delete', a.spec.hostIfname]);
    t.is(linksOf(ns, a.ns), empty);
    net.close();
  },
);

labTest('pod link: its IPv6 address outlives the link being down [cni 32]', (t, lab) => {
  const { net } = node(lab);
  const a = container(lab, 'a', 2);
  ensurePodLink(net, a.spec);
  t.notRegex(a.ns.run(['ip', '-6', 'address']), /tentative/, 'usable at once');
  a.ns.run(['ip', 'link', 'set', 'eth0', 'down']);
  a.ns.run(['ip', 'link', 'set', 'eth0', 'up']);
  t.regex(a.ns.run(['ip', '-6', 'address', 'show', 'eth0']), /fd00:1::2\/128 scope global/);
  t.notRegex(a.ns.run(['ip', '-6', 'address']), /tentative/);
  net.close();
});

labTest(
  'pod link: a stale link of its name on the host is replaced, and works [cni 41]',
  (t, lab) => {
    const { ns, net } = node(lab);
    const [old, a] = [container(lab, 'old', 9), container(lab, 'a', 2)];
    lab.connect({ ns, ifname: a.spec.hostIfname }, { ns: old.ns, ifname: 'eth0' });
    t.false(ensurePodLink(net, a.spec).adopted);
    t.is(old.ns.tryRun(['ip', 'link', 'show', 'eth0']).status, 1);
    for (const ip of a.spec.ips) t.is(ns.tryRun(['ping', '-c', '1', '-W', '2', ip]).status, 0, ip);
    net.close();
  },
);

labTest('pod link: a MAC address that was wished for is the pod`s [cni 45]', (t, lab) => {
  const { ns, net } = node(lab);
  const a = container(lab, 'a', 2);
  const mac = 'c2:11:22:33:44:55';
  t.is(ensurePodLink(net, { ...a.spec, mac }).podMac, mac);
  t.regex(a.ns.run(['ip', 'link', 'show', 'eth0']), new RegExp(mac));
  t.regex(ns.run(['ip', 'neigh', 'show', '10.1.0.2']), new RegExp(mac));
  t.throws(() => ensurePodLink(net, { ...a.spec, mac: 'c2:11' }), { code: 'ERR_ADDRESS' });
  t.is(checkPodLink(net, { ...a.spec, mac }), undefined);
  net.close();
});

labTest(
  'pod link: a late removal of an old container spares the new one`s link [cni 47]',
  (t, lab) => {
    const { ns, net } = node(lab);
    const old = container(lab, 'old', 2);
    ensurePodLink(net, old.spec);
    ns.run(['ip', 'link', 'delete', old.spec.hostIfname]);
    const young = specOf(old.ns, 'young', 2);
    ensurePodLink(net, young);
    t.is(ns.tryRun(['ip', 'link', 'delete', old.spec.hostIfname]).status, 1);
    t.is(checkPodLink(net, young), undefined);
    net.close();
  },
);

labTest(
  'pod link: a route to its address by its own link is fine, by another an error [cni 49]',
  (t, lab) => {
    const { ns, net } = node(lab);
    const [a, b] = [container(lab, 'a', 2), container(lab, 'b', 3)];
    ensurePodLink(net, a.spec);
    t.true(ensurePodLink(net, a.spec).adopted, 'its own');
    const taken = { code: 'ERR_ADDRESS_TAKEN', message: /10\.1\.0\.2\/32|fd00:1::3\/128/ };
    const stolen = { ...b.spec, ips: a.spec.ips };
    throwsAndLeavesNothing(t, net, stolen, taken, ns, b.ns);
    // More urgent than the one that Sluice would make: the kernel would not refuse that.
    ns.run(['ip', '-6', 'route', 'add', 'fd00:1::3/128', 'dev', a.spec.hostIfname, 'metric', '9']);
    throwsAndLeavesNothing(t, net, b.spec, taken, ns, b.ns);
    ns.run(['ip', '-6', 'route', 'delete', 'fd00:1::3/128']);
    ns.run(['ip', 'address', 'add', '10.1.0.3/32', 'dev', 'lo']);
    const own = { code: 'ERR_ADDRESS_TAKEN', message: /10\.1\.0\.3\/32/ };
    throwsAndLeavesNothing(t, net, b.spec, own, ns, b.ns);
    t.is(listPodLinks(net).length, 1);
    net.close();
  },
);

labTest('pod link: routes beside the default ones lead by the gateway too', (t, lab) => {
  const { net } = node(lab);
  const a = container(lab, 'a', 2);
  const routes = [
    { dst: '10.9.0.0/16', mtu: 1400, advmss: 1300, metric: 7 },
    { dst: '10.8.0.0/16', table: 100 },
    { dst: 'fd00:9::/32' },
  ];
  ensurePodLink(net, { ...a.spec, routes });
  const shown = a.ns.run(['ip', 'route', 'show', 'table', 'all']);
  t.regex(shown, /10\.9\.0\.0\/16 via 169\.254\.1\.1 dev eth0 .*metric 7 mtu 1400 advmss 1300/);
  t.regex(shown, /10\.8\.0\.0\/16 via 169\.254\.1\.1 dev eth0 table 100/);
  t.regex(a.ns.run(['ip', '-6', 'route']), /fd00:9::\/32 via fe80::1 dev eth0/);
  t.is(checkPodLink(net, { ...a.spec, routes }), undefined);
  a.ns.run(['ip', 'route', 'delete', '10.8.0.0/16', 'table', '100']);
  t.regex(checkPodLink(net, { ...a.spec, routes }) ?? '', /no route 10\.8\.0\.0\/16/);
  net.close();
});

labTest('pod link: what is missing or different is said in one sentence', (t, lab) => {
  const { ns, net } = node(lab);
  const a = container(lab, 'a', 2);
  t.regex(checkPodLink(net, a.spec) ?? '', /no interface eth0/);
  t.regex(checkPodLink(net, { ...a.spec, netns: '/run/gone' }) ?? '', /\/run\/gone is not there/);
  ensurePodLink(net, a.spec);
  a.ns.run(['ip', 'address', 'add', '10.77.0.1/24', 'dev', 'eth0']);
  t.is(checkPodLink(net, a.spec), undefined, 'what others add is theirs');
  const host = a.spec.hostIfname;
  const damages: readonly (readonly [Namespace, string, string, RegExp])[] = [
    [a.ns, 'link set eth0 mtu 1500', 'link set eth0 mtu 1450', /MTU 1500, expected at most 1450/],
    [ns, `link set ${host} mtu 1300`, `link set ${host} mtu 1450`, /MTU 1300, expected 1450/],
    [a.ns, 'link set eth0 address 0a:0:0:0:0:1', `link set eth0 address ${a.spec.mac}`, /MAC/],
    [ns, 'route delete 10.1.0.2', `route add 10.1.0.2 dev ${host}`, /no route 10\.1\.0\.2\/32/],
    [a.ns, 'route delete default', 'route add default via 169.254.1.1', /no route 0\.0\.0\.0\/0/],
    [ns, `link set ${host} down`, `link set ${host} up`, /is down/],
  ];
  for (const [where, harm, repair, expected] of damages) {
    where.run(['ip', ...harm.split(' ')]);
    t.regex(checkPodLink(net, a.spec) ?? '', expected, harm);
    where.run(['ip', ...repair.split(' ')]);
  }
  ensurePodLink(net, a.spec);
  for (const address of ['10.1.0.2/32', 'fd00:1::2/128']) {
    a.ns.run(['ip', 'address', 'delete', address, 'dev', 'eth0']);
    t.regex(checkPodLink(net, a.spec) ?? '', new RegExp(`no address ${address}`));
    ensurePodLink(net, a.spec);
  }
  t.is(checkPodLink(net, a.spec), undefined);
  net.close();
});

labTest(
  'pod link: an MTU that a later plugin has lowered is its own affair, and stays',
  (t, lab) => {
    const { ns, net } = node(lab);
    const a = container(lab, 'a', 2);
    const mtus = (): string[] =>
      [
        a.ns.run(['ip', 'link', 'show', 'eth0']),
        ns.run(['ip', 'link', 'show', a.spec.hostIfname]),
      ].map((shown) => /mtu (\d+)/.exec(shown)?.[1] ?? '');
    ensurePodLink(net, a.spec);
    a.ns.run(['ip', 'link', 'set', 'eth0', 'mtu', '1300']);
    t.is(checkPodLink(net, a.spec), undefined);
    t.true(ensurePodLink(net, a.spec).adopted);
    t.deepEqual(mtus(), ['1300', '1450']);
    ensurePodLink(net, { ...a.spec, mtu: 1280 });
    t.deepEqual(mtus(), ['1280', '1280'], 'never above what there is room for');
    ensurePodLink(net, a.spec);
    t.deepEqual(mtus(), ['1450', '1450'], 'what nobody has lowered grows again');
    net.close();
  },
);
