/** Names over a restart, while the API server is away [dns 55]. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApiServer } from '../sources/kubernetes/api-server.js';
import type { ApiServer } from '../sources/kubernetes/api-server.js';
import { makeIdentity } from '../support/certificates.js';
import { needs } from '../support/skip.js';
import { ask, askUntil } from './client.js';
import { serve } from './served.js';
import type { Owner, Served } from './served.js';

const apiTest = needs({ tools: ['openssl'] });
const COREFILE = '.:53 {\n kubernetes cluster.local\n ready 127.0.0.1:0\n whoami\n}\n';
const nameOf = (i: number): string => `svc${i}.default.svc.cluster.local`;
const addressOf = (i: number): string => `10.96.${i >> 8}.${i & 255}`;

function service(i: number, address = addressOf(i)) {
  return {
    metadata: { name: `svc${i}`, namespace: 'default' },
    spec: {
      clusterIP: address,
      clusterIPs: [address],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    },
  };
}

interface Site {
  readonly api: ApiServer;
  readonly folder: string;
  open(more?: { corefile?: string }): Promise<Served>;
}

async function openSite(t: Owner, count: number): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-names-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const api = await startApiServer({ identity: makeIdentity(folder, 'api') });
  t.teardown(() => api.close());
  const config = `apiVersion: v1
kind: Config
current-context: c
contexts: [{ name: c, context: { cluster: k, user: u } }]
clusters: [{ name: k, cluster: { server: '${api.url}', certificate-authority: '${folder}/api.crt' } }]
users: [{ name: u, user: { token: t } }]
`;
  writeFileSync(join(folder, 'kubeconfig'), config);
  api.put('Namespace', { metadata: { name: 'default' } });
  for (let i = 0; i < count; i++) api.put('Service', service(i));
  const args = ['--kubeconfig', join(folder, 'kubeconfig')];
  const open = (more: { corefile?: string } = {}) =>
    serve(t, { corefile: COREFILE, folder, isKept: true, args, ...more });
  return { api, folder, open };
}

const isThere = ({ rcode }: { rcode: string }): boolean => rcode === 'NOERROR';
const logOf = ({ folder }: Site): string => join(folder, 'state', 'names.log');

/** Wait until the log has a name, in wire format. */
async function isLogged(site: Site, label: string): Promise<void> {
  for (;;) {
    if (readFileSync(logOf(site)).includes(label)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

apiTest(
  'restart: names are answered while the API server is away, and right when it is back [dns 55]',
  async (t) => {
    const site = await openSite(t, 300);
    const first = await site.open();
    await askUntil(first, nameOf(299), isThere);
    await askUntil(first, nameOf(300), ({ rcode }) => rcode === 'NXDOMAIN');
    await isLogged(site, 'svc299');
    await site.api.close();
    // In the middle of its work.
    t.is(await first.stop('SIGKILL'), 'SIGKILL');

    const second = await site.open();
    for (const i of [0, 7, 150, 299]) {
      t.deepEqual((await ask(second, nameOf(i))).answers, [`A ${addressOf(i)}`], nameOf(i));
    }
    const unknown = await ask(second, nameOf(300));
    t.is(unknown.rcode, 'SERVFAIL');
    t.is(unknown.packet.authorities?.[0]?.type, 'SOA');
    t.is((await second.fetch('/ready')).status, 503);

    site.api.remove('Service', service(7).metadata);
    site.api.put('Service', service(0, '10.96.9.9'));
    site.api.put('Service', service(300));
    await site.api.reopen();
    await askUntil(second, nameOf(300), isThere);
    const gone = await askUntil(second, nameOf(7), ({ rcode }) => rcode === 'NXDOMAIN');
    t.is(gone.rcode, 'NXDOMAIN');
    t.deepEqual((await ask(second, nameOf(0))).answers, ['A 10.96.9.9']);
    t.deepEqual((await ask(second, nameOf(299))).answers, [`A ${addressOf(299)}`]);
    t.is((await second.fetch('/ready')).status, 200);
    t.is(await second.stop(), 0);
  },
);

apiTest('restart: a log with a damaged end is used up to there', async (t) => {
  const site = await openSite(t, 50);
  const first = await site.open();
  await askUntil(first, nameOf(49), isThere);
  await isLogged(site, 'svc49');
  const before = readFileSync(logOf(site)).length;
  site.api.put('Service', service(50));
  await askUntil(first, nameOf(50), isThere);
  await isLogged(site, 'svc50');
  await site.api.close();
  t.is(await first.stop(), 0);
  const whole = readFileSync(logOf(site));
  t.true(whole.length > before);

  truncateSync(logOf(site), before + 20);
  const cut = await site.open();
  t.deepEqual((await ask(cut, nameOf(49))).answers, [`A ${addressOf(49)}`]);
  t.is((await ask(cut, nameOf(50))).rcode, 'SERVFAIL');
  await cut.stop();

  const flipped = Buffer.from(whole);
  flipped.writeUInt8(flipped.readUInt8(before + 40) ^ 1, before + 40);
  writeFileSync(logOf(site), flipped);
  const damaged = await site.open();
  t.deepEqual((await ask(damaged, nameOf(49))).answers, [`A ${addressOf(49)}`]);
  t.is((await ask(damaged, nameOf(50))).rcode, 'SERVFAIL');
  await damaged.stop();

  writeFileSync(logOf(site), 'nonsense');
  const empty = await site.open();
  t.is((await ask(empty, nameOf(49))).rcode, 'SERVFAIL');
});

apiTest(
  'reload: names that only the log has are kept, and the log is the new Corefile’s',
  async (t) => {
    const site = await openSite(t, 20);
    const first = await site.open();
    await askUntil(first, nameOf(19), isThere);
    await isLogged(site, 'svc19');
    await site.api.close();
    await first.stop();

    const second = await site.open();
    const corefile = COREFILE.replace('whoami', 'any\n whoami');
    second.write('Corefile', corefile);
    second.child.kill('SIGUSR1');
    await second.said(/^Corefile read again/);
    t.deepEqual((await ask(second, nameOf(19))).answers, [`A ${addressOf(19)}`]);
    t.is((await ask(second, nameOf(20))).rcode, 'SERVFAIL');
    await second.stop();

    const third = await site.open({ corefile });
    t.deepEqual((await ask(third, nameOf(19))).answers, [`A ${addressOf(19)}`]);
  },
);
