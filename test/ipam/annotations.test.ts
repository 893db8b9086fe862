import test from 'ava';
import { formatAddress, formatMac } from '../../src/addr.js';
import { readAnnotations } from '../../src/ipam/annotations.js';
import type { AddressWishes } from '../../src/ipam/annotations.js';

const CALICO = 'cni.projectcalico.org';
const wishes = (
  t: { fail: (text: string) => never },
  pod: object,
  namespace = {},
): AddressWishes => {
  const read = readAnnotations(pod as Record<string, string>, namespace);
  return typeof read === 'string' ? t.fail(read) : read;
};

test('annotations: without any, everything is left open', (t) => {
  t.deepEqual(readAnnotations({}, {}), { pools: [], requested: [], mac: undefined });
});

test('annotations: pools of the pod win over those of its namespace, each family by itself [cni 43]', (t) => {
  const namespace = { [`${CALICO}/ipv4pools`]: '["ns4"]', [`${CALICO}/ipv6pools`]: '["ns6"]' };
  t.deepEqual(wishes(t, {}, namespace).pools, ['ns4', 'ns6']);
  const pod = { [`${CALICO}/ipv4pools`]: '["a","10.1.0.0/16"]' };
  t.deepEqual(wishes(t, pod, namespace).pools, ['a', '10.1.0.0/16', 'ns6']);
  const own = { ...pod, 'sluice.dev/ipv4pools': '["b"]' };
  t.deepEqual(wishes(t, own, namespace).pools, ['b', 'ns6']);
});

test('annotations: addresses and MAC are those of the pod alone [cni 44]', (t) => {
  const pod = {
    [`${CALICO}/ipAddrs`]: '["10.1.2.3","fd00::0:3"]',
    [`${CALICO}/hwAddr`]: '02:53:00:00:00:0A',
  };
  const { requested, mac } = wishes(t, pod);
  t.deepEqual(requested.map(formatAddress), ['10.1.2.3', 'fd00::3']);
  t.is(mac && formatMac(mac), '02:53:00:00:00:0a');
  t.deepEqual(readAnnotations({}, pod), { pools: [], requested: [], mac: undefined });
});

test('annotations: what cannot be meant is refused with its key [cni 44 45]', (t) => {
  const bad: Record<string, [string, RegExp]> = {
    two: ['ipAddrs', /10\.0\.0\.1, 10\.0\.0\.2: expected one IPv4 address at most/],
    text: ['ipAddrs', /expected a JSON list of texts/],
    object: ['ipAddrs', /expected a JSON list of texts/],
    numbers: ['ipv4pools', /expected a JSON list of texts/],
    octal: ['ipAddrs', /leading zero/],
    family: ['ipv4pools', /ipv4pools: fd00::\/64 is not of IPv4/],
    bits: ['ipv6pools', /bits set behind its prefix length/],
    mac: ['hwAddr', /is not a MAC address/],
    group: ['hwAddr', /expected the MAC address of one interface/],
    zero: ['hwAddr', /expected the MAC address of one interface/],
  };
  const texts: Record<string, string> = {
    two: '["10.0.0.1","10.0.0.2"]',
    text: '10.0.0.1',
    object: '{"a":1}',
    numbers: '[1]',
    octal: '["10.0.0.01"]',
    family: '["fd00::/64"]',
    bits: '["fd00::1/64"]',
    mac: 'nonsense',
    group: '01:00:5e:00:00:01',
    zero: '00:00:00:00:00:00',
  };
  for (const [name, [key, expected]] of Object.entries(bad)) {
    const read = readAnnotations({ [`${CALICO}/${key}`]: texts[name] ?? '' }, {});
    t.true(typeof read === 'string' && expected.test(read), `${name}: ${JSON.stringify(read)}`);
  }
});
