import test from 'ava';
import { formatAddress, formatMac } from '../../src/addr.js';
import { PLAIN_OVERLAY, waysTo } from '../../src/compile/overlay.js';
import type { OverlayView } from '../../src/compile/overlay.js';
import { projectNode } from '../../src/model/nodes.js';
import { FLANNEL, vtepMacOf } from '../../src/model/vtep.js';
import { podMtu, trunkMtu } from '../../src/agent/mtu.js';
import type { MtuUplink } from '../../src/agent/mtu.js';
import { parseConfig } from '../../src/config/config.js';

const BOTH = new Set([4, 6] as const);

function peer(ips: readonly string[], annotations: Record<string, string> = {}) {
  return projectNode({
    metadata: { name: 'b', annotations },
    spec: { podCIDRs: ['10.244.2.0/24', 'fd00:244:2::/64'] },
    status: { addresses: ips.map((address) => ({ type: 'InternalIP', address })) },
  });
}

/** In words: by what, to whom, in what. */
function words(
  node: ReturnType<typeof peer>,
  view: Partial<OverlayView>,
  own: ReadonlySet<4 | 6> = BOTH,
): string[] {
  return waysTo(node, own, { ...PLAIN_OVERLAY, ...view }).map((way) =>
    way.by === 'direct'
      ? `direct ${way.via ? formatAddress(way.via) : '-'}`
      : `v${way.family} ${formatAddress(way.remote)} ${formatMac(way.mac)} ${way.mtu ?? '-'}`,
  );
}

const OWN_MAC = formatMac(vtepMacOf('b'));

test('overlay: auto goes straight to who is on a link, in VXLAN to others, IPv4 around first', (t) => {
  const node = peer(['192.0.2.2', '2001:db8::2']);
  const tunnel = `v4 192.0.2.2 ${OWN_MAC} -`;
  t.deepEqual(words(node, { mode: 'auto' }), [tunnel, tunnel]);
  const onLink = new Set(['192.0.2.2']);
  t.deepEqual(words(node, { mode: 'auto', onLink }), ['direct 192.0.2.2', tunnel]);
  t.deepEqual(words(node, { mode: 'vxlan', onLink }), [tunnel, tunnel]);
  t.deepEqual(words(node, { mode: 'direct' }), ['direct 192.0.2.2', 'direct 2001:db8::2']);
  t.deepEqual(words(node, { mode: 'off' }), []);
  const tunnel6 = `v6 2001:db8::2 ${OWN_MAC} -`;
  t.deepEqual(words(node, { mode: 'vxlan' }, new Set([6] as const)), [tunnel6, tunnel6]);
  t.deepEqual(words(peer(['192.0.2.2']), { mode: 'vxlan' }, new Set([6] as const)), []);
});

test('overlay: what annotations of flannel say counts, of another network it does not', (t) => {
  const said = (vni: number): Record<string, string> => ({
    [FLANNEL.BACKEND_TYPE]: 'vxlan',
    [FLANNEL.BACKEND_DATA]: `{"VNI":${vni},"VtepMAC":"82:00:00:00:00:04"}`,
    [FLANNEL.BACKEND_V6_DATA]: `{"VNI":${vni},"VtepMAC":"82:00:00:00:00:06"}`,
    [FLANNEL.PUBLIC_IP]: '198.51.100.2',
    [FLANNEL.PUBLIC_IPV6]: '2001:db8:1::2',
  });
  const ips = ['192.0.2.2', '2001:db8::2'];
  t.deepEqual(words(peer(ips, said(1)), { mode: 'vxlan' }), [
    'v4 198.51.100.2 82:00:00:00:00:04 -',
    'v6 2001:db8:1::2 82:00:00:00:00:06 -',
  ]);
  const moved = { ...said(1), [FLANNEL.PUBLIC_IP_OVERWRITE]: '203.0.113.2' };
  t.is(words(peer(ips, moved), { mode: 'vxlan' })[0], 'v4 203.0.113.2 82:00:00:00:00:04 -');
  t.deepEqual(words(peer(ips, said(7)), { mode: 'vxlan' }), []);
  const hostGw = { [FLANNEL.BACKEND_TYPE]: 'host-gw' };
  t.is(words(peer(ips, hostGw), { mode: 'auto' })[0], 'direct 192.0.2.2');
  const broken = { ...said(1), [FLANNEL.BACKEND_DATA]: '{"VNI":"x"}' };
  t.regex(peer(ips, broken).ignored.join(), /backend-data/);
});

test('overlay: a narrow path narrows the packets inside, never below what a link has to take', (t) => {
  const node = peer(['192.0.2.2']);
  const at = (mtu: number): string[] =>
    words(node, { mode: 'vxlan', pathMtus: new Map([['192.0.2.2', mtu]]) });
  t.deepEqual(at(1400), [`v4 192.0.2.2 ${OWN_MAC} 1350`, `v4 192.0.2.2 ${OWN_MAC} 1350`]);
  t.deepEqual(at(600), [`v4 192.0.2.2 ${OWN_MAC} 576`, `v4 192.0.2.2 ${OWN_MAC} 1280`]);
});

test('overlay: the MAC of an end follows from the name and is no stamp', (t) => {
  t.deepEqual(vtepMacOf('a'), vtepMacOf('a'));
  t.notDeepEqual(vtepMacOf('a'), vtepMacOf('b'));
  t.is((vtepMacOf('a')[0] ?? 0) & 3, 2, 'locally administered, unicast');
  t.not(formatMac(vtepMacOf('a')).slice(0, 5), '02:53');
});

test('overlay: pods get the least MTU of uplinks that are up, less what is put around [cni 71]', (t) => {
  const config = (more = ''): ReturnType<typeof parseConfig> =>
    parseConfig(
      `apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nnodeName: n1\nsource: {files: x}\nuplinks: [{name: eth0}, {name: eth1}]\n${more}`,
      '/x',
      'n',
    );
  const link = (mtu: number, up: boolean, address = '192.0.2.1/24'): MtuUplink => ({
    ...{ mtu, up },
    addresses: [address],
  });
  t.is(podMtu(config(), [link(1500, true), link(1400, false)]), 1450);
  t.is(podMtu(config(), [link(1500, true), link(1400, true)]), 1350);
  t.is(podMtu(config(), [link(1500, true, '2001:db8::1/64')]), 1430);
  t.is(podMtu(config(), [link(1500, true)], [6]), 1430);
  t.is(podMtu(config('overlay: {mode: direct}'), [link(1500, true)]), 1500);
  t.is(podMtu(config('podMTU: 1300'), [link(1500, true)]), 1300);
  t.is(podMtu(config(), [link(9000, true)]), 2048 - 256 - 14);
  t.is(podMtu(config(), []), 1500);
  // What comes by the wide uplink climbs as long as it is.
  t.is(trunkMtu(config(), [link(1500, true), link(1400, true)]), 1500);
  t.is(trunkMtu(config('podMTU: 1600'), [link(1500, true)]), 1600);
  t.is(trunkMtu(config(), [link(9000, true)]), 2048 - 256 - 14);
  t.is(trunkMtu(config(), []), 1500);
});
