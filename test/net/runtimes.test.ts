/**
 * Container runtimes as they are in Debian attach containers through a list of plugins: on one node,
 * between two, to the outside and from it; and take them off again without a trace.
 *
 * Every scenario is told of each network in NETWORKS. The first is Debian's own bridge plugin: when a
 * scenario fails for both, the scenario is wrong.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openLab } from '../support/netns.js';
import type { Lab, Namespace } from '../support/netns.js';
import { type Cell, openCell } from '../support/runtimes/cell.js';
import { openContainerd } from '../support/runtimes/containerd.js';
import { leftovers, stateOf } from '../support/runtimes/leftovers.js';
import {
  BRIDGE,
  DEBIAN_PLUGINS,
  type Node,
  type PodNetwork,
  hostLocal,
  installDebianPlugins,
  installFailing,
  podSubnets,
  portmap,
  publishing,
  writeList,
} from '../support/runtimes/network.js';
import { openPodman } from '../support/runtimes/podman.js';
import { SLUICE } from '../support/runtimes/sluice.js';
import {
  type Container,
  type Runtime,
  addressesOf,
  fetchFrom,
  hostOf,
  makeRootfs,
  patiently,
} from '../support/runtimes/runtime.js';
import { needs } from '../support/skip.js';

const NETWORKS: readonly PodNetwork[] = [BRIDGE, SLUICE];

/** hostPort and containerPort. */
const PUBLISHED = [18080, 80] as const;
const OUTSIDE = { ipv4: '192.0.2.9', ipv6: '2001:db8::9' };
const NETWORK_NAME = 'pods';
const NAMES = ['one', 'two', 'three', 'four'];

const COMMON = ['ip', 'nsenter', 'unshare', 'curl', 'runc', 'busybox', 'nft'];
const also = existsSync(join(DEBIAN_PLUGINS, 'portmap'))
  ? undefined
  : 'needs containernetworking-plugins, not installed';
const podmanTest = needs({ root: true, tools: [...COMMON, 'podman', 'conmon'], also });
const containerdTest = needs({ root: true, tools: [...COMMON, 'containerd', 'ctr'], also });

interface World {
  readonly nodes: readonly [Node, Node];
  readonly outside: Namespace;
}

type OpenRuntime = (cell: Cell, rootfs: string) => Runtime | Promise<Runtime>;

async function openNode(lab: Lab, fabric: Namespace, number: 1 | 2): Promise<Node> {
  const ns = lab.namespace(`node-${String(number)}`);
  const [ipv4, ipv6] = [`192.0.2.${String(number)}`, `2001:db8::${String(number)}`];
  plug(lab, ns, fabric, [ipv4, ipv6]);
  const node: Node = { number, ipv4, ipv6, cell: await openCell(ns) };
  installDebianPlugins(node);
  // What every node's operator does; `bridge` would do it at the first pod.
  node.cell.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  ns.run(['ip', 'route', 'add', 'default', 'via', OUTSIDE.ipv4]);
  ns.run(['ip', '-6', 'route', 'add', 'default', 'via', OUTSIDE.ipv6]);
  return node;
}

function plug(lab: Lab, ns: Namespace, fabric: Namespace, [ipv4 = '', ipv6 = '']: string[]): void {
  const far = ns.name.split('-').slice(1).join('-').slice(0, 15);
  lab.connect(
    { ns, ifname: 'eth0', addresses: [`${ipv4}/24`, `${ipv6}/64`] },
    { ns: fabric, ifname: far },
  );
  fabric.run(['ip', 'link', 'set', far, 'master', 'wire']);
}

async function openWorld(lab: Lab): Promise<World> {
  const fabric = lab.namespace('fabric');
  fabric.run(['ip', 'link', 'add', 'wire', 'up', 'type', 'bridge', 'mcast_snooping', '0']);
  const outside = lab.namespace('outside');
  plug(lab, outside, fabric, [OUTSIDE.ipv4, OUTSIDE.ipv6]);
  const nodes = [await openNode(lab, fabric, 1), await openNode(lab, fabric, 2)] as const;
  const pages = join(makeRootfs(nodes[0].cell.folder, ['outside']), 'www/outside');
  outside.start(['busybox', 'httpd', '-f', '-p', '80', '-h', pages]);
  return { nodes, outside };
}

/** A world with a network; whatever happens, it is gone afterwards. */
async function withWorld(
  network: PodNetwork,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const lab = openLab();
  try {
    const world = await openWorld(lab);
    const stop = await network.start(world.nodes);
    try {
      await body(world);
    } finally {
      await stop();
      for (const { cell } of world.nodes) await cell.close();
    }
  } finally {
    lab.close();
  }
}

/** A runtime on a node; nothing it made outlives it. */
async function withRuntime(
  open: OpenRuntime,
  { cell }: Node,
  body: (runtime: Runtime) => Promise<void>,
): Promise<void> {
  const runtime = await open(cell, makeRootfs(cell.folder, NAMES));
  try {
    await body(runtime);
  } finally {
    await runtime.close();
  }
}

/** @returns the exit code of a request from outside, and the answer */
async function fromOutside(outside: Namespace, address: string, port: number): Promise<string> {
  const url = `http://${hostOf(address)}:${String(port)}/`;
  const { stdout, stderr } = await patiently(() =>
    outside.runAsync(['curl', '--silent', '--show-error', '--max-time', '2', url]),
  );
  return stdout.trim() || stderr.trim();
}

async function seesOutside(t: ExecutionContext, container: Container): Promise<void> {
  for (const address of [OUTSIDE.ipv4, OUTSIDE.ipv6]) {
    t.is(await fetchFrom(container, address), 'outside', `outside by ${address}`);
  }
}

/** A container's addresses are one of each family, of its node. */
async function goodAddresses(
  t: ExecutionContext,
  container: Container,
  node: Node,
): Promise<string[]> {
  const found = await addressesOf(container);
  const prefixes = podSubnets(node).map((subnet) => subnet.replace(/0?\/\d+$/, ''));
  t.is(found.length, 2, found.join(' '));
  for (const [i, prefix] of prefixes.entries()) t.true(found[i]?.startsWith(prefix), found[i]);
  return found;
}

/** Nothing of a life is left on the node. */
async function cleanAfter(
  t: ExecutionContext,
  { cell }: Node,
  before: Set<string>,
  network: PodNetwork,
): Promise<void> {
  t.deepEqual(await leftovers(before, () => stateOf(cell, network.tolerates)), []);
}

function plainList(node: Node, network: PodNetwork): void {
  writeList(node, NETWORK_NAME, publishing(node, network));
}

/** The scenario that every runtime tells. */
async function lives(
  t: ExecutionContext,
  network: PodNetwork,
  open: OpenRuntime,
  world: World,
): Promise<void> {
  const [near, far] = world.nodes;
  for (const node of world.nodes) plainList(node, network);
  await withRuntime(open, near, (here) =>
    withRuntime(open, far, async (there) => {
      const before = stateOf(near.cell, network.tolerates);
      const one = await here.run({ name: 'one', network: NETWORK_NAME });
      const two = await here.run({ name: 'two', network: NETWORK_NAME });
      const three = await there.run({ name: 'three', network: NETWORK_NAME });
      const ones = await goodAddresses(t, one, near);
      const twos = await goodAddresses(t, two, near);
      const threes = await goodAddresses(t, three, far);
      for (const address of twos) t.is(await fetchFrom(one, address), 'two', 'on one node');
      for (const address of threes)
        t.is(await fetchFrom(one, address), 'three', 'on the other node');
      for (const address of ones)
        t.is(await fetchFrom(three, address), 'one', 'from the other node');
      await seesOutside(t, one);
      await one.remove();
      await two.remove();
      await cleanAfter(t, near, before, network);
    }),
  );
}

/** A chained plugin refuses: the runtime takes back what the others did. */
async function failsHalfWay(
  t: ExecutionContext,
  network: PodNetwork,
  open: OpenRuntime,
  { nodes }: World,
): Promise<void> {
  const [node] = nodes;
  writeList(node, NETWORK_NAME, [...publishing(node, network), installFailing(node)]);
  await withRuntime(open, node, async (runtime) => {
    const before = stateOf(node.cell, network.tolerates);
    await t.throwsAsync(runtime.run({ name: 'one', network: NETWORK_NAME }), {
      message: /failing as asked/,
    });
    await runtime.close();
    await cleanAfter(t, node, before, network);
    plainList(node, network);
  });
}

for (const network of NETWORKS) {
  const claim = `runtimes: ${network.name}`;
  const runtimes = [
    [podmanTest, 'podman', openPodman],
    [containerdTest, 'containerd', openContainerd],
  ] as const;
  for (const [declare, name, open] of runtimes) {
    declare(
      `${claim}: containers of ${name} reach each other and the outside, and leave nothing${name === 'containerd' && network === SLUICE ? ' [cni 26]' : ''}`,
      (t) => withWorld(network, (world) => lives(t, network, open, world)),
    );
    declare(`${claim}: an ADD by ${name} that fails half-way leaves nothing`, (t) =>
      withWorld(network, (world) => failsHalfWay(t, network, open, world)),
    );
  }

  podmanTest(`${claim}: a published port is reached from outside and free again afterwards`, (t) =>
    withWorld(network, async ({ nodes, outside }) => {
      const [node] = nodes;
      plainList(node, network);
      await withRuntime(openPodman, node, async (podman) => {
        const before = stateOf(node.cell, network.tolerates);
        for (const name of ['one', 'two']) {
          const pod = await podman.run({ name, network: NETWORK_NAME, publish: PUBLISHED });
          t.is(await fromOutside(outside, node.ipv4, PUBLISHED[0]), name);
          t.is(await fromOutside(outside, node.ipv6, PUBLISHED[0]), name);
          await pod.remove();
        }
        await cleanAfter(t, node, before, network);
      });
    }),
  );

  containerdTest(
    `${claim}: a port mapping that the list itself asks for is made and taken back`,
    (t) =>
      withWorld(network, async ({ nodes, outside }) => {
        const [node] = nodes;
        const [hostPort, containerPort] = PUBLISHED;
        const runtimeConfig = { portMappings: [{ hostPort, containerPort, protocol: 'tcp' }] };
        writeList(node, NETWORK_NAME, publishing(node, network, runtimeConfig));
        await withRuntime(openContainerd, node, async (containerd) => {
          const before = stateOf(node.cell, network.tolerates);
          const one = await containerd.run({ name: 'one', network: NETWORK_NAME });
          t.is(await fromOutside(outside, node.ipv4, hostPort), 'one');
          await one.remove();
          await cleanAfter(t, node, before, network);
        });
      }),
  );

  podmanTest(
    `${claim}: Debian's portmap, bandwidth and tuning take its result, with host-local's addresses`,
    (t) =>
      withWorld(network, async ({ nodes }) => {
        const [node] = nodes;
        const rate = { ingressRate: 50_000_000, ingressBurst: 5_000_000 };
        writeList(node, NETWORK_NAME, [
          { ...network.plugin(node), ipam: hostLocal(node) },
          portmap(),
          { type: 'bandwidth', ...rate, egressRate: 50_000_000, egressBurst: 5_000_000 },
          { type: 'tuning', sysctl: { 'net.core.somaxconn': '500' } },
        ]);
        await withRuntime(openPodman, node, async (podman) => {
          const before = stateOf(node.cell, network.tolerates);
          const one = await podman.run({ name: 'one', network: NETWORK_NAME, publish: PUBLISHED });
          await goodAddresses(t, one, node);
          const { stdout } = await one.exec('cat', '/proc/sys/net/core/somaxconn');
          t.is(stdout.trim(), '500');
          t.regex(node.cell.run(['tc', 'qdisc']), /qdisc tbf .* rate 50Mbit/);
          await one.remove();
          await cleanAfter(t, node, before, network);
        });
      }),
  );
}
