import { type Netns, netnsAt } from '../../src/kernel/netns.js';
import { ensureTrunk, removeTrunk, setServiceRoutes } from '../../src/kernel/trunk.js';
import { HOST_ALIASES } from '../../src/model/own-addresses.js';
import { type Namespace, labTest } from '../support/netns.js';

const MTU = 1500;
const POD_MTU = 1450;

/** Everything about links, addresses and routes that ip(8) shows, counters left out. */
function stateOf(ns: Namespace): string {
  const shown = [
    ['ip', '-j', '-d', 'link'],
    ['ip', '-j', 'address'],
    ['ip', '-j', 'route'],
    ['ip', '-j', '-6', 'route'],
  ] as const;
  const text = shown.map((command) => ns.run(command)).join('\n');
  // Reported up to a second late (linkwatch).
  return text.replaceAll('"NO-CARRIER",', '').replaceAll(/"operstate":"\w+",/g, '');
}

function feature(ns: Namespace, ifname: string, name: string): string | undefined {
  const shown = ns.run(['ethtool', '-k', ifname]);
  return new RegExp(`^\\s*${name}: (\\S+)`, 'm').exec(shown)?.[1];
}

function parameters(net: Netns, keys: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(keys.map((key) => [key, net.sysctl.read(key)]));
}

labTest('trunk: its parameters keep the stack out of the lane', (t, lab) => {
  const ns = lab.namespace('node');
  const net = netnsAt(ns.path);
  const trunk = ensureTrunk(net, { kind: 'xdp', mtu: MTU });
  t.like(trunk, { mtu: MTU, adopted: false });
  t.is(trunk.host.name, 'slc0');
  t.is(trunk.lane.name, 'slc1');
  for (const { name, ifindex, mac } of [trunk.host, trunk.lane]) {
    const [link] = ns.json(['ip', '-j', '-d', 'link', 'show', name]) as Record<string, unknown>[];
    t.like(link, { ifindex, address: mac, mtu: MTU, inet6_addr_gen_mode: 'none' });
    t.like(link, { num_tx_queues: 1, num_rx_queues: 1 });
    const flags = link?.['flags'] as string[];
    t.true(['NOARP', 'UP', 'LOWER_UP'].every((flag) => flags.includes(flag)));
    t.false(mac.startsWith('02:53'), 'the programs take 02:53 for a stamp');
  }
  const expected = {
    'net/ipv4/conf/slc0/rp_filter': '0',
    'net/ipv4/conf/slc0/forwarding': '1',
    'net/ipv4/conf/slc0/accept_local': '1',
    'net/ipv4/conf/slc0/route_localnet': '1',
    'net/ipv4/conf/slc1/forwarding': '0',
    'net/ipv6/conf/slc0/accept_ra': '0',
    'net/ipv6/conf/slc0/autoconf': '0',
    'net/ipv6/conf/slc1/disable_ipv6': '1',
  };
  t.deepEqual(parameters(net, Object.keys(expected)), expected);
  t.deepEqual(ns.json(['ip', '-j', '-6', 'address', 'show', 'slc0']), []);
  net.close();
});

labTest('trunk: an xdp lane gets plain frames, a packet lane whole super-frames', (t, lab) => {
  const ns = lab.namespace('node');
  const net = netnsAt(ns.path);
  const { host } = ensureTrunk(net, { kind: 'xdp', mtu: MTU });
  t.is(feature(ns, 'slc0', 'tx-checksumming'), 'off');
  t.is(feature(ns, 'slc0', 'tx-checksum-sctp'), 'off');
  t.is(feature(ns, 'slc0', 'generic-segmentation-offload'), 'off');
  const packet = ensureTrunk(net, { kind: 'packet', mtu: MTU });
  t.is(packet.host.ifindex, host.ifindex);
  t.is(feature(ns, 'slc0', 'tx-checksumming'), 'on');
  t.is(feature(ns, 'slc0', 'generic-segmentation-offload'), 'on');
  t.is(feature(ns, 'slc0', 'tx-tcp-segmentation'), 'on');
  const [link] = ns.json(['ip', '-j', '-d', 'link', 'show', 'slc0']) as Record<string, unknown>[];
  t.is(link?.['gso_max_segs'], 65535);
  net.close();
});

for (const [kind, sum] of [
  ['xdp', /\[udp sum ok\]/],
  ['packet', /\[bad udp cksum/],
] as const) {
  labTest(
    `trunk: what the node sends to a service reaches a lane of kind ${kind}`,
    async (t, lab) => {
      const ns = lab.namespace('node');
      ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
      const net = netnsAt(ns.path);
      const trunk = ensureTrunk(net, { kind, mtu: MTU });
      setServiceRoutes(net, trunk, {
        cidrs: ['10.96.0.0/12'],
        sources: ['192.0.2.1'],
        mtu: POD_MTU,
      });
      const lane = ns.start(['tcpdump', '-lnvvi', 'slc1', '-c', '1', 'udp']);
      await lane.waitFor(/listening on/);
      ns.run(['bash', '-c', 'echo hello > /dev/udp/10.96.0.1/4000']);
      const [seen] = await lane.waitFor(/192\.0\.2\.1\.\d+ > 10\.96\.0\.1\.4000.*/);
      t.regex(seen, sum, 'finished by the kernel, or left to the receiver');
      net.close();
    },
  );
}

labTest('trunk: a restart adopts it and changes nothing', (t, lab) => {
  const ns = lab.namespace('node');
  ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  const net = netnsAt(ns.path);
  const wanted = { cidrs: ['10.96.0.0/12'], sources: ['192.0.2.1'], mtu: POD_MTU };
  const first = ensureTrunk(net, { kind: 'xdp', mtu: MTU });
  setServiceRoutes(net, first, wanted);
  const before = stateOf(ns);
  const second = ensureTrunk(net, { kind: 'xdp', mtu: MTU });
  setServiceRoutes(net, second, wanted);
  t.deepEqual(second, { ...first, adopted: true });
  t.is(stateOf(ns), before);
  const resized = ensureTrunk(net, { kind: 'xdp', mtu: 1400 });
  t.is(resized.host.ifindex, first.host.ifindex);
  t.is(resized.mtu, 1400);
  net.close();
});

labTest(
  'trunk: service addresses are routed at it from the node address, both families',
  (t, lab) => {
    const ns = lab.namespace('node');
    const addresses = ['192.0.2.1/24', '2001:db8::1/64'];
    lab.connect({ ns, ifname: 'up0', addresses }, { ns, ifname: 'up1' });
    const net = netnsAt(ns.path);
    const trunk = ensureTrunk(net, { kind: 'xdp', mtu: MTU });
    const sources = ['192.0.2.1', '2001:db8::1'];
    setServiceRoutes(net, trunk, {
      cidrs: ['10.96.0.0/12', 'fd00:10:96::/112'],
      sources,
      mtu: POD_MTU,
    });
    const to = (address: string): string => ns.run(['ip', 'route', 'get', address]);
    t.regex(to('10.96.0.1'), /dev slc0 .*src 192\.0\.2\.1.* mtu 1450/s);
    t.regex(to('fd00:10:96::a'), /dev slc0 .*src 2001:db8::1/);
    setServiceRoutes(net, trunk, { cidrs: ['10.112.0.0/12'], sources, mtu: POD_MTU });
    const routed = (family: '-4' | '-6'): string[] => {
      const routes = ns.json(['ip', '-j', family, 'route', 'show', 'dev', 'slc0']);
      return (routes as { dst: string }[]).map(({ dst }) => dst);
    };
    const [alias4 = '', alias6 = ''] = HOST_ALIASES;
    t.deepEqual(routed('-4'), ['10.112.0.0/12', alias4]);
    t.deepEqual(routed('-6'), [alias6]);
    t.regex(to(alias4), /dev slc0 .*src 192\.0\.2\.1/);
    t.regex(to(alias6), /dev slc0 .*src 2001:db8::1/);
    setServiceRoutes(net, trunk, { cidrs: [], sources: ['192.0.2.1'], mtu: POD_MTU });
    t.deepEqual([routed('-4'), routed('-6')], [[alias4], []], 'a family of no address needs none');
    net.close();
  },
);

labTest('trunk: removal leaves what was there before', (t, lab) => {
  const ns = lab.namespace('node');
  ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  const net = netnsAt(ns.path);
  const before = stateOf(ns);
  const trunk = ensureTrunk(net, { kind: 'xdp', mtu: MTU });
  setServiceRoutes(net, trunk, { cidrs: ['10.96.0.0/12'], sources: ['192.0.2.1'], mtu: POD_MTU });
  t.true(removeTrunk(net));
  t.is(stateOf(ns), before);
  t.false(removeTrunk(net), 'a second removal finds nothing');
  net.close();
});

labTest(
  'trunk: a pair of its name that is another is replaced, a device of its name is not',
  (t, lab) => {
    const ns = lab.namespace('node');
    const net = netnsAt(ns.path);
    lab.connect({ ns, ifname: 'tst0' }, { ns, ifname: 'tst1' });
    const trunk = ensureTrunk(net, { kind: 'xdp', mtu: MTU, prefix: 'tst' });
    t.false(trunk.adopted);
    t.is(trunk.host.mac, '02:73:6c:63:00:00');
    const wider = ensureTrunk(net, { kind: 'xdp', mtu: MTU, prefix: 'tst', queues: 2 });
    t.false(wider.adopted);
    t.true(removeTrunk(net, 'tst'));
    ns.run(['ip', 'link', 'add', 'slc0', 'type', 'bridge']);
    t.throws(() => ensureTrunk(net, { kind: 'xdp', mtu: MTU }), {
      code: 'ERR_KERNEL',
      message: /slc0 is bridge, expected a veth/,
    });
    net.close();
  },
);

labTest('trunk: when its making fails half-way nothing is left', (t, lab) => {
  const ns = lab.namespace('node');
  const net = netnsAt(ns.path);
  const before = stateOf(ns);
  const broken: Netns = {
    ...net,
    sysctl: {
      ...net.sysctl,
      write: () => {
        throw new Error('no');
      },
    },
  };
  t.throws(() => ensureTrunk(broken, { kind: 'xdp', mtu: MTU }), { message: 'no' });
  t.is(stateOf(ns), before);
  net.close();
});
