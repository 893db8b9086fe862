import test from 'ava';
import { CniError } from '../../src/cni/errors.js';
import { convertFrom, convertFromIpam } from '../../src/cni/decode-result.js';
import { addressesOf, chooseDns, convertTo, interfaceOf } from '../../src/cni/result.js';
import type { CniResult, Dns } from '../../src/cni/result.js';
import { isAtLeast } from '../../src/cni/version.js';
import { SUPPORTED_VERSIONS } from '../../src/cni/version-list.js';
import { parseRequest } from '../../src/cni/request.js';
import { ATTACHMENT, RESULT, conf } from './plugin.js';

const NETNS = ATTACHMENT.CNI_NETNS;
const decode = (value: unknown, fallback = '1.1.0' as const) =>
  convertFrom({ key: 'result', value }, fallback);

function codeOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (error instanceof CniError) return error.code;
    throw error;
  }
  return 0;
}

test('result: 1.0.0 differs from 1.1.0 in the version only', (t) => {
  t.deepEqual(convertTo(RESULT, '1.1.0'), { cniVersion: '1.1.0', ...RESULT });
  t.deepEqual(convertTo(RESULT, '1.0.0'), { cniVersion: '1.0.0', ...RESULT });
});

test('result: 0.3 and 0.4 say the family, and nothing new of interfaces', (t) => {
  for (const version of ['0.3.0', '0.3.1', '0.4.0'] as const) {
    t.deepEqual(convertTo(RESULT, version), {
      cniVersion: version,
      interfaces: [
        { name: 'slc0123456789a', mac: 'ee:ee:ee:ee:ee:ee' },
        { name: 'eth0', mac: '02:53:00:00:00:01', sandbox: NETNS },
      ],
      ips: [
        { version: '4', address: '10.1.2.3/32', gateway: '169.254.1.1', interface: 1 },
        { version: '6', address: 'fd00::3/128', interface: 1 },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1450 }, { dst: '::/0' }],
      dns: {},
    });
  }
});

test('result: 0.1 and 0.2 have the first address of each family with its routes', (t) => {
  const more = {
    ...RESULT,
    ips: [...RESULT.ips, { address: '10.9.9.9/32' }],
    dns: { nameservers: ['10.0.0.2'] },
  };
  for (const version of ['0.1.0', '0.2.0'] as const) {
    t.deepEqual(convertTo(more, version), {
      cniVersion: version,
      ip4: {
        ip: '10.1.2.3/32',
        gateway: '169.254.1.1',
        routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
      },
      ip6: { ip: 'fd00::3/128', routes: [{ dst: '::/0' }] },
      dns: { nameservers: ['10.0.0.2'] },
    });
  }
  const [first] = RESULT.ips;
  const one = { ...RESULT, ips: first ? [first] : [] };
  t.false('ip6' in convertTo(one, '0.2.0'), 'a route alone makes no family');
  t.is(
    codeOf(() => convertTo({ ...RESULT, ips: [] }, '0.2.0')),
    1,
  );
});

test('result: nothing in it, and dns is there all the same', (t) => {
  const empty: CniResult = { interfaces: [], ips: [], routes: [], dns: {} };
  t.deepEqual(convertTo(empty, '0.4.0'), { cniVersion: '0.4.0', dns: {} });
});

test('result: what a version can say survives the way there and back', (t) => {
  for (const version of SUPPORTED_VERSIONS) {
    const back = decode(JSON.parse(JSON.stringify(convertTo(RESULT, version))));
    if (isAtLeast(version, '1.0.0')) t.deepEqual(back, RESULT);
    else if (isAtLeast(version, '0.3.0')) {
      const interfaces = RESULT.interfaces.map(({ mtu: _mtu, ...known }) => known);
      t.deepEqual(back, { ...RESULT, interfaces });
    } else {
      t.deepEqual(back, {
        interfaces: [],
        ips: RESULT.ips.map(({ interface: _interface, ...known }) => known),
        routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0' }],
        dns: {},
      });
    }
    t.deepEqual(convertTo(back, version), convertTo(RESULT, version), version);
  }
});

test('result: Go’s empty values are nothing', (t) => {
  const route = { dst: '0.0.0.0/0', gw: '', mtu: 0, advmss: 0, priority: 0, table: 0, scope: 0 };
  const found = decode({
    interfaces: [{ name: 'eth0', mac: '', mtu: 0, sandbox: '', socketPath: '', pciID: '' }],
    ips: [{ version: '4', address: '10.0.0.1/8', gateway: '', interface: 0 }],
    routes: [route],
    dns: { nameservers: [], domain: '' },
  });
  t.deepEqual(found, {
    interfaces: [{ name: 'eth0' }],
    ips: [{ address: '10.0.0.1/8', interface: 0 }],
    routes: [{ dst: '0.0.0.0/0', table: 0, scope: 0 }],
    dns: { nameservers: [] },
  });
});

test('result: without a version it has that of the configuration', (t) => {
  const old = { ip4: { ip: '10.0.0.1/8' } };
  t.deepEqual(convertFrom({ key: 'r', value: old }, '0.2.0').ips, [{ address: '10.0.0.1/8' }]);
  t.deepEqual(convertFrom({ key: 'r', value: { ips: [{ address: '10.0.0.1/8' }] } }, '1.0.0').ips, [
    { address: '10.0.0.1/8' },
  ]);
});

test('result: an address plugin gives addresses, without interfaces, at least one', (t) => {
  const value = { cniVersion: '1.0.0', ...RESULT };
  t.deepEqual(convertFromIpam({ key: 'r', value }, '1.0.0'), {
    interfaces: [],
    ips: [{ address: '10.1.2.3/32', gateway: '169.254.1.1' }, { address: 'fd00::3/128' }],
    routes: RESULT.routes,
    dns: {},
  });
  t.is(
    codeOf(() => convertFromIpam({ key: 'r', value: { ips: [] } }, '1.0.0')),
    6,
  );
});

test('result: an index that is missing or leads nowhere is an error [cni 33]', (t) => {
  for (const index of [undefined, -1, 2, 2 ** 31]) {
    const ip = index === undefined ? {} : { interface: index };
    const value = { ...RESULT, ips: [{ address: '10.0.0.1/32', ...ip }] };
    const result = decode(value);
    t.is(
      codeOf(() => addressesOf(result, 'eth0')),
      6,
      String(index),
    );
  }
  t.is(
    codeOf(() => decode({ ips: [{ address: '10.0.0.1/32', interface: 'eth0' }] })),
    7,
  );
});

test('result: addresses belong to the interface in the sandbox', (t) => {
  t.deepEqual(addressesOf(RESULT, 'eth0'), RESULT.ips);
  t.deepEqual(addressesOf(RESULT, 'slc0123456789a'), [], 'that one is the host’s');
  const old = decode({ cniVersion: '0.2.0', ip4: { ip: '10.0.0.1/32' } });
  t.deepEqual(addressesOf(old, 'eth0'), [{ address: '10.0.0.1/32' }]);
  t.is(interfaceOf(old, { address: '10.0.0.1/32' }), undefined);
});

test('result: DNS of the configuration wins, even empty lists; absent, the IPAM’s stays [cni 29]', (t) => {
  const ipam: Dns = { nameservers: ['10.0.0.2'], search: ['x'] };
  const chosen = (dns: unknown) => {
    const env = new Map(Object.entries({ CNI_COMMAND: 'ADD', ...ATTACHMENT }));
    const stdin = JSON.stringify(conf({ dns }));
    return chooseDns(parseRequest('ADD', { env, stdin }).conf.dns, ipam);
  };
  t.deepEqual(chosen(undefined), ipam);
  t.deepEqual(chosen({}), ipam);
  t.deepEqual(chosen(null), ipam);
  t.deepEqual(chosen({ nameservers: ['10.0.0.9'] }), { nameservers: ['10.0.0.9'] });
  t.deepEqual(chosen({ nameservers: [], search: [] }), { nameservers: [], search: [] });
  t.deepEqual(chosen({ domain: 'd' }), { domain: 'd' });
});
