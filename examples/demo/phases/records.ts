/** Records that the cluster's objects become: SRV, PTR, endpoints, pods. */
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import { NAMESPACE, SERVICES } from '../cluster.js';
import { CLUSTER_DOMAIN } from '../naming.js';
import { dig, fullName } from '../resolvers.js';
import type { World } from '../world.js';

function expectSame(what: string, got: string, wanted: string): void {
  expect(got === wanted, `${what}: ${got || 'nothing'}, expected ${wanted}`);
}

const sorted = (lines: readonly string[]): string => [...lines].sort().join(' ');

export async function checkRecords({ topology }: World, check: Check): Promise<void> {
  const { pods } = topology;
  const { ns } = pods['shell-1'];
  const short = (...words: string[]): Promise<string> => dig(ns, '+short', ...words);
  await check("a question in mixed case is answered in the question's own letters", async () => {
    const asked = 'wEb.DeFaUlT.sVc.cLuStEr.LoCaL.';
    const answer = await dig(ns, '+noall', '+question', '+answer', '+comments', asked);
    const owners = answer.split('\n').filter((line) => /\bIN\s+A\b/.test(line));
    const repeats = owners.filter((line) => line.replace(/^;/, '').startsWith(asked));
    expect(owners.length === 2 && repeats.length === 2, answer);
    return asked;
  });
  await check('SRV: port and name of a service', async () => {
    const answer = await short('SRV', `_http._tcp.${fullName('web')}`);
    // The weight is shared by the addresses; both are behind one name.
    const isRight = /^0 \d+ 80 (\S+)$/.exec(answer)?.[1] === `${fullName('web')}.`;
    expect(isRight, `${answer || 'nothing'}, expected port 80 of ${fullName('web')}.`);
    return answer;
  });
  await check('PTR: the name of a ClusterIP, both families', async () => {
    for (const address of SERVICES.web.clusterIPs) {
      expectSame(address, await short('-x', address), `${fullName('web')}.`);
    }
    return SERVICES.web.clusterIPs.join(' and ');
  });
  await check("a headless service: its endpoints' addresses, and a name for each", async () => {
    const web = SERVICES.crew.pods.map((name) => pods[name]);
    for (const [type, family] of [
      ['A', 'ipv4'],
      ['AAAA', 'ipv6'],
    ] as const) {
      const answer = await short(fullName('crew'), type);
      expectSame(type, sorted(answer.split('\n')), sorted(web.map((pod) => pod[family])));
      for (const pod of web) {
        expectSame(pod.name, await short(fullName(`${pod.name}.crew`), type), pod[family]);
      }
    }
    return `${web.length} endpoints`;
  });
  await check("names that are made of a pod's address", async () => {
    const { ipv4, ipv6 } = pods['web-3'];
    const names = [ipv4.replaceAll('.', '-'), ipv6.replaceAll(':', '-')];
    const [four = '', six = ''] = names.map((name) => `${name}.${NAMESPACE}.pod.${CLUSTER_DOMAIN}`);
    expectSame(four, await short(four), ipv4);
    expectSame(six, await short(six, 'AAAA'), ipv6);
    return four;
  });
}
