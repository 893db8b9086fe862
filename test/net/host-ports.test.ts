/** Ports of the node that lead to pods, as the plugin's portMappings ask, with real clients. */
import { PluginError } from '../support/libcni/exec.js';
import type { Json } from '../support/libcni/config.js';
import { type PeerProtocol, ask, hold, serve } from './peer.js';
import { compilePeer, withoutSctp } from './sctp-peer.js';
import {
  FAMILIES,
  NODE,
  OUTSIDE,
  type Pod,
  SECOND,
  eventually,
  siteTest,
} from './attached/site.js';

const PROTOCOLS: readonly PeerProtocol[] = ['tcp', 'udp'];
/** In the pods. */
const PORT = 7000;
const HOST_PORT = 18080;
const TWO_UPLINKS = { uplinks: [{ name: 'eth0' }, { name: 'eth1' }] };

/** A host port for each protocol. */
function mapping(hostPort: number, hostIP?: string): Json[] {
  return PROTOCOLS.map((protocol) => ({
    ...{ hostPort, containerPort: PORT, protocol },
    ...(hostIP === undefined ? {} : { hostIP }),
  }));
}

const isFrom = (address: string, name: string): RegExp => new RegExp(`^${address} \\d+ ${name}$`);

siteTest(
  'hostPort: outside, node, other pods and the pod itself reach it over TCP and UDP [cni 73]',
  async (t, site) => {
    const { node, outside } = site;
    const pod = await site.add({ portMappings: mapping(HOST_PORT) });
    const other = await site.add();
    await serve(pod.ns, PORT, 'one');
    for (const protocol of PROTOCOLS) {
      for (const family of FAMILIES) {
        const at = NODE[family];
        const what = `${protocol} ${family}`;
        const from = (who: Pod | { ns: typeof node }) => ask(who.ns, protocol, at, HOST_PORT);
        t.regex(await from({ ns: outside }), isFrom(OUTSIDE[family], 'one'), `${what}: outside`);
        t.regex(await from(other), isFrom(other[family], 'one'), `${what}: other pod`);
        t.regex(await from({ ns: node }), isFrom(NODE[family], 'one'), `${what}: node`);
        t.regex(await from(pod), isFrom(NODE[family], 'one'), `${what}: itself`);
      }
      const second = await ask(outside, protocol, SECOND.node, HOST_PORT);
      t.regex(second, isFrom(SECOND.outside, 'one'), `${protocol}: by the other uplink`);
      const local = await ask(node, protocol, '127.0.0.1', HOST_PORT);
      t.regex(local, isFrom(NODE.ipv4, 'one'), `${protocol}: localhost`);
    }
    await pod.check();
    await pod.remove();
    t.regex(await ask(outside, 'tcp', NODE.ipv4, HOST_PORT), /refused/, 'gone with the pod');
  },
  { keys: TWO_UPLINKS },
);

siteTest(
  'hostPort: SCTP associations reach it from outside and from the node',
  async (t, site) => {
    const peer = compilePeer(site.folder);
    const mapped = { hostPort: HOST_PORT, containerPort: PORT, protocol: 'sctp' };
    const pod = await site.add({ portMappings: [mapped] });
    for (const family of FAMILIES) {
      for (const [from, own] of [
        [site.outside, OUTSIDE[family]],
        [site.node, NODE[family]],
      ] as const) {
        const server = pod.ns.start([peer, 'server', pod[family], String(PORT)]);
        await server.waitFor(/ready/);
        const words = ['client', NODE[family], String(HOST_PORT), 'over SCTP', own] as const;
        const { stdout, stderr } = await from.runAsync([peer, ...words]);
        t.is(stdout, 'over SCTP\n', `${own}: ${stderr}`);
        await server.stop();
      }
    }
  },
  { tools: ['gcc'], also: withoutSctp() },
);

siteTest(
  'hostPort: a process of the node at that port is hidden while a pod has it, with a warning',
  async (t, site) => {
    const { node, outside } = site;
    await serve(node, HOST_PORT, 'process');
    const pod = await site.add({ portMappings: mapping(HOST_PORT) });
    await serve(pod.ns, PORT, 'pod');
    for (const protocol of PROTOCOLS) {
      const warning = `hostPort ${HOST_PORT}/${protocol.toUpperCase()}: a process of the node has it`;
      t.true(site.log().includes(warning), site.log());
      t.regex(await ask(outside, protocol, NODE.ipv4, HOST_PORT), / pod$/);
      t.regex(await ask(node, protocol, NODE.ipv4, HOST_PORT), / pod$/);
    }
    await pod.remove();
    for (const protocol of PROTOCOLS) {
      t.regex(await ask(outside, protocol, NODE.ipv4, HOST_PORT), / process$/);
      t.regex(await ask(node, protocol, NODE.ipv4, HOST_PORT), / process$/);
    }
  },
);

siteTest(
  'hostPort: the next pod has a UDP port at once, from clients that kept their socket [cni 73]',
  async (t, site) => {
    const portMappings = mapping(HOST_PORT);
    const one = await site.add({ portMappings });
    await serve(one.ns, PORT, 'one');
    const clients = FAMILIES.map((family) => hold(site.outside, 'udp', NODE[family], HOST_PORT));
    const local = hold(site.node, 'udp', '127.0.0.1', HOST_PORT);
    try {
      for (const client of [...clients, local]) t.regex(await client.ask(), / one$/);
      await one.remove();
      const two = await site.add({ portMappings });
      await serve(two.ns, PORT, 'two');
      for (const client of [...clients, local]) t.regex(await client.ask(), / two$/);
      t.regex(await ask(site.outside, 'tcp', NODE.ipv4, HOST_PORT), / two$/);
    } finally {
      for (const client of [...clients, local]) client.close();
    }
  },
);

siteTest(
  'hostPort: what another pod has is refused with its name, and nothing is kept [cni 73]',
  async (t, site) => {
    const portMappings = mapping(HOST_PORT);
    const first = await site.add({ portMappings });
    const refused = await t.throwsAsync(() => site.add({ portMappings }), {
      instanceOf: PluginError,
    });
    t.is(refused.code, 11);
    t.regex(
      refused.message,
      new RegExp(`^hostPort ${HOST_PORT}/TCP: taken by cni:pods/${first.containerId}/eth0$`),
    );
    for (const [wrong, text] of [
      [{ hostPort: 70_000, containerPort: 80, protocol: 'tcp' }, /hostPort/],
      [{ hostPort: 81, containerPort: 0, protocol: 'tcp' }, /containerPort/],
      [{ hostPort: 81, containerPort: 80, protocol: 'icmp' }, /protocol/],
      [{ hostPort: 81, containerPort: 80, protocol: 'tcp', hostIP: 'x' }, /hostIP/],
    ] as const) {
      await t.throwsAsync(() => site.add({ portMappings: [wrong] }), { message: text });
    }
    await first.remove();
    const next = await site.add({ portMappings });
    await serve(next.ns, PORT, 'next');
    t.regex(await ask(site.outside, 'tcp', NODE.ipv4, HOST_PORT), / next$/);
  },
);

siteTest(
  'hostPort: hostIP decides where a port is, and pods share it by address; CHECK sees it [cni 74]',
  async (t, site) => {
    const { node, outside } = site;
    const at = (hostIP: string) => ({ portMappings: mapping(HOST_PORT, hostIP) });
    const first = await site.add(at(NODE.ipv4));
    const second = await site.add(at(SECOND.node));
    const six = await site.add(at('::'));
    const local = await site.add(at('127.0.0.1'));
    const pods = { first, second, six, local };
    for (const [name, { ns }] of Object.entries(pods)) await serve(ns, PORT, name);
    for (const protocol of PROTOCOLS) {
      const from = (ns: typeof node, address: string) => ask(ns, protocol, address, HOST_PORT);
      t.regex(await from(outside, NODE.ipv4), isFrom(OUTSIDE.ipv4, 'first'));
      t.regex(await from(outside, SECOND.node), isFrom(SECOND.outside, 'second'));
      t.regex(await from(outside, NODE.ipv6), isFrom(OUTSIDE.ipv6, 'six'));
      t.regex(await from(node, '127.0.0.1'), isFrom(NODE.ipv4, 'local'));
      t.regex(await from(node, NODE.ipv4), isFrom(NODE.ipv4, 'first'));
      t.regex(await from(first.ns, NODE.ipv4), isFrom(NODE.ipv4, 'first'), 'hairpin');
      t.regex(await from(second.ns, NODE.ipv4), isFrom(second.ipv4, 'first'));
    }
    await t.throwsAsync(() => site.add(at('0.0.0.0')), { message: /hostPort .*: taken by/ });
    for (const pod of Object.values(pods)) await pod.check();
    await second.remove();
    t.is(
      await eventually(async () => {
        const said = await ask(outside, 'tcp', SECOND.node, HOST_PORT);
        return /refused/.test(said) ? undefined : said;
      }),
      undefined,
    );
    await t.throwsAsync(() => second.check());
  },
  { keys: TWO_UPLINKS },
);
