import type { ExecutionContext } from 'ava';
import { type Netns, netnsAt } from '../../src/kernel/netns.js';
import { checkPodLink } from '../../src/kernel/pod-check.js';
import {
  type PodLinkSpec,
  attachmentLinkName,
  attachmentMac,
  ensurePodLink,
  removePodLink,
} from '../../src/kernel/pod-link.js';
import { GATEWAY_IPV4, GATEWAY_IPV6 } from '../../src/kernel/pod-routes.js';
import { forgetPodRules } from '../../src/kernel/pod-upkeep.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';

const NODE = { ipv4: '192.0.2.1', ipv6: 'fd00:192::1' };
const DEFAULTS = [
  ['-4', GATEWAY_IPV4],
  ['-6', GATEWAY_IPV6],
] as const;

interface Rig {
  readonly node: Namespace;
  readonly pod: Namespace;
  readonly net: Netns;
}

/** A node, and a pod with no interface. */
function rig(lab: Lab): Rig {
  const [node, pod] = [lab.namespace('node'), lab.namespace('pod')];
  for (const address of [`${NODE.ipv4}/32`, `${NODE.ipv6}/128`])
    node.run(['ip', 'address', 'add', address, 'dev', 'lo']);
  return { node, pod, net: netnsAt(node.path) };
}

/** Interface `eth<n>` with the addresses 10.1.0.1<n> and fd00:1::1<n>. */
function specOf(pod: Namespace, n: number): PodLinkSpec {
  const name = { network: 'n', containerId: 'c', ifname: `eth${n}` };
  return {
    netns: pod.path,
    ifname: name.ifname,
    hostIfname: attachmentLinkName(name),
    mac: attachmentMac(name),
    ips: [`10.1.0.1${n}`, `fd00:1::1${n}`],
    mtu: 1450,
  };
}

function routing(pod: Namespace): string {
  const shown = ['-4', '-6'].flatMap((family) => [
    pod.run(['ip', family, 'route', 'show', 'table', 'all']),
    pod.run(['ip', family, 'rule']),
  ]);
  // Reported up to a second late (linkwatch).
  return shown.join('').replaceAll(' linkdown', '');
}

function nodeAddressFor(ip: string): string {
  return ip.includes(':') ? NODE.ipv6 : NODE.ipv4;
}

/** Both directions work, and each leaves by the interface whose address it has. */
function reaches(t: ExecutionContext, { node, pod, net }: Rig, spec: PodLinkSpec): void {
  for (const ip of spec.ips) {
    const there = nodeAddressFor(ip);
    const way = pod.run(['ip', 'route', 'get', there, 'from', ip]);
    t.regex(way, new RegExp(` dev ${spec.ifname} `), `from ${ip}`);
    t.is(node.tryRun(['ping', '-c', '1', '-W', '2', ip]).status, 0, `node to ${ip}`);
    const back = pod.tryRun(['ping', '-c', '1', '-W', '2', '-I', ip, there]);
    t.is(back.status, 0, `${ip} to node`);
  }
  t.is(checkPodLink(net, spec), undefined, spec.ifname);
}

/** Nothing of an interface is left. */
function isGone(t: ExecutionContext, { pod }: Rig, { ifname, ips }: PodLinkSpec): void {
  const left = routing(pod);
  t.notRegex(left, new RegExp(`dev ${ifname}`));
  for (const ip of ips) t.false(left.includes(`from ${ip}`), ip);
}

function remove({ net }: Rig, spec: PodLinkSpec): void {
  removePodLink(net, spec.hostIfname);
  forgetPodRules(spec.netns, spec.ips);
}

labTest('pod routes: a second interface leaves the first one`s routes alone', (t, lab) => {
  const lying = rig(lab);
  const { pod, net } = lying;
  const [first, second] = [specOf(pod, 0), specOf(pod, 1)];
  t.false(ensurePodLink(net, first).hasRules);
  const before = routing(pod).split('\n');
  t.true(ensurePodLink(net, second).hasRules);
  const lines = new Set(routing(pod).split('\n'));
  t.deepEqual(
    before.filter((line) => !lines.has(line)),
    [],
  );
  for (const [family, via] of DEFAULTS) {
    const way = pod.run(['ip', family, 'route', 'show', 'default']);
    t.regex(way, new RegExp(`^default via ${via} dev eth0 .*\n.*dev eth1 `), 'it waits behind');
  }
  for (const spec of [first, second]) reaches(t, lying, spec);
  const settled = routing(pod);
  for (const spec of [second, first, second]) t.true(ensurePodLink(net, spec).adopted);
  t.is(routing(pod), settled, 'again changes nothing');
  net.close();
});

for (const [gone, left] of [
  [0, 1],
  [1, 0],
] as const) {
  labTest(`pod routes: eth${left} works on when eth${gone} has gone`, (t, lab) => {
    const lying = rig(lab);
    const { pod, net } = lying;
    const specs = [specOf(pod, 0), specOf(pod, 1)] as const;
    for (const spec of specs) ensurePodLink(net, spec);
    remove(lying, specs[gone]);
    isGone(t, lying, specs[gone]);
    reaches(t, lying, specs[left]);
    for (const to of [NODE.ipv4, NODE.ipv6]) t.is(pod.tryRun(['ping', '-c', '1', to]).status, 0);
    t.is(ensurePodLink(net, specs[gone]).hasRules, true, 'who comes again waits');
    for (const spec of specs) reaches(t, lying, spec);
    for (const spec of specs) remove(lying, spec);
    for (const spec of specs) isGone(t, lying, spec);
    net.close();
  });
}

labTest('pod routes: a default route of another plugin stays, whatever its metric', (t, lab) => {
  const lying = rig(lab);
  const { pod, net } = lying;
  const other = lab.namespace('other');
  lab.connect(
    { ns: pod, ifname: 'net1', addresses: ['198.51.100.2/24', 'fd00:198::2/64'] },
    { ns: other, ifname: 'net1', addresses: ['198.51.100.1/24', 'fd00:198::1/64'] },
  );
  pod.run(['ip', 'route', 'add', 'default', 'via', '198.51.100.1', 'metric', '100']);
  pod.run(['ip', 'route', 'add', 'default', 'via', 'fd00:198::1', 'metric', '7']);
  const spec = specOf(pod, 0);
  ensurePodLink(net, spec);
  for (const [family] of DEFAULTS) {
    const [way] = pod.run(['ip', family, 'route', 'show', 'default']).split('\n');
    t.regex(way ?? '', /dev net1/);
  }
  reaches(t, lying, spec);
  pod.run(['ip', 'link', 'delete', 'net1']);
  reaches(t, lying, spec);
  for (const to of [NODE.ipv4, NODE.ipv6]) t.is(pod.tryRun(['ping', '-c', '1', to]).status, 0);
  net.close();
});

labTest('pod routes: only the family that another interface leads out waits', (t, lab) => {
  const lying = rig(lab);
  const { pod, net } = lying;
  lab.connect(
    { ns: pod, ifname: 'net1', addresses: ['198.51.100.2/24'] },
    { ns: lab.namespace('other'), ifname: 'net1' },
  );
  pod.run(['ip', 'route', 'add', 'default', 'via', '198.51.100.1']);
  const spec = specOf(pod, 0);
  ensurePodLink(net, spec);
  t.regex(pod.run(['ip', '-4', 'rule']), /from 10\.1\.0\.10 lookup/);
  t.notRegex(pod.run(['ip', '-6', 'rule']), /fd00:1::/);
  t.regex(pod.run(['ip', '-6', 'route', 'show', 'default']), /^default via fe80::1 dev eth0/);
  reaches(t, lying, spec);
  net.close();
});

labTest(
  'pod routes: what is asked for beside the default is there for both interfaces',
  (t, lab) => {
    const lying = rig(lab);
    const { pod, net } = lying;
    const routes = [
      { dst: '10.9.0.0/16', mtu: 1400, metric: 7 },
      { dst: '10.8.0.0/16', table: 100 },
      { dst: 'fd00:9::/32' },
    ];
    const specs = [0, 1].map((n) => ({ ...specOf(pod, n), routes }));
    for (const spec of specs) ensurePodLink(net, spec);
    for (const spec of specs) reaches(t, lying, spec);
    const shown = pod.run(['ip', 'route', 'show', 'table', 'all']);
    t.regex(shown, /10\.9\.0\.0\/16 via 169\.254\.1\.1 dev eth0 .*metric 7 mtu 1400/);
    t.regex(shown, /10\.9\.0\.0\/16 via 169\.254\.1\.1 dev eth1 proto \S+ metric 8 mtu 1400/);
    t.regex(shown, /10\.8\.0\.0\/16 via 169\.254\.1\.1 dev eth0 table 100/);
    t.regex(shown, /10\.8\.0\.0\/16 via 169\.254\.1\.1 dev eth1 table 100 .*metric 1/);
    const from = pod.run(['ip', 'route', 'get', '10.9.1.1', 'from', '10.1.0.11']);
    t.regex(from, /dev eth1 table \d+ .*\n.*mtu 1400/);
    net.close();
  },
);

labTest('pod routes: what is missing of an interface that waits is said', (t, lab) => {
  const { pod, net } = rig(lab);
  const [first, second] = [specOf(pod, 0), specOf(pod, 1)];
  for (const spec of [first, second]) ensurePodLink(net, spec);
  const [, table = ''] = /from 10\.1\.0\.11 lookup (\d+)/.exec(pod.run(['ip', 'rule'])) ?? [];
  const damages: readonly (readonly [string, RegExp])[] = [
    [`-4 rule delete from 10.1.0.11`, /no rule from 10\.1\.0\.11 to table/],
    [`-6 rule delete from fd00:1::11`, /no rule from fd00:1::11 to table/],
    [`-4 route delete default table ${table}`, /no route 0\.0\.0\.0\/0 by its gateway in table/],
    [`-6 route delete default table ${table}`, /no route ::\/0 by its gateway in table/],
    [`-4 route delete default dev eth1`, /no route 0\.0\.0\.0\/0 by its gateway$/],
  ];
  for (const [harm, expected] of damages) {
    pod.run(['ip', ...harm.split(' ')]);
    t.regex(checkPodLink(net, second) ?? '', expected, harm);
    t.is(checkPodLink(net, first), undefined);
    ensurePodLink(net, second);
    t.is(checkPodLink(net, second), undefined, `mended: ${harm}`);
  }
  net.close();
});

labTest('pod routes: a link that cannot be made leaves no rules', (t, lab) => {
  const lying = rig(lab);
  const { pod, net } = lying;
  ensurePodLink(net, specOf(pod, 0));
  const before = routing(pod);
  const bad = { ...specOf(pod, 1), routes: [{ dst: '10.9.0.1/16' }] };
  t.throws(() => ensurePodLink(net, bad), { message: /10\.9\.0\.1/ });
  t.is(routing(pod), before);
  net.close();
});
