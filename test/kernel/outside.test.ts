/** What the kernel says of the world outside: its routes, and ports that are not free. */
import { TAKEN_PORTS_SHIFT } from '../../assembly/abi.js';
import { formatCidr } from '../../src/addr.js';
import { findLink } from '../../src/kernel/link.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { listOutsideRoutes } from '../../src/kernel/outside-routes.js';
import { releasePorts, reservePorts, takenPorts } from '../../src/kernel/taken-ports.js';
import { labTest } from '../support/netns.js';
import type { Lab, Namespace } from '../support/netns.js';

const NODE4 = '192.0.2.1';
const NODE6 = 'fd00:192::1';

function node(lab: Lab): Namespace {
  const ns = lab.namespace('node');
  const far = lab.namespace('far');
  lab.connect(
    { ns, ifname: 'eth0', addresses: [`${NODE4}/24`, `${NODE6}/64`] },
    { ns: far, ifname: 'eth0' },
  );
  lab.connect({ ns, ifname: 'eth1', addresses: ['198.51.100.1/24'] }, { ns: far, ifname: 'eth1' });
  return ns;
}

/** `0.0.0.0/0 eth0`, `172.17.0.0/16 -`: the rows, sorted. */
function routesOf(ns: Namespace, uplinks: readonly string[]): string[] {
  const net = netnsAt(ns.path);
  try {
    const names = new Map(
      ['eth0', 'eth1'].map((name) => [findLink(net.rtnl, name)?.ifindex ?? 0, name]),
    );
    const indices = [...names].filter(([, name]) => uplinks.includes(name)).map(([i]) => i);
    const options = { uplinks: new Set(indices), nodeAddresses: [NODE4, NODE6] };
    return listOutsideRoutes(net, options)
      .routes.map(({ cidr, uplink }) => {
        return `${formatCidr(cidr)} ${uplink === undefined ? '-' : (names.get(uplink) ?? '?')}`;
      })
      .sort();
  } finally {
    net.close();
  }
}

labTest('outside routes: those out of an uplink, and what differs within them', (t, lab) => {
  const ns = node(lab);
  t.deepEqual(routesOf(ns, ['eth0']), ['192.0.2.0/24 eth0', 'fd00:192::/64 eth0']);
  ns.run(['ip', 'route', 'add', 'default', 'via', '192.0.2.9']);
  t.deepEqual(
    routesOf(ns, ['eth0']),
    ['0.0.0.0/0 eth0', '198.51.100.0/24 -', 'fd00:192::/64 eth0'],
    'what a wider one says is left out',
  );
  ns.run(['ip', 'route', 'add', '203.0.113.0/24', 'via', '192.0.2.10']);
  ns.run(['ip', 'route', 'add', 'blackhole', '10.9.0.0/16']);
  ns.run(['ip', 'route', 'add', '10.96.0.0/16', 'dev', 'eth0', 'proto', '83']);
  t.deepEqual(
    routesOf(ns, ['eth0']),
    ['0.0.0.0/0 eth0', '10.9.0.0/16 -', '198.51.100.0/24 -', 'fd00:192::/64 eth0'],
    "Sluice's own are none",
  );
  t.deepEqual(routesOf(ns, []), [], 'without an uplink nothing is outside');
});

labTest(
  'outside routes: a way that does not carry the node’s address is the kernel’s',
  (t, lab) => {
    const ns = node(lab);
    ns.run(['ip', 'route', 'add', 'default', 'via', '198.51.100.9']);
    ns.run(['ip', 'route', 'add', '203.0.113.0/24', 'via', '198.51.100.9', 'src', NODE4]);
    t.deepEqual(routesOf(ns, ['eth0', 'eth1']), [
      '192.0.2.0/24 eth0',
      '203.0.113.0/24 eth1',
      'fd00:192::/64 eth0',
    ]);
  },
);

labTest('outside routes: of two to one prefix the one with the least metric counts', (t, lab) => {
  const ns = node(lab);
  ns.run(['ip', 'route', 'add', 'default', 'via', '198.51.100.9', 'metric', '200']);
  ns.run(['ip', 'route', 'add', 'default', 'via', '192.0.2.9', 'metric', '100']);
  t.true(routesOf(ns, ['eth0']).includes('0.0.0.0/0 eth0'));
  ns.run(['ip', 'route', 'delete', 'default', 'metric', '100']);
  t.false(routesOf(ns, ['eth0']).some((text) => text.startsWith('0.0.0.0/0')));
});

labTest(
  'outside routes: more than can be followed leave pods masqueraded, and are told',
  (t, lab) => {
    const ns = node(lab);
    const batch = Array.from({ length: 2500 }, (_, i) => {
      const [device, via] = i % 50 === 0 ? ['eth1', '198.51.100.9'] : ['eth0', '192.0.2.9'];
      return `route add 10.${(2 * i) >> 8}.${(2 * i) & 255}.0/24 via ${via} dev ${device}\n`;
    }).join('');
    ns.run(['ip', '-batch', '-'], { input: batch });
    const routes = routesOf(ns, ['eth0']);
    t.true(routes.includes('0.0.0.0/0 eth0'));
    t.is(routes.filter((text) => text.endsWith('/24 -')).length, 51, 'what leaves by eth1');
  },
);

function taken(ns: Namespace): number[] {
  const net = netnsAt(ns.path);
  try {
    const bits = takenPorts(net);
    return [...bits].flatMap((byte, i) =>
      Array.from({ length: 8 }, (_, bit) => bit)
        .filter((bit) => (byte >> bit) & 1)
        .map((bit) => (i * 8 + bit) << TAKEN_PORTS_SHIFT),
    );
  } finally {
    net.close();
  }
}

const LISTEN = `
import socket, time
held = []
for family, kind, port in ((2, 1, 16384), (10, 1, 17001), (2, 2, 24575), (10, 2, 20000), (2, 1, 8080)):
    sock = socket.socket(family, kind)
    sock.bind(('::1' if family == 10 else '127.0.0.1', port))
    if kind == 1: sock.listen()
    held.append(sock)
print('ready', flush=True)
time.sleep(60)
`;

labTest(
  'taken ports: every socket of the host that has one, the VXLAN device’s too [cni 68]',
  async (t, lab) => {
    const ns = lab.namespace('node');
    t.deepEqual(taken(ns), []);
    ns.run([
      'ip',
      'link',
      'add',
      'vx',
      'type',
      'vxlan',
      'id',
      '7',
      'dstport',
      '18472',
      'local',
      '127.0.0.1',
    ]);
    ns.run(['ip', 'link', 'set', 'vx', 'up']);
    const program = ns.start(['python3', '-c', LISTEN]);
    await program.waitFor(/ready/);
    t.deepEqual(taken(ns), [8080, 16384, 17000, 18472, 20000, 24572]);
    await program.stop();
  },
);

labTest('reserved ports: ours are added to the list, and taken out of it again', (t, lab) => {
  const ns = lab.namespace('node');
  const net = netnsAt(ns.path);
  const key = 'net/ipv4/ip_local_reserved_ports';
  try {
    for (const before of ['', '80,35000-35010', '20000-31000', '1024-29999', '30000']) {
      net.sysctl.write(key, before);
      const said = reservePorts(net.sysctl);
      const list = net.sysctl.read(key) ?? '';
      t.regex(list, /(^|,)1024-(29999|30000|31000)(,|$)/, before);
      t.is(reservePorts(net.sysctl), undefined, 'once is enough');
      releasePorts(net.sysctl, said ?? before);
      t.is(net.sysctl.read(key), before);
    }
  } finally {
    net.close();
  }
});
