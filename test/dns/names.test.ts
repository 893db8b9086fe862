/** Names of Services, namespaces and pods: options, changes, and what is left of them. */
import test from 'ava';
import type { ServiceSpec } from 'kubernetes-types/core/v1.js';
import type { Endpoint } from 'kubernetes-types/discovery/v1.js';
import { CUT_F_FALLTHROUGH, CUT_F_UNSYNCED, DNS_HOST } from '../../assembly/abi-dns.js';
import { parseAddress } from '../../src/addr.js';
import { parseLabelSelector } from '../../src/compile/dns/label-selector.js';
import type { ZoneOptions } from '../../src/compile/dns/options.js';
import { drop, namespace, notReady, pod, put, ready, service, slice } from '../model/objects.js';
import { TYPE, query } from './core/zone.js';
import { ZONES, gist, namesRig, oracleEvents, shownRecord } from './names-rig.js';
import type { RigOptions } from './names-rig.js';

const IN_TESTNS = 'testns.svc.cluster.local';
const IN_DEFAULT = 'default.svc.cluster.local';
const PORTS = [{ name: 'http', port: 80, protocol: 'TCP' }];
const headless = (name: string) => service(name, { clusterIP: 'None', ports: PORTS });
const external = (name: string, externalName: string) =>
  service(name, { type: 'ExternalName', externalName });

/** The oracle's cluster with other options. */
function fixture(options: Partial<ZoneOptions> = {}, more: Omit<RigOptions, 'options'> = {}) {
  const rig = namesRig({ options, ...more });
  rig.apply(...oracleEvents());
  return rig;
}

test('names: SRV records of a port lead to the Service, however the question spells it [dns 6]', (t) => {
  const reply = fixture().reply('_HtTp._TcP.sVc1.TeStNs.SvC.cLuStEr.LoCaL', { type: TYPE.SRV });
  t.deepEqual(reply.answers?.map(shownRecord), [
    '_HtTp._TcP.sVc1.TeStNs.SvC.cLuStEr.LoCaL 5 SRV ' +
      `{"priority":0,"weight":100,"port":80,"target":"svc1.${IN_TESTNS}"}`,
  ]);
});

test('names: all glue of a headless Service is there when there is room [dns 25]', (t) => {
  const { reply } = fixture();
  for (const name of ['hdls1', '_http._tcp.hdls1', 'http.tcp.hdls1']) {
    const { answers, additionals, flag_tc } = reply(`${name}.${IN_TESTNS}`, {
      type: TYPE.SRV,
      edns: 1232,
    });
    t.is(answers?.length, 6);
    const glue = additionals?.filter(({ type }) => type !== 'OPT').map(shownRecord) ?? [];
    t.is(new Set(glue).size, 7);
    t.is(glue.filter((text) => text.startsWith('dup-name.')).length, 2);
    t.false(flag_tc);
  }
});

test('names: a Service of IPv6 only [dns 12]', (t) => {
  const { says, reply } = fixture();
  t.deepEqual(says(`svc6.${IN_TESTNS}`, TYPE.AAAA), ['NOERROR', 'AAAA 1234:abcd::1']);
  t.deepEqual(says(`svc6.${IN_TESTNS}`), ['NOERROR']);
  const { additionals } = reply(`svc6.${IN_TESTNS}`, { type: TYPE.SRV });
  t.deepEqual(additionals?.map(shownRecord), [`svc6.${IN_TESTNS} 5 AAAA 1234:abcd::1`]);
});

test('names: ignore empty_service hides what nobody would answer [dns 14]', (t) => {
  t.deepEqual(fixture().says(`svcempty.${IN_TESTNS}`), ['NOERROR', 'A 10.0.0.4']);
  const { says } = fixture({ ignoreEmptyService: true });
  t.deepEqual(says(`svcempty.${IN_TESTNS}`), ['NXDOMAIN']);
  t.deepEqual(says(`svc1.${IN_TESTNS}`), ['NOERROR', 'A 10.0.0.1']);
  t.deepEqual(says(`hdls1.${IN_TESTNS}`).length, 5);
  t.deepEqual(says('4.0.0.10.in-addr.arpa', TYPE.PTR), ['NXDOMAIN']);
});

test('names: the zone is served by the DNS Service, or by the addresses there are [dns 21]', (t) => {
  const local = fixture({ servers: [parseAddress('127.0.0.1')] });
  const own = local.reply('cluster.local', { type: TYPE.NS });
  t.deepEqual(gist(own), ['NOERROR', 'NS ns.dns.cluster.local']);
  t.deepEqual(own.additionals?.map(shownRecord), ['ns.dns.cluster.local 5 A 127.0.0.1']);
  t.deepEqual(local.says('ns.dns.cluster.local'), ['NOERROR', 'A 127.0.0.1']);

  const { reply, says, apply } = fixture({ servers: [parseAddress('10.96.0.10')] });
  const kubeDns = 'kube-dns.kube-system.svc.cluster.local';
  for (const zone of ZONES) {
    const { answers, additionals } = reply(zone, { type: TYPE.NS });
    t.deepEqual(answers?.map(shownRecord), [`${zone} 5 NS ${kubeDns}`]);
    t.deepEqual(additionals?.map(shownRecord), [`${kubeDns} 5 A 10.96.0.10`]);
  }
  t.deepEqual(says('ns.dns.cluster.local'), ['NOERROR', 'A 10.96.0.10']);
  apply({ type: 'delete', kind: 'Service', key: 'kube-system/kube-dns' as never });
  t.deepEqual(says('cluster.local', TYPE.NS), ['NOERROR', 'NS ns.dns.cluster.local']);
});

test('names: endpoint_pod_names calls endpoints as their pods [dns 35]', (t) => {
  const { says } = fixture({ endpointPodNames: true });
  t.deepEqual(says(`hdls1-pod-a.hdls1.${IN_TESTNS}`), ['NOERROR', 'A 172.0.0.2']);
  t.deepEqual(says(`172-0-0-2.hdls1.${IN_TESTNS}`), ['NXDOMAIN']);
  t.deepEqual(says(`172-0-0-3.hdls1.${IN_TESTNS}`), ['NOERROR', 'A 172.0.0.3']);
  t.deepEqual(says('2.0.0.172.in-addr.arpa', TYPE.PTR), [
    'NOERROR',
    `PTR hdls1-pod-a.hdls1.${IN_TESTNS}`,
  ]);
});

test('names: a pod whose name is no label leaves its endpoint the address [dns 35]', (t) => {
  const { apply, says } = namesRig({ options: { endpointPodNames: true } });
  const named = (ip: string, name: string): Endpoint => ({ ...ready(ip), targetRef: { name } });
  const endpoints = [named('10.0.0.1', 'a'.repeat(64)), named('10.0.0.2', 'web.example')];
  apply(put('Service', headless('web')), put('EndpointSlice', slice('s', 'web', endpoints)));
  t.deepEqual(says(`10-0-0-1.web.${IN_DEFAULT}`), ['NOERROR', 'A 10.0.0.1']);
  t.deepEqual(says(`10-0-0-2.web.${IN_DEFAULT}`), ['NOERROR', 'A 10.0.0.2']);
});

test('names: noendpoints leaves Services with an address [dns 36]', (t) => {
  const { says } = fixture({ noEndpoints: true });
  t.deepEqual(says(`hdls1.${IN_TESTNS}`), ['NXDOMAIN']);
  t.deepEqual(says(`ep1a.svc1.${IN_TESTNS}`), ['NXDOMAIN']);
  t.deepEqual(says(`svc1.${IN_TESTNS}`), ['NOERROR', 'A 10.0.0.1']);
  t.deepEqual(says('2.0.0.172.in-addr.arpa', TYPE.PTR), ['NXDOMAIN']);
});

test('names: only the namespaces that are listed are there [dns 37]', (t) => {
  const { says } = fixture({ namespaces: ['testns'] });
  t.deepEqual(says(`kubernetes.${IN_DEFAULT}`), ['NXDOMAIN']);
  t.deepEqual(says(IN_DEFAULT), ['NXDOMAIN']);
  t.deepEqual(says('1.0.96.10.in-addr.arpa', TYPE.PTR), ['NXDOMAIN']);
  t.deepEqual(says(`svc1.${IN_TESTNS}`), ['NOERROR', 'A 10.0.0.1']);
});

test('names: namespace_labels follow the labels of namespaces as they change', (t) => {
  const namespaceLabels = parseLabelSelector('dns in (on)');
  const { apply, says } = namesRig({ options: { namespaceLabels, pods: 'verified' } });
  const web = service('web', { clusterIP: '10.0.0.1', ports: PORTS });
  const name = `web.${IN_DEFAULT}`;
  apply(
    put('Service', web),
    put('Namespace', namespace('default')),
    put('Pod', pod('p', ['10.1.0.1'])),
  );
  t.deepEqual(says(name), ['NXDOMAIN']);
  t.deepEqual(says('10-1-0-1.default.pod.cluster.local'), ['NXDOMAIN']);
  apply(put('Namespace', namespace('default', { dns: 'on' })));
  t.deepEqual(says(name), ['NOERROR', 'A 10.0.0.1']);
  t.deepEqual(says('1.0.0.10.in-addr.arpa', TYPE.PTR), ['NOERROR', `PTR ${name}`]);
  t.deepEqual(says('10-1-0-1.default.pod.cluster.local'), ['NOERROR', 'A 10.1.0.1']);
  apply(put('Namespace', namespace('default', { dns: 'off' })));
  t.deepEqual(says(name), ['NXDOMAIN']);
  t.deepEqual(says(IN_DEFAULT), ['NXDOMAIN']);
  t.deepEqual(says('1.0.0.10.in-addr.arpa', TYPE.PTR), ['NXDOMAIN']);
  t.deepEqual(says('10-1-0-1.default.pod.cluster.local'), ['NXDOMAIN']);
});

test('names: labels choose Services', (t) => {
  const { apply, says } = namesRig({ options: { labels: parseLabelSelector('!hidden') } });
  const web = service('web', { clusterIP: '10.0.0.1' });
  apply(put('Service', web));
  t.deepEqual(says(`web.${IN_DEFAULT}`), ['NOERROR', 'A 10.0.0.1']);
  apply(put('Service', { ...web, metadata: { ...web.metadata, labels: { hidden: '' } } }));
  t.deepEqual(says(`web.${IN_DEFAULT}`), ['NXDOMAIN']);
});

test('names: an ExternalName that changes is another CNAME, then an address [dns 45]', (t) => {
  const { apply, says } = namesRig();
  const name = `ext.${IN_DEFAULT}`;
  const change = (spec: ServiceSpec): void => {
    apply(put('Service', service('ext', spec)));
  };
  change({ type: 'ExternalName', externalName: 'foo.example.com' });
  t.deepEqual(says(name, TYPE.CNAME), ['NOERROR', 'CNAME foo.example.com']);
  change({ type: 'ExternalName', externalName: 'bar.example.com.' });
  t.deepEqual(says(name, TYPE.CNAME), ['NOERROR', 'CNAME bar.example.com']);
  change({ type: 'ClusterIP', clusterIP: '10.0.0.7', ports: PORTS });
  t.deepEqual(says(name), ['NOERROR', 'A 10.0.0.7']);
  t.deepEqual(says(name, TYPE.CNAME), ['NOERROR']);
});

test('names: an ExternalName that is no name does not exist, nor does anything below one [dns 42] [dns 44]', (t) => {
  const { apply, says } = namesRig();
  const bad = ['192.0.2.1', '2001:db8::1', '', 'a..b', `${'x'.repeat(64)}.example`];
  for (const externalName of bad) {
    apply(put('Service', external('ext', externalName)));
    t.deepEqual(says(`ext.${IN_DEFAULT}`), ['NXDOMAIN'], externalName);
  }
  apply(put('Service', external('ext', 'a.example')));
  for (const below of ['endpoint', 'sub.sub', '_http._tcp']) {
    t.deepEqual(says(`${below}.ext.${IN_DEFAULT}`, TYPE.CNAME), ['NXDOMAIN'], below);
  }
});

test('names: pods are not there by default [dns 46]', (t) => {
  const { says } = fixture();
  t.deepEqual(says('10-240-0-1.podns.pod.cluster.local'), ['NXDOMAIN']);
  t.deepEqual(says('podns.pod.cluster.local'), ['NXDOMAIN']);
  t.deepEqual(says('pod.cluster.local'), ['NOERROR']);
});

test('names: verified pods are those that live, in their namespace [dns 49]', (t) => {
  const { apply, says } = fixture({ pods: 'verified' });
  t.deepEqual(says('10-240-0-1.podns.pod.cluster.local'), ['NOERROR', 'A 10.240.0.1']);
  t.deepEqual(says('10-240-0-1.podns.pod.cluster.local', TYPE.AAAA), ['NOERROR']);
  t.deepEqual(says('10-240-0-1.testns.pod.cluster.local'), ['NXDOMAIN']);
  t.deepEqual(says('10-240-0-9.podns.pod.cluster.local'), ['NXDOMAIN']);
  t.deepEqual(says('podns.pod.cluster.local'), ['NOERROR']);
  const six = ['fd00::5', 'fd00:1::'];
  apply(put('Namespace', namespace('default')), put('Pod', pod('six', six.slice(0, 1))));
  t.deepEqual(says('fd00--5.default.pod.cluster.local', TYPE.AAAA), ['NOERROR', 'AAAA fd00::5']);
  apply(put('Pod', pod('six', six.slice(1))));
  t.deepEqual(says('fd00--5.default.pod.cluster.local', TYPE.AAAA), ['NXDOMAIN']);
  for (const label of ['fd00-1--', 'fd00-1--0']) {
    t.deepEqual(says(`${label}.default.pod.cluster.local`, TYPE.AAAA), [
      'NOERROR',
      'AAAA fd00:1::',
    ]);
  }
});

test('names: an address that two pods of a host share is there until both are gone [dns 49]', (t) => {
  const { apply, says } = namesRig({ options: { pods: 'verified' } });
  const name = '192-0-2-1.default.pod.cluster.local';
  apply(put('Namespace', namespace('default')));
  apply(put('Pod', pod('a', ['192.0.2.1'])), put('Pod', pod('b', ['192.0.2.1'])));
  apply(drop('Pod', 'a'));
  t.deepEqual(says(name), ['NOERROR', 'A 192.0.2.1']);
  apply(drop('Pod', 'b'));
  t.deepEqual(says(name), ['NXDOMAIN']);
});

test('names: addresses lead back to Services and endpoints [dns 50] [dns 51]', (t) => {
  const { says } = fixture();
  const nibbles = '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa';
  t.deepEqual(says(nibbles, TYPE.PTR), ['NOERROR', `PTR svc6.${IN_TESTNS}`]);
  t.deepEqual(says('1.0.0.172.in-addr.arpa', TYPE.PTR), ['NOERROR', `PTR ep1a.svc1.${IN_TESTNS}`]);
  t.deepEqual(says('5.0.0.172.in-addr.arpa', TYPE.PTR), [
    'NOERROR',
    `PTR dup-name.hdls1.${IN_TESTNS}`,
  ]);
  t.deepEqual(says('30.0.0.172.in-addr.arpa', TYPE.PTR), ['NXDOMAIN']);
});

test('names: an address in two slices leads to one name, of two Services to two [dns 52]', (t) => {
  const { apply, says } = namesRig();
  const back = '1.0.1.10.in-addr.arpa';
  apply(
    put('Service', headless('a')),
    put('EndpointSlice', slice('a-1', 'a', [ready('10.1.0.1')])),
    put('EndpointSlice', slice('a-2', 'a', [ready('10.1.0.1')])),
  );
  t.deepEqual(says(back, TYPE.PTR), ['NOERROR', `PTR 10-1-0-1.a.${IN_DEFAULT}`]);
  t.deepEqual(says(`a.${IN_DEFAULT}`), ['NOERROR', 'A 10.1.0.1']);
  apply(
    put('Service', service('b', { clusterIP: '10.0.0.2', ports: PORTS })),
    put('EndpointSlice', slice('b-1', 'b', [{ ...ready('10.1.0.1'), hostname: 'Host' }])),
  );
  const both = [`PTR 10-1-0-1.a.${IN_DEFAULT}`, `PTR host.b.${IN_DEFAULT}`];
  t.deepEqual(says(back, TYPE.PTR), ['NOERROR', ...both]);
  apply(put('Service', service('c', { clusterIP: '10.1.0.1', ports: PORTS })));
  t.deepEqual(says(back, TYPE.PTR), ['NOERROR', `PTR c.${IN_DEFAULT}`]);
  apply(drop('Service', 'c'), drop('EndpointSlice', 'a-1'), drop('EndpointSlice', 'a-2'));
  t.deepEqual(says(back, TYPE.PTR), ['NOERROR', `PTR host.b.${IN_DEFAULT}`]);
  apply(drop('Service', 'b'));
  t.deepEqual(says(back, TYPE.PTR), ['NXDOMAIN']);
});

test("names: what is not there is the host's with fallthrough [dns 53]", (t) => {
  const rig = fixture({}, { cutFlags: CUT_F_FALLTHROUGH });
  t.is(rig.ask(query('9.9.9.9.in-addr.arpa', { type: TYPE.PTR })).result, DNS_HOST);
  t.deepEqual(rig.says('1.0.0.10.in-addr.arpa', TYPE.PTR), ['NOERROR', `PTR svc1.${IN_TESTNS}`]);
});

test('names: Services are not below addresses, nor addresses below Services [dns 54]', (t) => {
  const { says } = fixture();
  t.deepEqual(says('svc1.testns.svc.0.10.in-addr.arpa'), ['NXDOMAIN']);
  t.deepEqual(says('100.0.0.10.cluster.local', TYPE.PTR), ['NXDOMAIN']);
  t.deepEqual(says('example.org.cluster.local', TYPE.PTR), ['NXDOMAIN']);
});

test('names: before all is known, what is not found is SERVFAIL with the SOA record [dns 55]', (t) => {
  const { reply, says } = fixture({}, { cutFlags: CUT_F_UNSYNCED });
  const { rcode, authorities } = reply(`svc0.${IN_TESTNS}`);
  t.is(rcode, 'SERVFAIL');
  t.deepEqual(
    authorities?.map(({ type }) => type),
    ['SOA'],
  );
  t.deepEqual(says(`svc1.${IN_TESTNS}`), ['NOERROR', 'A 10.0.0.1']);
});

test('names: a Service may begin with a digit [dns 58]', (t) => {
  const { apply, says } = namesRig();
  apply(put('Service', service('1kubernetes', { clusterIP: '10.0.0.1', ports: PORTS })));
  t.deepEqual(says(`1kubernetes.${IN_DEFAULT}`), ['NOERROR', 'A 10.0.0.1']);
});

test('names: an endpoint with a hostname is a name of its headless Service [dns 60]', (t) => {
  const { apply, says } = namesRig();
  const endpoint = { ...ready('10.1.0.7'), hostname: 'dns-querier-2' };
  apply(put('Service', headless('sub')), put('EndpointSlice', slice('s', 'sub', [endpoint])));
  t.deepEqual(says(`dns-querier-2.sub.${IN_DEFAULT}`), ['NOERROR', 'A 10.1.0.7']);
  t.deepEqual(says(`sub.${IN_DEFAULT}`), ['NOERROR', 'A 10.1.0.7']);
});

test('names: an endpoint that becomes ready is there at once, and gone with the last [dns 63]', (t) => {
  const { apply, says } = namesRig();
  const name = `web.${IN_DEFAULT}`;
  apply(put('Service', headless('web')));
  apply(put('EndpointSlice', slice('s', 'web', [notReady('10.1.0.1')])));
  t.deepEqual(says(name), ['NXDOMAIN']);
  apply(put('EndpointSlice', slice('s', 'web', [ready('10.1.0.1')])));
  t.deepEqual(says(name), ['NOERROR', 'A 10.1.0.1']);
  apply(put('EndpointSlice', slice('s', 'web', [ready('10.1.0.1'), ready('10.1.0.2')])));
  t.deepEqual(says(name), ['NOERROR', 'A 10.1.0.1', 'A 10.1.0.2']);
  apply(drop('EndpointSlice', 's'));
  t.deepEqual(says(name), ['NXDOMAIN']);
});

test('names: domains of ports are there, as nothing in between is missing (RFC 8020)', (t) => {
  const { says } = fixture();
  for (const parent of ['_tcp', 'tcp']) {
    t.deepEqual(says(`${parent}.svc1.${IN_TESTNS}`), ['NOERROR'], parent);
    t.deepEqual(says(`${parent}.svcnoname.${IN_TESTNS}`), ['NXDOMAIN'], parent);
  }
});

test('names: a name of an endpoint has its ports, too', (t) => {
  const { reply } = fixture();
  const { answers } = reply(`172-0-0-2.hdls1.${IN_TESTNS}`, { type: TYPE.SRV });
  t.deepEqual(
    answers?.map((answer) => ('data' in answer ? answer.data : undefined)),
    [{ priority: 0, weight: 100, port: 80, target: `172-0-0-2.hdls1.${IN_TESTNS}` }],
  );
});

test('names: a cache in front caps TTLs, and raises them to 5 s', (t) => {
  const ttlOf = (options: Partial<ZoneOptions>, name: string, type: number = TYPE.A) => {
    const [answer] = fixture(options).reply(name, { type }).answers ?? [];
    return answer && 'ttl' in answer ? answer.ttl : undefined;
  };
  const version = 'dns-version.cluster.local';
  const svc1 = `svc1.${IN_TESTNS}`;
  t.is(ttlOf({ ttl: 30 }, svc1), 30);
  t.is(ttlOf({ ttl: 0 }, svc1), 0);
  t.is(ttlOf({ ttl: 0, ttlMax: 30 }, svc1), 5);
  t.is(ttlOf({ ttl: 60, ttlMax: 30 }, svc1), 30);
  t.is(ttlOf({ ttl: 60, ttlMax: 3 }, svc1), 3);
  t.is(ttlOf({ ttlMax: 30 }, version, TYPE.TXT), 30);
  t.is(ttlOf({}, version, TYPE.TXT), 28_800);
});

test('names: every zone has them all, and addresses lead to the first', (t) => {
  const zones = ['in-addr.arpa', 'Cluster.Local', 'second.example.'];
  const { says, apply } = fixture({}, { zones });
  for (const zone of ['cluster.local', 'second.example']) {
    t.deepEqual(says(`svc1.testns.svc.${zone}`), ['NOERROR', 'A 10.0.0.1']);
    t.deepEqual(says(`svc.${zone}`), ['NOERROR']);
  }
  t.deepEqual(says('1.0.0.10.in-addr.arpa', TYPE.PTR), ['NOERROR', `PTR svc1.${IN_TESTNS}`]);
  apply({ type: 'delete', kind: 'Service', key: 'testns/svc1' as never });
  t.deepEqual(says('svc1.testns.svc.second.example'), ['NXDOMAIN']);
});

test('names: only addresses within a zone lead back', (t) => {
  const zones = ['cluster.local', '0.172.in-addr.arpa'];
  const rig = fixture({}, { zones });
  t.deepEqual(rig.says('2.0.0.172.in-addr.arpa', TYPE.PTR).length, 2);
  const before = rig.zone.size();
  const all = fixture().zone.size();
  t.true(before < all);
});

test('names: every address of an endpoint is there, its reverse names as well', (t) => {
  const rig = namesRig();
  const endpoint = { addresses: ['10.1.0.1', '10.1.0.2', 'fd00::1'], conditions: { ready: true } };
  rig.apply(
    put('Namespace', namespace('default')),
    put('Service', headless('db')),
    put('EndpointSlice', slice('db', 'db', [endpoint])),
  );
  t.deepEqual(rig.says('db.default.svc.cluster.local'), ['NOERROR', 'A 10.1.0.1', 'A 10.1.0.2']);
  t.deepEqual(rig.says('10-1-0-2.db.default.svc.cluster.local'), ['NOERROR', 'A 10.1.0.2']);
  t.deepEqual(rig.says('2.0.1.10.in-addr.arpa', TYPE.PTR), [
    'NOERROR',
    'PTR 10-1-0-2.db.default.svc.cluster.local',
  ]);
  t.deepEqual(rig.says('db.default.svc.cluster.local', TYPE.AAAA), ['NOERROR'], 'of the slice');
});
