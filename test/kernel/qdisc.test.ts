import test from 'ava';
import { type Netns, netnsAt } from '../../src/kernel/netns.js';
import { type Link, findLink } from '../../src/kernel/link.js';
import { checkRateLimit, limitRate, listQdiscs, shapedLinks } from '../../src/kernel/qdisc.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';

interface Shown {
  readonly kind: string;
  readonly handle: string;
  readonly root?: boolean;
  readonly options: { readonly rate?: number; readonly burst?: number; readonly lat?: number };
}

interface Cable {
  readonly ns: Namespace;
  readonly net: Netns;
  readonly link: Link;
  root(): Shown | undefined;
}

/** A veth, of whose end `va` the root discipline is asked. */
function cable(lab: Lab): Cable {
  const ns = lab.namespace('node');
  lab.connect({ ns, ifname: 'va' }, { ns, ifname: 'vb' });
  const net = netnsAt(ns.path);
  const link = findLink(net.rtnl, 'va');
  if (link === undefined) throw new Error('no link');
  const root = (): Shown | undefined => {
    const all = ns.json(['tc', '-j', 'qdisc', 'show', 'dev', 'va']) as Shown[];
    return all.find((each) => each.root === true);
  };
  return { ns, net, link, root };
}

labTest(
  'qdisc: a limit is the token bucket that tc(8) shows, and is changed in place',
  (t, lab) => {
    const { net, link, root } = cable(lab);
    limitRate(net.rtnl, link, { rate: 10_000_000, burst: 800_000 });
    const first = root();
    t.is(first?.kind, 'tbf');
    t.like(first?.options, { rate: 1_250_000, burst: 100_000 }, 'bytes');
    t.true(Math.abs((first?.options.lat ?? 0) - 25_000) <= 1, 'microseconds');
    limitRate(net.rtnl, link, { rate: 20_000_000, burst: 800_000 });
    t.like(root(), { kind: 'tbf', handle: first?.handle, options: { rate: 2_500_000 } });
    const [listed] = listQdiscs(net.rtnl).filter(({ kind }) => kind === 'tbf');
    t.like(listed, { ifindex: link.ifindex, isRoot: true });
    t.is(listed?.limit?.rate, 20_000_000);
    t.true(Math.abs((listed?.limit?.burst ?? 0) - 800_000) < 8000);
    net.close();
  },
);

labTest('qdisc: rates beyond 32 bits arrive', (t, lab) => {
  const { net, link, root } = cable(lab);
  const rate = 80_000_000_000;
  limitRate(net.rtnl, link, { rate, burst: 2 ** 33 });
  t.is(root()?.options.rate, rate / 8);
  t.is(listQdiscs(net.rtnl).find(({ kind }) => kind === 'tbf')?.limit?.rate, rate);
  net.close();
});

labTest(
  'qdisc: a limit replaces whatever is at the root, which counts as one too [cni 75]',
  (t, lab) => {
    const { ns, net, link, root } = cable(lab);
    t.false(shapedLinks(net.rtnl).has(link.ifindex), 'noqueue');
    ns.run(['tc', 'qdisc', 'add', 'dev', 'va', 'ingress']);
    t.false(shapedLinks(net.rtnl).has(link.ifindex), 'what comes in is another matter');
    ns.run(['tc', 'qdisc', 'add', 'dev', 'va', 'root', 'handle', '7:', 'htb']);
    t.true(shapedLinks(net.rtnl).has(link.ifindex));
    limitRate(net.rtnl, link, { rate: 10_000_000, burst: 800_000 });
    t.is(root()?.kind, 'tbf', 'gives way');
    ns.run(['tc', 'qdisc', 'delete', 'dev', 'va', 'root']);
    t.false(shapedLinks(net.rtnl).has(link.ifindex));
    net.close();
  },
);

labTest('qdisc: a burst below one packet is one packet, or nothing would pass', (t, lab) => {
  const { net, link, root } = cable(lab);
  limitRate(net.rtnl, link, { rate: 1000, burst: 8 });
  t.is(root()?.options.burst, link.mtu + 14);
  net.close();
});

test('qdisc: a burst of 4 GB or more is refused, and so is no rate at all [cni 75]', (t) => {
  const limit = (rate: number, burst: number) => () => {
    checkRateLimit({ rate, burst });
  };
  t.notThrows(limit(1_000_000, (2 ** 32 - 2) * 8));
  t.throws(limit(1_000_000, (2 ** 32 - 1) * 8), { code: 'ERR_RATE', message: /less than 4 GB/ });
  t.throws(limit(0, 8000), { code: 'ERR_RATE', message: /rate 0/ });
  t.throws(limit(8000, 0), { code: 'ERR_RATE', message: /burst 0/ });
  t.throws(limit(8000, 1.5), { code: 'ERR_RATE' });
});
