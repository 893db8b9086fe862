/** Pods that the plugin has attached, under a real agent: whom they reach, as whom, and for how long. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Namespace } from '../support/netns.js';
import { DEBIAN_PLUGINS } from '../support/runtimes/network.js';
import { type PacketSpec, packet } from '../support/frames.js';
import { until } from '../support/until.js';
import {
  FAMILIES,
  NODE,
  OUTSIDE,
  type Pod,
  type Site,
  eventually,
  siteTest,
} from './attached/site.js';
import { type Held, PEER, ask, hold, serve } from './peer.js';

const PORT = 7000;
const HOST_PORT = 18080;
const GATEWAY_MAC = '02:00:5e:00:53:01';
/** The kernel programs take a lane for dead that was silent for so long. */
const SILENT_MS = 1500;
const withoutBandwidth = existsSync(join(DEBIAN_PLUGINS, 'bandwidth'))
  ? undefined
  : 'needs containernetworking-plugins, not installed';

interface ShownLink {
  readonly mtu: number;
  readonly address: string;
  readonly xdp?: object;
}

function shownLink(ns: Namespace, name: string): ShownLink | undefined {
  return (ns.json(['ip', '-j', '-d', 'link', 'show', name]) as ShownLink[])[0];
}

/** A counter of the kernel's in a namespace, as /proc/net/snmp has it: `Tcp InCsumErrors`. */
function snmp(ns: Namespace, protocol: string, counter: string): number {
  const lines = ns.run(['cat', '/proc/net/snmp']).split('\n');
  const [names, values] = lines.filter((line) => line.startsWith(`${protocol}: `));
  const at = names?.split(' ').indexOf(counter) ?? -1;
  return Number(values?.split(' ')[at]);
}

/** UDP datagrams that reached a namespace. */
function received(ns: Namespace): number {
  const six = /Udp6InDatagrams\s+(\d+)/.exec(ns.run(['cat', '/proc/net/snmp6']));
  return snmp(ns, 'Udp', 'InDatagrams') + Number(six?.[1]);
}

async function sendRaw(pod: Pod, specs: readonly PacketSpec[]): Promise<void> {
  const frames = specs.map((spec) => Buffer.from(packet(spec)).toString('hex'));
  const { status, stderr } = await pod.ns.runAsync(['python3', PEER, 'raw', 'eth0', ...frames]);
  if (status !== 0) throw new Error(stderr);
}

siteTest(
  'attached: what a pod sends under an IP or MAC address that is not its own arrives nowhere [cni 30]',
  async (t, site) => {
    const [one, two] = [await site.add(), await site.add()];
    await serve(two.ns, PORT);
    await serve(site.outside, PORT);
    const dstMac = shownLink(site.node, one.hostIfname)?.address ?? GATEWAY_MAC;
    let sport = 20000;
    for (const family of FAMILIES) {
      for (const [where, ns] of [
        [two[family], two.ns],
        [OUTSIDE[family], site.outside],
      ] as const) {
        const udp = { proto: 'udp', dst: where, dport: PORT, dstMac, payload: 'x' } as const;
        const own = { ...udp, src: one[family], srcMac: one.mac };
        const spoofed = family === 'ipv4' ? '10.244.1.200' : 'fd00:10:244:1::200';
        // What is sent last arrives, and what was sent before it would have.
        const sent = async (...specs: PacketSpec[]): Promise<number> => {
          const before = received(ns);
          for (const spec of specs) await sendRaw(one, [{ ...spec, sport: (sport += 1) }]);
          await until(`it is at ${where}`, () => received(ns) > before);
          await delay(50);
          return received(ns) - before;
        };
        t.is(await sent(own), 1, `own addresses to ${where}`);
        t.is(await sent({ ...own, src: spoofed }, own), 1, `a stranger's address to ${where}`);
        t.is(await sent({ ...own, src: two[family] }, own), 1, `another pod's address to ${where}`);
        const foreign = { ...own, srcMac: '0a:00:00:00:00:99' };
        t.is(await sent(foreign, own), 1, `a foreign MAC to ${where}`);
        t.is(await sent({ ...own, srcMac: two.mac }, own), 1, `another pod's MAC to ${where}`);
      }
    }
    const { stdout } = await site.sluice('status');
    for (const counter of ['SPOOF_IPV4', 'SPOOF_IPV6', 'SPOOF_MAC'])
      t.regex(stdout, new RegExp(counter));
  },
);

siteTest(
  'attached: an address that a new container has got is reached at once by who knew the old one [cni 59]',
  async (t, site) => {
    const ips = ['10.244.1.77', 'fd00:10:244:1::77'];
    const [old, other] = [await site.add({ ips }), await site.add()];
    t.deepEqual([old.ipv4, old.ipv6], ips);
    await serve(old.ns, PORT, 'old');
    const peers = [other.ns, site.node];
    const clients = peers.flatMap((ns) =>
      FAMILIES.map((family) => hold(ns, 'udp', old[family], PORT)),
    );
    const pings = peers.flatMap((ns) =>
      FAMILIES.map((family) => ns.start(['stdbuf', '-oL', 'ping', '-n', '-i', '0.2', old[family]])),
    );
    try {
      for (const client of clients) t.regex(await client.ask(), / old$/);
      await old.remove();
      const next = await site.add({ ips });
      t.deepEqual([next.ipv4, next.ipv6], ips);
      t.not(next.mac, old.mac);
      await serve(next.ns, PORT, 'new');
      const answered = pings.map((ping) => ping.output().split('\n').length);
      for (const client of clients) t.regex(await client.ask(), / new$/);
      await delay(1000);
      for (const [i, ping] of pings.entries()) {
        const more = ping.output().split('\n').length - (answered[i] ?? 0);
        t.true(more >= 3, `${String(more)} answers to the ping that goes on`);
      }
    } finally {
      for (const client of clients) client.close();
      for (const ping of pings) await ping.stop('SIGINT');
    }
  },
);

/** Ask again and again while something is done. @returns answers that are not what is expected */
async function asking(
  held: Held,
  expected: string,
  end: { isOver: boolean },
): Promise<readonly string[]> {
  const wrong: string[] = [];
  while (!end.isOver) {
    const begun = performance.now();
    const said = await held.ask();
    const ms = performance.now() - begun;
    if (said !== expected || ms > 1000) wrong.push(`${said} after ${ms.toFixed(0)} ms`);
    await delay(50);
  }
  return wrong;
}

async function openConnections(site: Site): Promise<Held[]> {
  const portMappings = [{ hostPort: HOST_PORT, containerPort: PORT, protocol: 'tcp' }];
  const [server, client] = [await site.add({ portMappings }), await site.add()];
  await serve(server.ns, PORT);
  await serve(site.outside, PORT);
  return FAMILIES.flatMap((family) => [
    hold(client.ns, 'tcp', server[family], PORT),
    hold(client.ns, 'tcp', OUTSIDE[family], PORT),
    hold(client.ns, 'tcp', NODE[family], HOST_PORT),
    hold(site.outside, 'tcp', NODE[family], HOST_PORT),
    hold(site.node, 'tcp', server[family], PORT),
  ]);
}

siteTest(
  'attached: TCP goes on between pods, outside and host ports while the agent is killed and returns [cni 62]',
  async (t, site) => {
    const connections = await openConnections(site);
    try {
      const seen = await Promise.all(connections.map((held) => held.ask()));
      for (const said of seen) t.regex(said, /^[0-9a-f.:]+ \d+$/);
      const end = { isOver: false };
      const talks = connections.map((held, i) => asking(held, seen[i] ?? '', end));
      await delay(500);
      await site.stopAgent('SIGKILL');
      await delay(2 * SILENT_MS);
      await site.startAgent();
      await delay(SILENT_MS);
      end.isOver = true;
      t.deepEqual((await Promise.all(talks)).flat(), []);
      const late = await site.add();
      t.not(late.ipv4, '');
    } finally {
      for (const held of connections) held.close();
    }
  },
);

siteTest(
  'attached: the MTU of an uplink that comes up, changes or goes is followed, of others not [cni 71]',
  async (t, site) => {
    const { node } = site;
    const mtus = async (): Promise<readonly (number | undefined)[]> => {
      const pod = await site.add();
      const found = [shownLink(pod.ns, 'eth0')?.mtu, shownLink(node, pod.hostIfname)?.mtu];
      await pod.remove();
      return found;
    };
    const both = (mtu: number): number[] => [mtu, mtu];
    // VXLAN over IPv4 takes 50 bytes.
    t.deepEqual(await mtus(), both(1450));
    node.run(['ip', 'link', 'set', 'eth1', 'mtu', '1400']);
    t.deepEqual(await mtus(), both(1350), 'it has become narrower');
    node.run(['ip', 'link', 'set', 'eth1', 'down']);
    t.deepEqual(await mtus(), both(1450), 'it is down');
    node.run(['ip', 'link', 'set', 'eth1', 'up']);
    t.deepEqual(await mtus(), both(1350), 'it is up again');
    site.lab.connect({ ns: node, ifname: 'eth2' }, { ns: site.outside, ifname: 'eth2' }, 1300);
    t.deepEqual(await mtus(), both(1350), 'another interface');
    node.run(['ip', 'link', 'delete', 'eth1']);
    t.deepEqual(await mtus(), both(1450), 'it is gone');
  },
  { keys: { uplinks: [{ name: 'eth0' }, { name: 'eth1' }] } },
);

/** A TCP stream from one pod to another. @returns bits a second that arrive */
async function stream(
  t: ExecutionContext,
  from: Pod,
  to: Pod,
  address: string,
  times = ['-t', '1'],
): Promise<number> {
  const server = to.ns.start(['iperf3', '-s', '-1', '--forceflush']);
  await server.waitFor(/listening/);
  const { status, stdout } = await from.ns.runAsync(['iperf3', '-J', '-c', address, ...times]);
  await server.stop();
  interface Report {
    readonly end: { sum_received: { bytes: number; bits_per_second: number } };
  }
  const { bytes, bits_per_second: speed } = (JSON.parse(stdout) as Report).end.sum_received;
  t.is(status, 0);
  t.true(bytes > 1e6, `${bytes} bytes to ${address}`);
  return speed;
}

siteTest(
  'attached: TCP through the lane by AF_XDP arrives without a wrong checksum, offloads on [cni 77]',
  async (t, site) => {
    const [one, two] = [await site.add(), await site.add()];
    t.regex(site.log(), /port: AF_XDP/);
    for (const { ns } of [one, two]) {
      const features = ns.run(['ethtool', '-k', 'eth0']);
      t.regex(features, /tx-checksumming: on[^]*tcp-segmentation-offload: on/);
    }
    for (const family of FAMILIES) await stream(t, one, two, two[family]);
    for (const { ns } of [one, two]) t.is(snmp(ns, 'Tcp', 'InCsumErrors'), 0);
    const { stdout } = await site.sluice('flows');
    t.regex(stdout, new RegExp(`${two.ipv4}:5201`));
    t.notRegex(stdout, /^TCP .* POD +[1-9]\d*\/[1-9]/m, 'the lane moved every packet');
  },
  { keys: { offload: 'off', trunk: { kind: 'xdp' } }, tools: ['iperf3', 'ethtool'] },
);

siteTest(
  'attached: no XDP program is put on a pod link, be the uplink in XDP mode, and its super-frames stay [cni 78]',
  async (t, site) => {
    const [one, two] = [await site.add(), await site.add()];
    t.not(shownLink(site.node, 'eth0')?.xdp, undefined, 'the uplink has one');
    await serve(two.ns, PORT);
    t.regex(await ask(one.ns, 'tcp', two.ipv4, PORT), new RegExp(`^${one.ipv4} `));
    for (const { ns, hostIfname } of [one, two]) {
      t.is(shownLink(site.node, hostIfname)?.xdp, undefined);
      t.is(shownLink(ns, 'eth0')?.xdp, undefined);
      t.regex(ns.run(['ethtool', '-k', 'eth0']), /tcp-segmentation-offload: on/);
    }
    const dump = two.ns.start(['tcpdump', '-ni', 'eth0', '-c', '3', 'tcp and greater 4000']);
    await dump.waitFor(/listening/);
    await stream(t, one, two, two.ipv4);
    t.is(
      await eventually(() => (dump.child.exitCode === 0 ? undefined : 'no super-frame')),
      undefined,
    );
  },
  { keys: { uplinks: [{ name: 'eth0', mode: 'xdp' }] }, tools: ['iperf3', 'ethtool', 'tcpdump'] },
);

/** Bits a second, bits. */
const LIMIT = { ingressRate: 40_000_000, ingressBurst: 1_000_000 };
/** Bytes are counted only after the bucket has been emptied. */
const AFTER_BURST = ['-t', '3', '-O', '1'];

siteTest(
  'attached: what a chained bandwidth plugin lets in holds for flows that begin with the container',
  async (t, site) => {
    const free = await site.add();
    const limited = await site.add({ chain: [{ type: 'bandwidth', ...LIMIT }] });
    // Less than a container takes to start.
    await delay(200);
    for (const family of FAMILIES) {
      const speed = await stream(t, free, limited, limited[family], AFTER_BURST);
      const text = `${(speed / 1e6).toFixed(1)} Mbit/s to the limited pod`;
      t.true(Math.abs(speed - LIMIT.ingressRate) < 0.15 * LIMIT.ingressRate, text);
    }
    const back = await stream(t, limited, free, free.ipv4);
    t.true(back > 4 * LIMIT.ingressRate, `${(back / 1e6).toFixed(0)} Mbit/s from it`);
    await limited.check();
    await limited.remove();
  },
  { path: [DEBIAN_PLUGINS], tools: ['iperf3'], also: withoutBandwidth },
);
