/** What pods need of the world outside the cluster, through a real agent and real kernels. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { openLab } from '../support/netns.js';
import { needs } from '../support/skip.js';
import { PEER } from './peer.js';
import {
  FAR,
  NEAR,
  NODE,
  PODS,
  PORT,
  type Site,
  nodePortOf,
  openEgressSite,
} from './egress/site.js';

const declare = needs({
  root: true,
  xdp: true,
  kernel: '6.6',
  tools: ['ip', 'nsenter', 'python3', 'ping', 'iptables-legacy', 'ip6tables-legacy'],
});

const PROTOCOLS = ['tcp', 'udp'] as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;
/** The kernel programs take a lane for dead that was silent for so long. */
const SILENT_MS = 1500;

function egressTest(title: string, body: (t: ExecutionContext, site: Site) => Promise<void>): void {
  declare(title, async (t) => {
    const site = openEgressSite(openLab());
    try {
      await body(t, site);
    } finally {
      if (!t.passed) t.log(site.log());
      site.close();
    }
  });
}

const isFrom = (address: string): RegExp => new RegExp(`^${address} \\d+$`);

egressTest('egress: a pod reaches the world with the address of its node', async (t, site) => {
  const { outside, pods } = site;
  await site.serve(outside);
  await site.startAgent();
  for (const proto of PROTOCOLS) {
    for (const where of [NEAR, FAR]) {
      for (const family of FAMILIES) {
        const seen = await site.ask(pods.shell, proto, where[family], PORT);
        t.regex(seen, isFrom(NODE[family]), `${proto} ${family}`);
        const port = Number(seen.split(' ')[1]);
        t.true(port >= 1024 && port < 30000, `source port ${port}`);
      }
    }
  }
  for (const address of [FAR.ipv4, FAR.ipv6]) {
    const ping = ['ping', '-c', '3', '-i', '0.2', '-W', '2', address] as const;
    const { status, stdout } = pods.shell.tryRun(ping);
    t.is(status, 0, stdout);
  }
  const { stdout } = await site.sluice('flows');
  const executed = stdout.match(/^TCP .* UPLINK +[1-9]\d*\/[1-9]/gm) ?? [];
  t.is(executed.length, 4, `rows that the kernel executed:\n${stdout}`);
});

egressTest(
  'egress: a destination of the list sees the pod itself, and the list is read again',
  async (t, site) => {
    const { outside, pods } = site;
    for (const family of FAMILIES) {
      outside.run(['ip', 'route', 'add', PODS.shell[family], 'via', NODE[family]]);
    }
    const file = join(site.folder, 'ip-masq-agent');
    const list = (cidrs: string): void => {
      writeFileSync(file, `nonMasqueradeCIDRs: [${cidrs}]\nresyncInterval: 1s\n`);
    };
    const asked = (address: string) => site.ask(pods.shell, 'tcp', address, PORT);
    list(`${FAR.ipv4}/32, '${FAR.ipv6}/128'`);
    await site.serve(outside);
    await site.startAgent();
    for (const family of FAMILIES) {
      t.regex(await asked(FAR[family]), isFrom(PODS.shell[family]));
      t.regex(await asked(NEAR[family]), isFrom(NODE[family]));
    }
    list('198.51.100.9/24');
    const { problems } = await site.awaitStatus((status) => status.problems.length > 0);
    t.regex(
      problems[0] ?? '',
      /ip-masq-agent:1:\d+: .*nonMasqueradeCIDRs\[0\]: "198\.51\.100\.9\/24"/,
    );
    t.regex(await asked(FAR.ipv4), isFrom(PODS.shell.ipv4), 'the list before it is kept');
    list(`${NEAR.ipv4}/32`);
    await site.awaitStatus((status) => status.problems.length === 0);
    t.regex(await asked(FAR.ipv4), isFrom(NODE.ipv4));
  },
);

egressTest(
  'egress: fragments as long as the wire takes reach a pod by a node port, and come back',
  async (t, { outside, pods, ...site }) => {
    const [large, nodePort] = ['4000', 30700];
    site.write('service', ...nodePortOf(nodePort));
    await site.serve(pods.web);
    await site.startAgent();
    const asked = ['python3', PEER, 'large', NODE.ipv4, String(nodePort), large] as const;
    const { stdout, stderr } = await outside.runAsync(asked);
    t.is(stdout.trim(), large, stderr);
  },
);

egressTest('egress: without an agent established flows go on', async (t, site) => {
  const { outside, pods } = site;
  await site.serve(outside);
  await site.startAgent();
  const held = site.hold(pods.shell, FAR.ipv4, PORT);
  try {
    const seen = await held.ask();
    t.regex(seen, isFrom(NODE.ipv4));
    await site.killAgent();
    await delay(SILENT_MS);
    for (let i = 0; i < 3; i++) t.is(await held.ask(), seen, 'the lane is silent');
    await site.startAgent();
    t.is(await held.ask(), seen, 'the next agent has taken it over');
  } finally {
    held.close();
  }
});

for (const [family, iptables] of [
  ['ipv4', 'iptables-legacy'],
  ['ipv6', 'ip6tables-legacy'],
] as const) {
  egressTest(
    `egress: a port that ${iptables} leads to a pod is answered by way of the host`,
    async (t, { node, outside, pods, ...site }) => {
      const port = 8080;
      const to = PODS.web[family];
      const target = `${family === 'ipv6' ? `[${to}]` : to}:${String(PORT)}`;
      for (const proto of PROTOCOLS) {
        const match = ['-t', 'nat', '-A', 'PREROUTING', '-i', 'eth0', '-p', proto] as const;
        const rule = ['--dport', String(port), '-j', 'DNAT', '--to-destination', target] as const;
        node.run([iptables, ...match, ...rule]);
      }
      await site.serve(pods.web);
      await site.startAgent();
      for (const proto of PROTOCOLS) {
        const seen = await site.ask(outside, proto, NODE[family], port);
        t.regex(seen, isFrom(NEAR[family]), `${proto}: the client keeps its address`);
      }
      const held = site.hold(outside, NODE[family], port);
      try {
        t.regex(await held.ask(), isFrom(NEAR[family]));
        await site.killAgent();
        await delay(SILENT_MS);
        t.regex(await held.ask(), isFrom(NEAR[family]), 'the lane is silent');
      } finally {
        held.close();
      }
    },
  );
}
