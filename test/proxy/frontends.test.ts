/** What an address and a port lead to: every kind of frontend, as frames meet it. */
import test from 'ava';
import type { ControlOptions } from '../../src/compile/control.js';
import { parseCidr } from '../../src/addr.js';
import { drop, put, ready, service, slice } from '../model/objects.js';
import { A4, B4, B6, NODE4, NODE6, OUTSIDE6, REMOTE4, openEngine } from '../support/engine.js';
import {
  BALANCER,
  EXTERNAL,
  NODE,
  NODE_PORT,
  OUTSIDE,
  OUTSIDE_6,
  POD,
  POD6,
  VIP,
  VIP6,
  WAYS,
  dropped,
  here,
  masqueraded,
  nodeWith,
  reaches,
  refused,
  there,
  tries,
  tryOnce,
  webEverywhere,
  webSlice,
} from './node.js';

const ENDPOINTS = [here(), there()];
const NOWHERE = { reached: [], seenAs: [], refused: 0 };
const OTHER4 = '192.168.7.1';
const OTHER6 = 'fd00:192:168:7::1';

/** A node with a second address of each family. */
const twoHomed = (nodePortAddresses: ControlOptions['nodePortAddresses'] = []) =>
  nodeWith({}, ENDPOINTS, {
    control: { nodePortAddresses },
    localAddresses: [NODE4, OTHER4, NODE6, OTHER6],
  });

/** Whether a packet of a way in was left untranslated for the host. */
const isTranslated = (engine: ReturnType<typeof twoHomed>, way: readonly [string, number]) =>
  tries(engine, OUTSIDE, way, { count: 4 }).reached.every((reached) => reached.endsWith(':8080'));

test('frontends: a pod reaches every endpoint of a ClusterIP, with its own address [proxy 1 3 4]', (t) => {
  const engine = nodeWith({}, [here(), there(), there('10.244.2.8')]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4, REMOTE4, '10.244.2.8'));
});

test('frontends: the port of another Service is none of this one [proxy 6 7]', (t) => {
  const engine = nodeWith({}, ENDPOINTS);
  const ports = [{ name: 'https', port: 443, protocol: 'TCP' }];
  engine.apply(put('Service', service('other', { clusterIP: '10.96.0.77', ports })));
  t.deepEqual(tries(engine, POD, [VIP, 443]), refused());
  t.deepEqual(tries(engine, POD, WAYS.clusterIP, { proto: 'udp' }), refused());
});

test('frontends: an unallocated service address is dropped, once and by name [proxy 8 117]', (t) => {
  const serviceCIDRs = [parseCidr('10.96.0.0/12'), parseCidr('fd00:10:96::/112')];
  const engine = nodeWith({}, ENDPOINTS, { control: { serviceCIDRs } });
  for (const from of [POD, NODE, OUTSIDE]) {
    t.deepEqual(tries(engine, from, ['10.96.3.3', 80]), dropped('SERVICE_ADDRESS_UNKNOWN'));
  }
  t.is(engine.flows().length, 0);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4, REMOTE4));
});

test('frontends: without endpoints every one of them refuses [proxy 9 10 11 16]', (t) => {
  const engine = nodeWith({}, ENDPOINTS);
  engine.apply(webSlice());
  for (const [way, at] of Object.entries(WAYS)) {
    for (const from of [POD, OUTSIDE]) t.deepEqual(tries(engine, from, at), refused(), way);
  }
});

test('frontends: an external address that no node has is reached by pods, masqueraded [proxy 12]', (t) => {
  const engine = nodeWith({}, [there()]);
  t.deepEqual(tries(engine, POD, [EXTERNAL, 80]), masqueraded(REMOTE4));
});

test('frontends: node ports answer on the primary address of each family, by default [proxy 13 15]', (t) => {
  const engine = twoHomed();
  t.true(isTranslated(engine, [NODE4, NODE_PORT]));
  t.false(isTranslated(engine, [OTHER4, NODE_PORT]));
  const six = sixOn([]);
  t.is(tries(six, OUTSIDE_6, [NODE6, 30666]).reached[0], `${B6}:8080`);
  t.not(tries(six, OUTSIDE_6, [OTHER6, 30666]).reached[0], `${B6}:8080`);
});

test('frontends: nodePortAddresses select by CIDR, each family by itself [proxy 14 15]', (t) => {
  const engine = twoHomed([parseCidr('192.168.7.0/24')]);
  t.false(isTranslated(engine, [NODE4, NODE_PORT]));
  t.true(isTranslated(engine, [OTHER4, NODE_PORT]));
  const six = sixOn([parseCidr('fd00:192:168:7::/64')]);
  t.not(tries(six, OUTSIDE_6, [NODE6, 30666]).reached[0], `${B6}:8080`);
  t.is(tries(six, OUTSIDE_6, [OTHER6, 30666]).reached[0], `${B6}:8080`);
  const all = twoHomed([parseCidr('0.0.0.0/0')]);
  t.true(isTranslated(all, [NODE4, NODE_PORT]) && isTranslated(all, [OTHER4, NODE_PORT]));
});

/** An IPv6 Service with a node port, on a node with two addresses a family. */
function sixOn(nodePortAddresses: ControlOptions['nodePortAddresses']) {
  const engine = openEngine({
    control: { nodePortAddresses: nodePortAddresses ?? [] },
    localAddresses: [NODE4, OTHER4, NODE6, OTHER6],
  });
  engine.apply(
    put(
      'Service',
      service('six', {
        type: 'NodePort',
        clusterIP: VIP6,
        clusterIPs: [VIP6],
        ipFamilies: ['IPv6'],
        ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30666 }],
      }),
    ),
    put('EndpointSlice', slice('six-1', 'six', [ready(B6)])),
  );
  return engine;
}

test('frontends: a load-balancer address is masqueraded for outside clients [proxy 17]', (t) => {
  const engine = nodeWith({}, ENDPOINTS);
  t.deepEqual(tries(engine, OUTSIDE, [BALANCER, 80]), masqueraded(B4, REMOTE4));
});

test('frontends: ipMode Proxy makes none of the address, VIP does [proxy 18 19]', (t) => {
  const engine = nodeWith({}, ENDPOINTS);
  const withMode = (ipMode: string) => ({
    ...webEverywhere(),
    status: { loadBalancer: { ingress: [{ ip: BALANCER, ipMode }] } },
  });
  engine.apply(put('Service', withMode('Proxy')));
  t.false(isTranslated(engine, [BALANCER, 80]));
  t.true(isTranslated(engine, WAYS.nodePort) && isTranslated(engine, WAYS.clusterIP));
  engine.apply(put('Service', withMode('VIP')));
  t.true(isTranslated(engine, [BALANCER, 80]));
});

test('frontends: without node ports the load-balancer address works [proxy 20]', (t) => {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  const engine = nodeWith({ ports, allocateLoadBalancerNodePorts: false }, ENDPOINTS);
  t.deepEqual(tries(engine, OUTSIDE, [BALANCER, 80]), masqueraded(B4, REMOTE4));
  t.false(isTranslated(engine, WAYS.nodePort));
});

test('frontends: headless and ExternalName Services make none [proxy 21 22]', (t) => {
  for (const spec of [
    { clusterIP: 'None' },
    { type: 'ExternalName' as const, externalName: 'x' },
  ]) {
    const engine = nodeWith(spec, ENDPOINTS);
    for (const way of Object.values(WAYS)) t.false(isTranslated(engine, way));
  }
});

test('frontends: addresses with leading zeros work as decimal ones [proxy 23]', (t) => {
  const engine = nodeWith({ clusterIP: '010.096.000.010', externalIPs: ['203.000.113.099'] }, [
    ready('010.244.001.003'),
  ]);
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4));
  t.deepEqual(tries(engine, OUTSIDE, [EXTERNAL, 80]), masqueraded(B4));
});

test('frontends: each family of a Service has its own addresses and endpoints [proxy 24]', (t) => {
  const dual = {
    clusterIPs: [VIP, VIP6],
    ipFamilies: ['IPv4', 'IPv6'],
    externalIPs: [EXTERNAL, '2001:db8:99::1'],
  };
  const engine = nodeWith(dual, [here()]);
  engine.apply(put('EndpointSlice', slice('web-6', 'web', [ready(B6)])));
  t.deepEqual(tries(engine, POD, WAYS.clusterIP), reaches(B4));
  t.deepEqual(tries(engine, POD6, [VIP6, 80]), reaches(B6));
  t.like(tries(engine, OUTSIDE_6, ['2001:db8:99::1', 80]), { reached: [`${B6}:8080`] });
  const single = nodeWith({ externalIPs: [EXTERNAL, '2001:db8:99::1'] }, [here()]);
  t.not(tries(single, OUTSIDE_6, ['2001:db8:99::1', 80]).reached[0], `${B6}:8080`);
  t.is(OUTSIDE6, OUTSIDE_6.src);
});

for (const [label, number] of [
  ['service.kubernetes.io/service-proxy-name', '[proxy 25]'],
  ['service.kubernetes.io/headless', '[proxy 26]'],
] as const) {
  test(`frontends: the label ${label} takes them away and gives them back ${number}`, (t) => {
    const engine = nodeWith({}, ENDPOINTS);
    const web = webEverywhere();
    engine.apply(
      put('Service', { ...web, metadata: { ...web.metadata, labels: { [label]: '' } } }),
    );
    for (const way of Object.values(WAYS)) t.false(isTranslated(engine, way));
    engine.apply(put('Service', web));
    for (const way of Object.values(WAYS)) t.true(isTranslated(engine, way));
  });
}

test('frontends: they come and go with the type [proxy 27]', (t) => {
  const engine = nodeWith({ type: 'ExternalName', externalName: 'x' }, ENDPOINTS);
  const open = (): boolean[] =>
    [WAYS.clusterIP, WAYS.nodePort].map((way) => isTranslated(engine, way));
  t.deepEqual(open(), [false, false]);
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  engine.apply(put('Service', webEverywhere({ type: 'ClusterIP', ports })));
  t.deepEqual(open(), [true, false]);
  engine.apply(put('Service', webEverywhere({ type: 'NodePort' })));
  t.deepEqual(open(), [true, true]);
  engine.apply(put('Service', webEverywhere({ type: 'ExternalName', externalName: 'x' })));
  t.deepEqual(open(), [false, false]);
});

test('frontends: of Services that come and go only the live ones answer [proxy 28 92]', (t) => {
  const engine = openEngine();
  const vips = ['10.96.1.1', '10.96.1.2', '10.96.1.3'];
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  const add = (i: number): void => {
    engine.apply(
      put('Service', service(`s${i}`, { clusterIP: vips[i] ?? '', ports })),
      put('EndpointSlice', slice(`s${i}-1`, `s${i}`, ENDPOINTS)),
    );
  };
  const live = (): boolean[] =>
    vips.map(
      (vip) => isTranslated(engine, [vip, 80]) && tries(engine, POD, [vip, 80]).reached.length > 0,
    );
  add(0);
  add(1);
  t.deepEqual(live(), [true, true, false]);
  engine.apply(drop('Service', 's0'), drop('EndpointSlice', 's0-1'));
  t.deepEqual(live(), [false, true, false]);
  add(2);
  t.deepEqual(live(), [false, true, true]);
});

test('frontends: a changed node port stops the old one and starts the new one [proxy 94]', (t) => {
  const engine = nodeWith({}, ENDPOINTS);
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 31000 }];
  engine.apply(put('Service', webEverywhere({ ports })));
  t.false(isTranslated(engine, WAYS.nodePort));
  t.true(isTranslated(engine, [NODE4, 31000]));
});

test('frontends: an exact frontend beats a node port on one address and port', (t) => {
  const engine = nodeWith({}, [here()]);
  const ports = [{ name: 'http', port: NODE_PORT, protocol: 'TCP' }];
  engine.apply(
    put('Service', service('zz', { clusterIP: '10.96.0.78', externalIPs: [NODE4], ports })),
    put('EndpointSlice', slice('zz-1', 'zz', [there()])),
  );
  t.deepEqual(tries(engine, OUTSIDE, [NODE4, NODE_PORT]), masqueraded(REMOTE4));
});

test('frontends: ping to a ClusterIP is not answered, to a node address it is the host that answers', (t) => {
  const engine = nodeWith({}, ENDPOINTS);
  t.like(tries(engine, POD, [VIP, 0], { proto: 'icmp' }), {
    ...NOWHERE,
    dropped: ['SERVICE_PORT_UNKNOWN'],
  });
  t.is(tryOnce(engine, OUTSIDE, NODE4, 0, { proto: 'icmp' }).seen.dst, NODE4);
  t.is(A4, POD.src);
});
