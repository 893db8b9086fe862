import { Scope } from '../../src/kernel/address.js';
import { findLink } from '../../src/kernel/link.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { addRoute, deleteRoute, listRoutes, replaceRoute } from '../../src/kernel/route.js';
import { labTest } from '../support/netns.js';

interface IpRoute {
  dst: string;
  gateway?: string;
  dev: string;
  protocol: string;
  scope?: string;
  prefsrc?: string;
  flags: string[];
}

labTest('route: every kind is what ip(8) shows, and goes again', (t, lab) => {
  const ns = lab.namespace('node');
  lab.connect(
    { ns, ifname: 'va', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
    { ns, ifname: 'vb' },
  );
  const net = netnsAt(ns.path);
  const { rtnl } = net;
  const ifindex = findLink(rtnl, 'va')?.ifindex ?? 0;
  const specs = [
    { dst: '10.1.0.5/32', ifindex, scope: Scope.LINK, src: '192.0.2.1' },
    { dst: '10.2.0.0/16', via: '192.0.2.9' },
    { dst: '10.3.0.0/16', via: '198.51.100.7', ifindex, onlink: true, metric: 7 },
    { dst: '0.0.0.0/0', via: '192.0.2.254' },
    { dst: '2001:db8:1::5/128', ifindex, src: '2001:db8::1' },
    { dst: '2001:db8:2::/48', via: '2001:db8::9' },
    { dst: '::/0', via: 'fe80::9', ifindex },
  ];
  for (const spec of specs) addRoute(rtnl, spec);
  t.throws(() => addRoute(rtnl, { dst: '10.2.0.0/16', via: '192.0.2.8' }), { code: 'EEXIST' });
  const shown = [['-4'], ['-6']].flatMap(
    ([family]) => ns.json(['ip', '-j', family ?? '', 'route', 'show', 'proto', '83']) as IpRoute[],
  );
  t.is(shown.length, specs.length);
  const find = (dst: string): IpRoute | undefined => shown.find((route) => route.dst === dst);
  t.like(find('10.1.0.5'), { dev: 'va', scope: 'link', prefsrc: '192.0.2.1' });
  t.like(find('10.2.0.0/16'), { gateway: '192.0.2.9', dev: 'va' });
  t.deepEqual(find('10.3.0.0/16')?.flags, ['onlink']);
  t.like(find('2001:db8:2::/48'), { gateway: '2001:db8::9', dev: 'va' });
  replaceRoute(rtnl, { dst: '10.2.0.0/16', via: '192.0.2.10' });
  replaceRoute(rtnl, { dst: '2001:db8:2::/48', via: '2001:db8::10' });
  const ours = listRoutes(rtnl, { protocol: 83 });
  t.is(ours.length, specs.length);
  t.is(ours.find(({ dst }) => dst === '10.2.0.0/16')?.via, '192.0.2.10');
  t.is(ours.find(({ dst }) => dst === '2001:db8:2::/48')?.via, '2001:db8::10');
  t.like(
    ours.find(({ dst }) => dst === '10.3.0.0/16'),
    { onlink: true, metric: 7 },
  );
  for (const { dst } of specs) t.true(deleteRoute(rtnl, { dst }), dst);
  t.false(deleteRoute(rtnl, { dst: '10.2.0.0/16' }));
  t.is(ns.run(['ip', 'route', 'show', 'proto', '83']), '');
  t.is(ns.run(['ip', '-6', 'route', 'show', 'proto', '83']), '');
  net.close();
});

labTest(
  'route: another table is listed by itself, and routes of others are not deleted',
  (t, lab) => {
    const ns = lab.namespace('node');
    lab.connect({ ns, ifname: 'va', addresses: ['192.0.2.1/24'] }, { ns, ifname: 'vb' });
    const net = netnsAt(ns.path);
    const ifindex = findLink(net.rtnl, 'va')?.ifindex ?? 0;
    addRoute(net.rtnl, { dst: '10.9.0.0/16', ifindex, table: 1000, scope: Scope.LINK });
    t.deepEqual(listRoutes(net.rtnl, { dst: '10.9.0.0/16' }), []);
    t.is(listRoutes(net.rtnl, { table: 1000 }).length, 1);
    t.true(deleteRoute(net.rtnl, { dst: '10.9.0.0/16', table: 1000 }));
    ns.run(['ip', 'route', 'add', '10.8.0.0/16', 'via', '192.0.2.9']);
    t.false(deleteRoute(net.rtnl, { dst: '10.8.0.0/16' }));
    t.throws(() => addRoute(net.rtnl, { dst: '10.7.0.0/16', via: '203.0.113.1' }), {
      code: 'ENETUNREACH',
      message: /10\.7\.0\.0.*\(.+\)/,
    });
    net.close();
  },
);
