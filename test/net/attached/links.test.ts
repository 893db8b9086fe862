/** The links of attached pods under a real agent: several of one pod, and what others do to them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from '../../support/netns.js';
import { DEBIAN_PLUGINS } from '../../support/runtimes/network.js';
import { until } from '../../support/until.js';
import { FAMILIES, NODE, OUTSIDE, type Pod, siteTest } from './site.js';

const withoutTuning = existsSync(join(DEBIAN_PLUGINS, 'tuning'))
  ? undefined
  : 'needs containernetworking-plugins, not installed';

/** Bits a second, bits. */
const LIMITS = {
  ingressRate: 40_000_000,
  ingressBurst: 1_000_000,
  egressRate: 50_000_000,
  egressBurst: 1_000_000,
};

/** Everything is looked at every second. */
const OFTEN = {
  keys: { kubeProxyConfiguration: 'proxy.yaml' },
  files: {
    'proxy.yaml': `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
iptables: { syncPeriod: 1s }
`,
  },
};

function mtuOf({ ns }: Pod): number | undefined {
  return (ns.json(['ip', '-j', 'link', 'show', 'eth0']) as { mtu: number }[])[0]?.mtu;
}

function pings(from: Namespace, to: string, source?: string): boolean {
  const as = source === undefined ? [] : ['-I', source];
  return from.tryRun(['ping', '-c', '2', '-i', '0.2', '-W', '2', ...as, to]).status === 0;
}

function rulesOf({ ns }: Pick<Pod, 'ns'>): readonly string[] {
  const shown = ['-4', '-6'].map((family) => ns.run(['ip', family, 'rule']));
  return shown.join('').match(/from \S*[.:]\S*/g) ?? [];
}

for (const first of ['older', 'younger'] as const) {
  siteTest(
    `attached: both interfaces of a pod are reached and reach, and one still is when the ${first} has gone`,
    async (t, site) => {
      const older = await site.add();
      const younger = await site.add({ beside: older });
      const both = { older, younger };
      const works = async (one: Pod): Promise<void> => {
        for (const family of FAMILIES) {
          t.true(pings(site.node, one[family]), `node to ${one.ifname}, ${family}`);
          for (const to of [NODE[family], OUTSIDE[family]]) {
            t.true(pings(one.ns, to, one[family]), `${one.ifname} to ${to}`);
            t.true(pings(one.ns, to), `the pod to ${to}`);
          }
        }
        await t.notThrowsAsync(one.check());
      };
      for (const one of [older, younger]) await works(one);
      t.deepEqual(rulesOf(older), [`from ${younger.ipv4}`, `from ${younger.ipv6}`]);
      await site.stopAgent('SIGKILL');
      await site.startAgent();
      for (const one of [older, younger]) await works(one);
      const left = first === 'older' ? younger : older;
      await both[first].remove();
      const waiting = [younger.ipv4, younger.ipv6].map((ip) => `from ${ip}`);
      t.deepEqual(rulesOf(left), first === 'older' ? waiting : []);
      // A link that is put away still stands in the pod for a moment.
      const { ifname } = both[first];
      const isThere = (): boolean => left.ns.tryRun(['ip', 'link', 'show', ifname]).status === 0;
      await until('its end is gone', () => !isThere());
      await works(left);
      await left.remove();
      t.deepEqual(rulesOf(left), []);
    },
  );
}

siteTest(
  'attached: a limit that somebody deletes is missed by CHECK, and put back',
  async (t, site) => {
    const pod = await site.add({ plugin: LIMITS });
    await pod.check();
    for (const [ns, dev, rate] of [
      [site.node, pod.hostIfname, LIMITS.ingressRate],
      [pod.ns, 'eth0', LIMITS.egressRate],
    ] as const) {
      ns.run(['tc', 'qdisc', 'delete', 'dev', dev, 'root']);
      const message = new RegExp(`${dev} .*has no limit, expected ${rate} bit/s`);
      await t.throwsAsync(pod.check(), { message });
      const shown = (): string => ns.run(['tc', 'qdisc', 'show', 'dev', dev]);
      await until('the limit is back', () => shown().includes('tbf'));
      await pod.check();
    }
    t.regex(site.log(), /a limit of the pod was gone/);
  },
  { ...OFTEN, tools: ['tc'] },
);

siteTest(
  'attached: a plugin behind ours may lower the MTU',
  async (t, site) => {
    const pod = await site.add({ chain: [{ type: 'tuning', mtu: 1300 }] });
    t.is(mtuOf(pod), 1300);
    await t.notThrowsAsync(pod.check());
    await site.stopAgent('SIGKILL');
    await site.startAgent();
    t.is(mtuOf(pod), 1300);
  },
  { path: [DEBIAN_PLUGINS], also: withoutTuning },
);
