/**
 * A node of flannel's beside one of ours: its network is made with ip(8) and bridge(8), command by
 * command as flanneld and its CNI plugin make it, and knows of us what we say in our annotations.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLANNEL } from '../../src/model/vtep.js';
import { openLab } from '../support/netns.js';
import { needs } from '../support/skip.js';
import type { SiteNode } from './overlay/site.js';
import {
  closeSite,
  eventually,
  nodeObject,
  openSite,
  ping,
  podObject,
  UPLINK,
} from './overlay/site.js';

const flannelTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'bridge', 'nsenter', 'ping', 'iperf3'],
});

/** What flannel would have drawn at random. */
const MAC = { 4: '82:6e:0a:11:22:33', 6: '82:6e:0a:44:55:66' };
const VXLAN = 'id 1 dstport 8472 nolearning';

type Annotations = Readonly<Record<string, string>>;

/** flanneld's annotations of a node. */
function annotationsOf({ ipv4, ipv6 }: SiteNode): Annotations {
  return {
    [FLANNEL.BACKEND_TYPE]: 'vxlan',
    [FLANNEL.BACKEND_DATA]: JSON.stringify({ VNI: 1, VtepMAC: MAC[4] }),
    [FLANNEL.BACKEND_V6_DATA]: JSON.stringify({ VNI: 1, VtepMAC: MAC[6] }),
    [FLANNEL.PUBLIC_IP]: ipv4,
    [FLANNEL.PUBLIC_IPV6]: ipv6,
    [FLANNEL.SUBNET_MANAGER]: 'true',
  };
}

/** pkg/backend/vxlan: both devices, with the first address of each range. */
function makeDevices({ ns, ipv4, ipv6, podCIDRs }: SiteNode): void {
  const [range4, range6] = podCIDRs.map((cidr) => cidr.replace(/\/.*/, ''));
  const commands = [
    `link add flannel.1 address ${MAC[4]} mtu 1450 type vxlan ${VXLAN} local ${ipv4} dev ${UPLINK}`,
    `address add ${range4}/32 dev flannel.1`,
    'link set flannel.1 up',
    `link add flannel-v6.1 address ${MAC[6]} mtu 1430 type vxlan ${VXLAN} local ${ipv6} dev ${UPLINK}`,
    `address add ${range6}/128 dev flannel-v6.1 nodad`,
    'link set flannel-v6.1 up',
  ];
  for (const command of commands) ns.run(['ip', ...command.split(' ')] as ['ip', ...string[]]);
}

/** The bridge plugin: cni0 with the second address of each range, a pod behind it. */
function makePod({ ns, pod, podCIDRs, pod4, pod6 }: SiteNode): void {
  const [gateway4 = '', gateway6 = ''] = podCIDRs.map((cidr) =>
    cidr.replace(/\.0\/.*|::\/.*/, (tail) => (tail.startsWith('.') ? '.1' : '::1')),
  );
  const commands = [
    'link add cni0 mtu 1430 type bridge',
    `address add ${gateway4}/24 dev cni0`,
    `address add ${gateway6}/64 dev cni0 nodad`,
    'link set cni0 up',
    `link add veth0 mtu 1430 type veth peer name eth0 netns ${pod.name} mtu 1430`,
    'link set veth0 master cni0 up',
  ];
  for (const command of commands) ns.run(['ip', ...command.split(' ')] as ['ip', ...string[]]);
  ns.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  const inside = [
    'link set eth0 up',
    `address add ${pod4}/24 dev eth0`,
    `address add ${pod6}/64 dev eth0 nodad`,
    `route add default via ${gateway4}`,
    `-6 route add default via ${gateway6}`,
  ];
  for (const command of inside) pod.run(['ip', ...command.split(' ')] as ['ip', ...string[]]);
}

/** handleSubnetEvents: neighbour, forwarding entry, route, of either family. */
function meet({ ns }: SiteNode, other: SiteNode, said: Annotations): void {
  const macOf = (key: string): string =>
    (JSON.parse(said[key] ?? '{}') as { VtepMAC?: string }).VtepMAC ?? '';
  const ends = [
    ['flannel.1', macOf(FLANNEL.BACKEND_DATA), said[FLANNEL.PUBLIC_IP] ?? ''],
    ['flannel-v6.1', macOf(FLANNEL.BACKEND_V6_DATA), said[FLANNEL.PUBLIC_IPV6] ?? ''],
  ] as const;
  ends.forEach(([device, mac, address], i) => {
    const range = other.podCIDRs[i] ?? '';
    const first = range.replace(/\/.*/, '');
    ns.run(['ip', 'neigh', 'replace', first, 'lladdr', mac, 'dev', device, 'nud', 'permanent']);
    ns.run(['bridge', 'fdb', 'append', mac, 'dev', device, 'dst', address, 'self', 'permanent']);
    ns.run(['ip', 'route', 'add', range, 'via', first, 'dev', device, 'onlink']);
  });
}

flannelTest(
  'flannel: its nodes and ours reach each other by what annotations say, both families [cni 42 61]',
  async (t) => {
    const lab = openLab();
    const site = openSite(lab);
    const [ours, theirs] = site.nodes;
    site.write('nodes', [
      nodeObject(ours, 'dual'),
      nodeObject(theirs, 'dual', annotationsOf(theirs)),
    ]);
    site.write('pods', [podObject(ours)]);
    makeDevices(theirs);
    makePod(theirs);
    const agent = await site.startAgent(ours, {
      overlay: { flannel: 'on', subnetFile: 'subnet.env', network: ['10.244.0.0/16'] },
      podMTU: 1400,
    });
    try {
      const status = await agent.awaitStatus(
        ({ pods, overlay }) => pods === 1 && overlay.tunnels.length === 2,
      );
      meet(theirs, ours, status.overlay.annotations);
      for (const [i, name] of ['pod4', 'pod6'].entries()) {
        const key = i === 0 ? 'pod4' : 'pod6';
        const there = await eventually(() => ping(ours.pod, theirs[key]));
        t.is(there, undefined, `from our pod to theirs, ${name}`);
        t.is(ping(theirs.pod, ours[key]), undefined, `from their pod to ours, ${name}`);
        t.is(ping(ours.ns, theirs[key]), undefined, `from our host to their pod, ${name}`);
        t.is(ping(theirs.ns, ours[key]), undefined, `from their host to our pod, ${name}`);
      }
      for (const [server, client] of [
        [theirs, ours],
        [ours, theirs],
      ] as const) {
        await server.pod
          .start(['iperf3', '-s', '--forceflush'], { timeoutMs: 60_000 })
          .waitFor(/listening/);
        for (const address of [server.pod4, server.pod6]) {
          const { status: code, stdout } = client.pod.tryRun(['iperf3', '-c', address, '-t', '1']);
          t.is(code, 0, `TCP to ${address}: ${stdout}`);
        }
      }
      t.is(
        readFileSync(join(site.folder, 'subnet.env'), 'utf8'),
        [
          'FLANNEL_NETWORK=10.244.0.0/16',
          'FLANNEL_SUBNET=10.244.1.1/24',
          'FLANNEL_IPV6_SUBNET=fd00:244:1::1/64',
          'FLANNEL_MTU=1400',
          'FLANNEL_IPMASQ=true',
          '',
        ].join('\n'),
      );
      const [shown] = ours.pod.json(['ip', '-j', 'link', 'show', 'eth0']) as { mtu: number }[];
      t.is(shown?.mtu, 1400, 'the MTU that was asked for wins');
    } catch (error) {
      t.log(agent.running.output().slice(-3000));
      throw error;
    } finally {
      await agent.stop();
      agent.cleanUp();
      closeSite(site);
      lab.close();
    }
  },
);
