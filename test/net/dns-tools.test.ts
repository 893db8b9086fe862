/** `sluice dns query` and `sluice dns top` of an agent, asked on the node it answers on. */
import type { QueryReport } from '../../src/nameserver/explain.js';
import type { TopReport, TopRow } from '../../src/nameserver/top.js';
import { siteTest } from './attached/site.js';
import { KEYS, KUBERNETES, OBJECTS, VIP, dig, service, until, write } from './dns-site.js';

const COREFILE = `.:53 {
    kubernetes cluster.local
    hosts {
        198.51.100.7 www.example.org
        fallthrough
    }
}
`;
const WEB = 'web.default.svc.cluster.local';
const ADDRESS = '10.96.7.7';

const countOf = (rows: readonly TopRow[], what: string): number =>
  rows.find((row) => row.what === what)?.queries ?? 0;

siteTest(
  'dns: query tells what the agent would answer, top what it has, each query once',
  async (t, site) => {
    write(site, 'dns.yaml', [...OBJECTS, service('default', 'web', [ADDRESS], [{ port: 80 }])]);
    const pod = await site.add();
    const at = `@${VIP.ipv4}`;
    const warm = 'kubernetes.default.svc.cluster.local';
    t.is(await until(() => dig(pod.ns, at, warm), KUBERNETES), KUBERNETES);

    const query = async (...words: string[]): Promise<QueryReport> => {
      const { stdout } = await site.sluice('dns', 'query', ...words, '--json');
      return JSON.parse(stdout) as QueryReport;
    };
    const web = await query(WEB, 'A', '--from', pod.ipv4);
    t.like(web, { answeredBy: 'names', objects: ['Service default/web'], client: pod.ipv4 });
    t.true(JSON.stringify(web).includes(ADDRESS));
    t.like(await query('www.example.org'), { answeredBy: 'plugin hosts' });

    // In the frame; by the chain behind the lane; by the server's core, over TCP.
    for (let i = 0; i < 3; i++) t.is(await dig(pod.ns, at, WEB), ADDRESS);
    for (let i = 0; i < 2; i++) t.is(await dig(pod.ns, at, 'www.example.org'), '198.51.100.7');
    t.is(await dig(pod.ns, at, '+tcp', WEB), ADDRESS);
    t.is(await dig(pod.ns, at, WEB, 'AAAA'), '');
    const { stdout } = await site.sluice('dns', 'top', '--seconds', '0', '--json');
    const top = JSON.parse(stdout) as TopReport;
    t.is(countOf(top.names, `${WEB}.`), 5);
    t.is(countOf(top.names, 'www.example.org.'), 2);
    t.is(countOf(top.answeredBy, 'plugin hosts'), 2);
    t.is(countOf(top.types, 'AAAA'), 1);
    t.is(top.lost, 0);
    t.is(top.sampled, top.queries, 'every one of them');
    t.true(countOf(top.clients, pod.ipv4) >= 7);
    t.regex((await site.sluice('dns', 'top', '--seconds', '0')).stdout, /QUERIES +SHARE +NAME/);
  },
  {
    ...KEYS,
    files: { Corefile: COREFILE },
    keys: { ...KEYS.keys, dns: { corefile: 'Corefile', sample: 1 } },
  },
);
