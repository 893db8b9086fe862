/** Corefiles as distributions ship them, unchanged, each on a node of its own. */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { labTest } from '../support/netns.js';
import { needs, whyNot } from '../support/skip.js';
import { until } from '../support/until.js';
import { openFolder, start } from './served.js';

const SAMPLES = new URL('../dns/corefile/samples/', import.meta.url).pathname;
const OBJECTS = readFileSync(new URL('../dns/fixtures/cluster.yaml', import.meta.url), 'utf8');
const SVC = 'svc1.testns.svc.cluster.local';
const hasDig = whyNot({ tools: ['dig'] });
const declare: typeof labTest =
  hasDig === undefined
    ? labTest
    : (title) => {
        needs({ also: hasDig })(title, () => undefined);
      };

const CASES = ['kubeadm', 'kubeadm-old', 'k3s', 'eks', 'aks', 'openshift', 'node-local-dns'];
for (const name of CASES) {
  declare(`samples: ${name} is served as it is`, async (t, lab) => {
    const node = lab.namespace('node');
    const folder = openFolder(t);
    mkdirSync(join(folder, 'custom'));
    cpSync(join(SAMPLES, 'custom'), join(folder, 'custom'), { recursive: true });
    const hasCluster = name !== 'node-local-dns';
    const server = start(t, {
      corefile: readFileSync(join(SAMPLES, `${name}.corefile`), 'utf8'),
      folder,
      addresses: [],
      args: ['--port', '53'],
      by: ['nsenter', `--net=${node.path}`],
      ...(hasCluster ? { objects: OBJECTS } : {}),
    });
    if (!hasCluster) {
      for (const address of ['169.254.20.10', '10.96.0.10'])
        node.run(['ip', 'addr', 'add', `${address}/32`, 'dev', 'lo']);
    }
    await server.said(/^http:.*\/metrics$/);
    const [host, port] = hasCluster
      ? ['127.0.0.1', name === 'openshift' ? '5353' : '53']
      : ['169.254.20.10', '53'];
    const dig = (...args: string[]): string =>
      node.tryRun(['dig', `@${host}`, '-p', port, '+tries=2', '+time=4', ...args]).stdout;
    if (hasCluster) {
      // Once the cluster is known completely.
      await until('denied', () => dig(`no${SVC}`).includes('NXDOMAIN'));
      t.is(dig('+short', SVC), '10.0.0.1\n');
      t.is(dig('+short', '+tcp', SVC, 'SRV'), `0 100 80 ${SVC}.\n`);
      t.is(dig('+short', '-x', '10.0.0.1'), `${SVC}.\n`);
      t.is(dig('+short', '172-0-0-2.podns.pod.cluster.local'), '172.0.0.2\n');
    } else {
      // Nobody is behind it here.
      t.regex(dig('www.example.org'), /SERVFAIL/);
    }
    t.is(await server.stop('SIGKILL'), 'SIGKILL');
  });
}
