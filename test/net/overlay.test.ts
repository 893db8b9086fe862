/** Pods of different nodes, with a router between the nodes that knows no pods. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Namespace } from '../support/netns.js';
import { openLab } from '../support/netns.js';
import { needs } from '../support/skip.js';
import {
  type Site,
  type SiteAgent,
  type Underlay,
  closeSite,
  eventually,
  nodeObject,
  nodeSpec,
  openSite,
  ping,
} from './overlay/site.js';

const overlayTest = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'bridge', 'nsenter', 'ping', 'iperf3', 'tcpdump'],
});

const PORT = 5201;
const NODE_PORT = 30201;
const CLUSTER_IP = '10.96.0.10';
/** So that what others have changed is put right soon. */
const KUBE_PROXY = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'nftables',
  nftables: { syncPeriod: '2s', minSyncPeriod: '0s' },
};

interface Running {
  readonly site: Site;
  readonly agents: [SiteAgent, SiteAgent];
}

/** Both nodes under agents, everything programmed; gone when the body is over. */
async function withNodes(
  t: ExecutionContext,
  options: { underlay?: Underlay; keys?: object },
  body: (running: Running) => Promise<void>,
): Promise<void> {
  const lab = openLab();
  const site = openSite(lab, options.underlay ? { underlay: options.underlay } : {});
  const agents: SiteAgent[] = [];
  try {
    site.write('service', serviceObjects(site));
    writeFileSync(join(site.folder, 'kube-proxy.yaml'), JSON.stringify(KUBE_PROXY));
    const keys = { kubeProxyConfiguration: 'kube-proxy.yaml', ...options.keys };
    for (const node of site.nodes) agents.push(await site.startAgent(node, keys));
    for (const agent of agents) await agent.awaitStatus((s) => s.pods === 1 && s.control.synced);
    await body({ site, agents: agents as [SiteAgent, SiteAgent] });
  } catch (error) {
    for (const { running } of agents) t.log(running.output().slice(-1500));
    throw error;
  } finally {
    for (const agent of agents) {
      await agent.stop();
      agent.cleanUp();
    }
    for (const { ns } of site.nodes) t.notRegex(ns.run(['ip', 'link']), /slv[46]|slc/);
    closeSite(site);
    lab.close();
  }
}

/** A node port that leads to the second node's pod only. */
function serviceObjects({ nodes: [, b] }: Site): object[] {
  const port = { name: 'p', protocol: 'TCP' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'far', namespace: 'default' },
      spec: {
        type: 'NodePort',
        clusterIP: CLUSTER_IP,
        clusterIPs: [CLUSTER_IP],
        ipFamilies: ['IPv4'],
        ports: [{ ...port, port: 80, targetPort: PORT, nodePort: NODE_PORT }],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'far-1',
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': 'far' },
      },
      addressType: 'IPv4',
      ports: [{ ...port, port: PORT }],
      endpoints: [{ addresses: [b.pod4], nodeName: b.name, conditions: { ready: true } }],
    },
  ];
}

/** @returns megabits a second of a TCP stream of a second; 0 when none came about */
function stream(from: Namespace, address: string, port = PORT): number {
  const { status, stdout } = from.tryRun(
    ['iperf3', '-c', address, '-p', String(port), '-t', '1', '-J', '--connect-timeout', '3000'],
    { timeoutMs: 15_000 },
  );
  if (status !== 0) return 0;
  const { end } = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return end.sum_received.bits_per_second / 1e6;
}

async function everythingReaches(t: ExecutionContext, { site }: Running): Promise<void> {
  const [a, b] = site.nodes;
  t.is(await eventually(() => ping(a.pod, b.pod4)), undefined, 'pod to pod, IPv4');
  t.is(await eventually(() => ping(a.pod, b.pod6)), undefined, 'pod to pod, IPv6');
  t.is(ping(a.ns, b.pod4), undefined, 'host to pod, IPv4');
  t.is(ping(a.ns, b.pod6), undefined, 'host to pod, IPv6');
  await b.pod.start(['iperf3', '-s', '--forceflush'], { timeoutMs: 100_000 }).waitFor(/listening/);
  for (const address of [b.pod4, b.pod6]) {
    t.true(stream(a.pod, address) > 100, `pod to pod, TCP to ${address}`);
    t.true(stream(a.ns, address) > 100, `host to pod, TCP to ${address}`);
  }
  t.true(stream(a.pod, CLUSTER_IP, 80) > 100, 'pod to a service beyond');
  t.true(stream(a.ns, CLUSTER_IP, 80) > 100, 'host to a service beyond');
}

overlayTest(
  'overlay: pods, hosts, services and node ports reach over a router, super-frames whole [cni 61 76]',
  async (t) => {
    await withNodes(t, {}, async (running) => {
      await everythingReaches(t, running);
      const { site } = running;
      const [a, b] = site.nodes;
      t.true(stream(site.router, a.ipv4, NODE_PORT) > 100, 'node port to a pod beyond');
      t.is(ping(a.pod, b.ipv4), undefined, 'pod to the other host');
      for (const [what, address, port] of [
        ['untranslated', b.pod4, PORT],
        ['untranslated', b.pod6, PORT],
        ['translated', CLUSTER_IP, 80],
      ] as const) {
        const beyond = address === b.pod6 ? b.pod6 : b.pod4;
        const long = `tcp and dst host ${beyond} and greater 4000`;
        const dump = a.ns.start(['tcpdump', '-ni', 'slv4', '-c', '5', long]);
        await dump.waitFor(/listening/);
        stream(a.pod, address, port);
        const { status } = await dump.done;
        t.is(status, 0, `${what}: packets longer than the MTU are on the tunnel device`);
      }
      const [shown] = a.pod.json(['ip', '-j', 'link', 'show', 'eth0']) as { mtu: number }[];
      t.is(shown?.mtu, 1450, 'the MTU of pods leaves room for what is put around');
    });
  },
);

overlayTest('overlay: IPv6 between the nodes carries both families [cni 61]', async (t) => {
  await withNodes(t, { underlay: 'ipv6' }, async (running) => {
    await everythingReaches(t, running);
    const [a] = running.site.nodes;
    t.regex(a.ns.run(['ip', '-d', 'link', 'show', 'slv6']), /mtu 1430 .*local fd00:101::2/s);
    t.throws(() => a.ns.run(['ip', 'link', 'show', 'slv4']));
  });
});

/** Have the router take packets of 1400 bytes only, and say so. */
function narrow({ router }: Site): void {
  for (const i of [1, 2]) {
    const tail = ['dev', `r${i}`, 'proto', 'kernel', 'mtu', 'lock', '1400'] as const;
    router.run(['ip', 'route', 'replace', `10.10${i}.0.0/24`, 'scope', 'link', ...tail]);
  }
}

overlayTest(
  'overlay: a narrow path is learnt: DF is answered with the MTU inside, others are cut [cni 63 70]',
  async (t) => {
    await withNodes(t, {}, async ({ site }) => {
      const [a, b] = site.nodes;
      t.is(await eventually(() => ping(a.pod, b.pod4)), undefined);
      t.is(await eventually(() => ping(a.pod, b.pod6)), undefined);
      narrow(site);
      ping(a.pod, b.pod4, '-s', '10000');
      // What the second node sends back has to learn as well.
      const second = await eventually(() => ping(a.pod, b.pod4, '-s', '10000'), 20_000);
      t.is(second, undefined, 'ten thousand bytes in fragments');
      const tooBig = (address: string): string | undefined => {
        const said = ping(a.pod, address, '-M', 'do', '-s', '1400') ?? '';
        return /mtu ?= ?1350/i.test(said) ? undefined : said;
      };
      t.is(await eventually(() => tooBig(b.pod4)), undefined, 'ICMP 3/4 with 1350');
      t.is(await eventually(() => tooBig(b.pod6)), undefined, 'ICMPv6 type 2 with 1350');
      await b.pod
        .start(['iperf3', '-s', '--forceflush'], { timeoutMs: 30_000 })
        .waitFor(/listening/);
      t.true(stream(a.pod, b.pod4) > 100, 'TCP over the narrow path');
    });
  },
);

overlayTest(
  'overlay: a tunnel that is deleted or changed is restored, a restart breaks nothing [cni 62 66]',
  async (t) => {
    await withNodes(t, {}, async ({ site, agents }) => {
      const [a, b] = site.nodes;
      const reaches = () => ping(a.pod, b.pod4) ?? ping(a.ns, b.pod4);
      t.is(await eventually(reaches), undefined);
      const indexOf = (): string =>
        a.ns.tryRun(['ip', '-o', 'link', 'show', 'slv4']).stdout.split(':')[0] ?? '';
      const first = indexOf();
      a.ns.run(['ip', 'link', 'delete', 'slv4']);
      const isBack = () => (/^\d+$/.test(indexOf()) && indexOf() !== first ? undefined : 'gone');
      t.is(await eventually(isBack), undefined, 'another device is there');
      t.is(await eventually(reaches), undefined, 'after the device was deleted');
      const said = (): string =>
        [
          'ip -br address show slv4',
          'bridge fdb show dev slv4',
          'ip route',
          'ip neigh show dev slv4',
        ]
          .map((line) => a.ns.run(line.split(' ') as [string, ...string[]]))
          .join('')
          .replace(/^10.101.*$/gm, '');
      const before = said();
      a.ns.run(['ip', 'route', 'delete', '10.244.2.0/24']);
      a.ns.run(['ip', 'address', 'delete', '10.244.1.0/32', 'dev', 'slv4']);
      a.ns.run(['ip', 'address', 'add', '10.9.9.9/32', 'dev', 'slv4']);
      a.ns.run(['ip', 'neigh', 'flush', 'nud', 'permanent', 'dev', 'slv4']);
      const [mac = ''] = a.ns.run(['bridge', 'fdb', 'show', 'dev', 'slv4']).split(' ');
      a.ns.run(['bridge', 'fdb', 'delete', mac, 'dev', 'slv4', 'dst', b.ipv4]);
      a.ns.run(['bridge', 'fdb', 'add', '06:00:00:00:00:09', 'dev', 'slv4', 'dst', '10.9.9.9']);
      t.is(await eventually(() => (said() === before ? undefined : said())), undefined);
      t.is(await eventually(reaches), undefined, 'after it was changed');

      const [shown] = a.ns.json(['ip', '-j', 'link', 'show', 'slv4']) as { ifindex: number }[];
      const talk = a.pod.start(['ping', '-n', '-i', '0.1', '-c', '80', b.pod4]);
      await delay(1000);
      await agents[0].stop();
      await delay(1000);
      agents[0] = await site.startAgent(a, { kubeProxyConfiguration: 'kube-proxy.yaml' });
      await agents[0].awaitStatus((s) => s.pods === 1 && s.control.synced);
      const { stdout } = await talk.done;
      t.regex(stdout, / 0% packet loss/);
      const [after] = a.ns.json(['ip', '-j', 'link', 'show', 'slv4']) as { ifindex: number }[];
      t.is(after?.ifindex, shown?.ifindex, 'the tunnel is the same');
    });
  },
);

/** A node may be a router, and others may have tunnels of the same port and network. */
function passesOnOthersTunnels(t: ExecutionContext, { nodes: [a], router }: Site): void {
  const commands = [
    'link add beyond type veth peer name behind',
    'link set beyond addrgenmode none up',
    'link set behind addrgenmode none up',
    'route add 198.51.100.0/24 dev beyond',
    'neigh add 198.51.100.7 lladdr 0a:00:00:00:00:07 dev beyond nud permanent',
  ];
  for (const command of commands) a.ns.run(['ip', ...command.split(' ')]);
  router.run(['ip', 'route', 'add', '198.51.100.0/24', 'via', a.ipv4]);
  const sent = (): number => {
    const shown = a.ns.json(['ip', '-j', '-s', 'link', 'show', 'beyond']);
    const [{ stats64 }] = shown as [{ stats64: { tx: { packets: number } } }];
    return stats64.tx.packets;
  };
  const before = sent();
  const vxlan = String.raw`\x08\0\0\0\0\0\1\0 somebody else's`;
  router.run(['bash', '-c', `printf "${vxlan}" > /dev/udp/198.51.100.7/8472`]);
  t.is(sent(), before + 1, 'a tunnel packet that ends elsewhere');
}

overlayTest(
  'overlay: tunnel packets are taken from addresses of nodes, and of nobody else [cni 67]',
  async (t) => {
    await withNodes(t, {}, async ({ site }) => {
      const [a, b] = site.nodes;
      const { router } = site;
      t.is(await eventually(() => ping(a.pod, b.pod4)), undefined);
      const [shown] = a.ns.json(['ip', '-j', 'link', 'show', 'slv4']) as { address: string }[];
      const mac = shown?.address ?? '';
      const commands = [
        'link add vx0 type vxlan id 1 dstport 8472 local 10.101.0.1 nolearning',
        'link set vx0 up',
        'address add 10.244.9.1/32 dev vx0',
        `neigh add 10.244.1.0 lladdr ${mac} dev vx0 nud permanent`,
        'route add 10.244.1.0/24 via 10.244.1.0 dev vx0 onlink src 10.244.9.1',
      ];
      for (const command of commands) router.run(['ip', ...command.split(' ')]);
      router.run(['bridge', 'fdb', 'append', mac, 'dev', 'vx0', 'dst', a.ipv4]);
      t.not(ping(router, a.pod4), undefined, 'a stranger');
      const stranger = { ...nodeSpec(9), ipv4: '10.101.0.1' };
      site.write('stranger', [nodeObject(stranger, 'ipv4')]);
      t.is(await eventually(() => ping(router, a.pod4)), undefined, 'a node');
      site.write('stranger', []);
      const refused = () => (ping(router, a.pod4) === undefined ? 'still answered' : undefined);
      t.is(await eventually(refused), undefined, 'a stranger again');
      passesOnOthersTunnels(t, site);
    });
  },
);
