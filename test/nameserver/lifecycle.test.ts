/** From the start to the end: readiness, health, metrics, another Corefile, a loop, SIGTERM. */
import test from 'ava';
import dnsPacket from 'dns-packet';
import { startDouble } from '../dns/forward/double.js';
import { ask, askUntil, askUntilComplete, framed, query, sendTcp, sendUdp } from './client.js';
import { metricOf } from './metric.js';
import { OBJECTS, WEB } from './objects.js';
import { serve, start } from './served.js';

const hosts = (address: string): string =>
  `hosts {\n ${address} www.example.org\n fallthrough\n }\n`;
const block = (address: string, more = ''): string =>
  `.:53 {\n ${more}\n kubernetes cluster.local\n ${hosts(address)}}\n`;

/** Value of a series, its labels as they are printed. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test.serial(
  'reload: another Corefile is served without a query lost; a wrong one changes nothing [dns 103]',
  async (t) => {
    const endpoints = 'prometheus 127.0.0.1:0';
    const server = await serve(t, { corefile: block('192.0.2.1', endpoints), objects: OBJECTS });
    await askUntilComplete(server);
    const { port } = server;

    // Somebody asks all the time.
    const told = new Set<string>();
    const over = new AbortController();
    let lost = 0;
    const asking = (async () => {
      while (!over.signal.aborted) {
        const names = [WEB, 'www.example.org'];
        for (const { answers } of await Promise.all(names.map((name) => ask({ port }, name)))) {
          if (answers.length === 0) lost++;
          for (const answer of answers) told.add(answer);
        }
      }
    })();
    const first = (await server.fetch('/metrics')).body;
    server.write('Corefile', block('192.0.2.2', endpoints));
    server.child.kill('SIGUSR1');
    await server.said(/^Corefile read again/);
    over.abort();
    await asking;
    t.is(lost, 0);
    t.deepEqual([...told].sort().slice(0, 2), ['A 10.96.0.1', 'A 192.0.2.1']);
    t.deepEqual((await ask({ port }, 'www.example.org')).answers, ['A 192.0.2.2']);
    const [reply] = await sendTcp(framed(query(WEB)), 1, { port });
    t.is(dnsPacket.decode(reply as Buffer).answers?.length, 1);

    const before = (await server.fetch('/metrics')).body;
    const version = /coredns_reload_version_info\{hash="sha512",value="([0-9a-f]{128})"\} 1/;
    t.not(version.exec(first)?.[1], version.exec(before)?.[1]);
    t.is(valueOf(before, 'coredns_reload_failed_total'), 0);

    server.write('Corefile', '.:53 {\n nonsense\n}\n');
    server.child.kill('SIGUSR1');
    const refused = await server.said(/^Corefile refused/);
    t.regex(refused.msg, /Corefile:2.*nonsense/);
    t.deepEqual((await ask({ port }, 'www.example.org')).answers, ['A 192.0.2.2']);
    t.deepEqual((await ask({ port }, WEB)).answers, ['A 10.96.0.1']);
    const after = (await server.fetch('/metrics')).body;
    t.is(valueOf(after, 'coredns_reload_failed_total'), 1);
    t.is(version.exec(after)?.[1], version.exec(before)?.[1]);
  },
);

test.serial('reload: names that are kept on disk are answered as before', async (t) => {
  const server = await serve(t, {
    corefile: block('192.0.2.1'),
    objects: OBJECTS,
    isKept: true,
  });
  await askUntilComplete(server);
  for (const address of ['192.0.2.2', '192.0.2.3']) {
    server.write('Corefile', block(address));
    server.child.kill('SIGUSR1');
    const isNew = ({ answers }: { answers: readonly string[] }) => answers[0] === `A ${address}`;
    t.true(isNew(await askUntil(server, 'www.example.org', isNew)));
    t.deepEqual((await ask(server, WEB)).answers, ['A 10.96.0.1']);
  }
});

test.serial('reload: a socket that is not to be had leaves the old server as it was', async (t) => {
  const server = await serve(t, { corefile: block('192.0.2.1'), objects: OBJECTS });
  await askUntilComplete(server);
  const wrong = 'tls://.:0 {\n tls none.crt none.key\n whoami\n}\n';
  server.write('Corefile', block('192.0.2.2') + wrong);
  server.child.kill('SIGUSR1');
  t.regex((await server.said(/^Corefile refused/)).msg, /none\.crt/);
  t.deepEqual((await ask(server, 'www.example.org')).answers, ['A 192.0.2.1']);
  // Changes of the cluster still arrive.
  server.write('objects/all.yaml', OBJECTS.replaceAll('10.96.0.1', '10.96.0.2'));
  const told = await askUntil(server, WEB, ({ answers }) => answers[0] === 'A 10.96.0.2');
  t.deepEqual(told.answers, ['A 10.96.0.2']);
});

test.serial('reload: the Corefile is looked at every now and then', async (t) => {
  const corefile = block('192.0.2.1', 'reload 2s 1s');
  const server = await serve(t, { corefile, objects: OBJECTS });
  server.write('Corefile', block('192.0.2.2', 'reload 2s 1s'));
  const isNew = ({ answers }: { answers: readonly string[] }) => answers[0] === 'A 192.0.2.2';
  t.true(isNew(await askUntil(server, 'www.example.org', isNew)));
});

test.serial('reload: a Corefile that is refused is so once, until its text changes', async (t) => {
  const corefile = block('192.0.2.1', 'reload 2s 1s\n prometheus 127.0.0.1:0');
  const server = await serve(t, { corefile, objects: OBJECTS });
  const failures = 'coredns_reload_failed_total';
  const refusals = () => server.lines().filter(({ msg }) => msg.startsWith('Corefile refused'));
  const bad = (word: string): string => corefile.replace('kubernetes', `${word} kubernetes`);
  server.write('Corefile', bad('nonsense'));
  t.regex((await server.said(/^Corefile refused/)).msg, /nonsense/);
  // It is looked at again every 3 s at most.
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  t.is(refusals().length, 1);
  t.is(await metricOf(server, failures), 1);
  server.write('Corefile', bad('more nonsense'));
  t.regex((await server.said(/^Corefile refused.*more/)).msg, /more/);
  t.is(await metricOf(server, failures, (count) => count >= 2), 2);
  server.child.kill('SIGUSR1');
  t.is(await metricOf(server, failures, (count) => count >= 3), 3);
  t.is(refusals().length, 3);
  server.write('Corefile', corefile.replace('192.0.2.1', '192.0.2.2'));
  const isNew = ({ answers }: { answers: readonly string[] }) => answers[0] === 'A 192.0.2.2';
  t.true(isNew(await askUntil(server, 'www.example.org', isNew)));
});

test.serial('reload: endpoints follow the Corefile', async (t) => {
  const server = await serve(t, { corefile: '.:53 {\n health 127.0.0.1:0\n whoami\n}\n' });
  t.is((await server.fetch('/health')).body, 'OK');
  server.write('Corefile', '.:53 {\n ready 127.0.0.1:0\n whoami\n}\n');
  server.child.kill('SIGUSR1');
  await server.said(/^http:.*\/ready$/);
  t.is((await server.fetch('/ready')).status, 200);
  await t.throwsAsync(server.fetch('/health'));
});

test.serial(
  'health, ready: told to end it is alive and not ready until the lameduck time is over [dns 104]',
  async (t) => {
    const corefile = block(
      '192.0.2.1',
      'health 127.0.0.1:0 {\n lameduck 1s\n }\n ready 127.0.0.1:0',
    );
    const server = await serve(t, { corefile, objects: OBJECTS });
    await askUntilComplete(server);
    t.deepEqual(await server.fetch('/ready'), { status: 200, body: 'OK' });
    t.deepEqual(await server.fetch('/health'), { status: 200, body: 'OK' });
    server.child.kill('SIGTERM');
    await server.said(/^answering for another 1 s$/);
    t.is((await server.fetch('/ready')).status, 503);
    t.is((await server.fetch('/health')).status, 200);
    t.deepEqual((await ask(server, WEB)).answers, ['A 10.96.0.1']);
    t.is(await server.ended, 0);
  },
);

test.serial('server: queries under way are answered before it ends', async (t) => {
  let answer = (): void => undefined;
  const upstream = await startDouble(t, (asked, send) => {
    answer = () => {
      const { id = 0, questions = [] } = asked.packet;
      const data = { name: 'slow.test', type: 'A', ttl: 5, data: '192.0.2.7' } as const;
      send(dnsPacket.encode({ type: 'response', id, questions, answers: [data] }));
    };
  });
  const server = await serve(t, {
    corefile: `.:53 {\n forward . 127.0.0.1:${upstream.port}\n}\n`,
  });
  const reply = sendUdp(query('slow.test'), { port: server.port });
  while (upstream.seen.length === 0) await new Promise(setImmediate);
  server.child.kill('SIGTERM');
  setTimeout(() => answer(), 200);
  t.is(dnsPacket.decode((await reply) ?? Buffer.alloc(0)).answers?.length, 1);
  t.is(await server.ended, 0);
});

test.serial('loop: a server that forwards to itself ends, and says why [dns 105]', async (t) => {
  // Its upstream is a wire that leads back to it.
  const back = await startDouble(t);
  const server = await serve(t, {
    corefile: `.:53 {\n loop\n forward . 127.0.0.1:${back.port}\n}\n`,
  });
  back.behave = ({ bytes }, send) => {
    void sendUdp(bytes, { port: server.port, waitMs: 5_000 }).then((reply) => reply && send(reply));
  };
  t.is(await server.ended, 1);
  const last = server.lines().at(-1)?.msg ?? '';
  t.regex(last, /^sluice: loop: a query for .* came back 2 times: an upstream of zone \. asks us/);
});

test.serial('server: what the command line lacks is told in its own words', async (t) => {
  const corefile = block('192.0.2.1');
  const alone = start(t, { corefile, env: { KUBERNETES_SERVICE_HOST: '' } });
  t.is(await alone.ended, 1);
  t.regex(
    alone.lines().at(-1)?.msg ?? '',
    /^sluice: no API server: expected --kubeconfig or --files/,
  );
  const args = ['--kubeconfig', 'none.yaml'];
  const both = start(t, { corefile, objects: OBJECTS, args });
  t.is(await both.ended, 1);
  t.regex(
    both.lines()[0]?.msg ?? '',
    /'--files <dir>' cannot be used with .*'--kubeconfig <file>'/,
  );
});

test.serial(
  'server: a state directory that cannot be is told once, and done without',
  async (t) => {
    const args = ['--state-dir', '/proc/sluice/state'];
    const server = await serve(t, { corefile: block('192.0.2.1'), objects: OBJECTS, args });
    await askUntilComplete(server);
    t.deepEqual((await ask(server, WEB)).answers, ['A 10.96.0.1']);
    const warnings = server.lines().filter(({ level }) => level !== 'info');
    t.is(warnings.length, 1);
    t.regex(warnings[0]?.msg ?? '', /^--state-dir \/proc\/sluice\/state: ENOENT/);
    t.is(await server.stop(), 0);
  },
);

test.serial('server: who answers early ends with a server that cannot begin', async (t) => {
  const chosen = await serve(t, { corefile: block('192.0.2.1') });
  const args = ['--port', String(chosen.port)];
  await chosen.stop();
  const options = {
    ...{ corefile: block('192.0.2.1', '{$MORE}'), objects: OBJECTS, isKept: true, args },
    env: { MORE: 'any' },
  };
  const first = await serve(t, options);
  await askUntilComplete(first);
  await first.stop();
  const { folder } = first;
  const second = start(t, { ...options, folder, env: { MORE: 'nonsense' } });
  t.is(await second.ended, 1);
  t.regex(second.lines().at(-1)?.msg ?? '', /nonsense/);
});

test.serial('server: what cannot be served is told in one sentence', async (t) => {
  const cases: [string, RegExp][] = [
    ['.:53 {\n nonsense\n}\n', /Corefile:2: .*nonsense/],
    ['.:53 {\n forward . nowhere.invalid:x\n}\n', /Corefile:2: .*nowhere\.invalid:x/],
    ['https://.:443 {\n whoami\n}\n', /Corefile:1: "https:\/\/.:443": expected dns:\/\/ or tls:/],
    ['tls://.:0 {\n whoami\n}\n', /Corefile:1: "tls:\/\/.:0": expected a directive tls with/],
  ];
  await Promise.all(
    cases.map(async ([corefile, pattern]) => {
      const server = start(t, { corefile });
      t.is(await server.ended, 1, corefile);
      t.is(server.lines().length, 1);
      t.regex(server.lines()[0]?.msg ?? '', pattern);
    }),
  );
});

test.serial('prometheus: the names and labels are those dashboards have', async (t) => {
  const upstream = await startDouble(t);
  const corefile = `.:53 {
    prometheus 127.0.0.1:0
    health 127.0.0.1:0
    reload
    cache 30
    kubernetes cluster.local
    ${hosts('192.0.2.1')}
    forward . 127.0.0.1:${upstream.port}
  }\n`;
  const server = await serve(t, { corefile, objects: OBJECTS });
  await askUntilComplete(server);
  const zero = (await server.fetch('/metrics')).body;
  await ask(server, WEB);
  await ask(server, `no.${WEB}`);
  await ask(server, 'www.example.org');
  await ask(server, 'other.example.org');
  await ask(server, 'other.example.org');
  await sendTcp(framed(query('www.example.org', 'AAAA')), 1, { port: server.port });
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const { body, status } = await server.fetch('/metrics');
  t.is(status, 200);
  for (const line of body.split('\n')) {
    t.regex(line, /^$|^# (HELP|TYPE) \w+ .+$|^\w+(\{(\w+="[^"\\]*",?)*\})? [-+\d.e]+(Inf)?$/);
  }
  const grown = (series: string): number =>
    (valueOf(body, series) ?? 0) - (valueOf(zero, series) ?? 0);
  const of = 'server="dns://:53",zone=".",view=""';
  t.is(grown(`coredns_dns_requests_total{${of},family="1",proto="udp",type="A"}`), 5);
  t.is(grown(`coredns_dns_requests_total{${of},family="1",proto="tcp",type="AAAA"}`), 1);
  t.is(grown(`coredns_dns_responses_total{${of},rcode="NXDOMAIN",plugin="kubernetes"}`), 1);
  t.is(grown(`coredns_dns_responses_total{${of},rcode="NOERROR",plugin="kubernetes"}`), 2);
  t.is(grown(`coredns_dns_responses_total{${of},rcode="NOERROR",plugin="hosts"}`), 2);
  t.is(grown(`coredns_dns_responses_total{${of},rcode="NOERROR",plugin="forward"}`), 1);
  t.is(grown(`coredns_dns_request_duration_seconds_count{${of},type="A"}`), 2);
  t.is(grown(`coredns_dns_request_size_bytes_count{${of},proto="udp"}`), 5);
  t.is(grown(`coredns_dns_request_size_bytes_count{${of},proto="tcp"}`), 1);
  t.is(grown(`coredns_dns_response_size_bytes_count{${of},proto="udp"}`), 5);
  t.is(grown(`coredns_dns_response_size_bytes_count{${of},proto="tcp"}`), 1);
  t.true((valueOf(body, 'coredns_health_request_duration_seconds_count') ?? 0) >= 1);
  t.is(valueOf(body, 'coredns_health_request_failures_total'), 0);
  t.is(valueOf(body, 'coredns_panics_total'), 0);
  t.true((valueOf(body, 'coredns_hosts_entries') ?? 0) >= 1);
  t.regex(
    body,
    /^coredns_build_info\{version="\d+\.\d+\.\d+",revision="",goversion="v\d+.*"\} 1$/m,
  );
  for (const name of ['kubernetes', 'hosts', 'forward', 'cache', 'reload', 'prometheus']) {
    t.is(valueOf(body, `coredns_plugin_enabled{${of},name="${name}"}`), 1, name);
  }
  t.regex(body, /^coredns_proxy_request_duration_seconds_count\{.*rcode="NOERROR".*\} 1$/m);
  const cache = 'server="dns://:53",zones=".",view=""';
  t.is(valueOf(body, `coredns_cache_misses_total{${cache}}`), 3);
  t.is(valueOf(body, `coredns_cache_requests_total{${cache}}`), 4);
  const success = cache.replace(',', ',type="success",');
  t.is(valueOf(body, `coredns_cache_hits_total{${success}}`), 1);
  t.is(valueOf(body, `coredns_cache_entries{${success}}`), 3);
});

const headless = (address: string, trigger: string): string => `apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec: { clusterIP: None, clusterIPs: [None], selector: { app: db } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: db-1
  namespace: default
  labels: { kubernetes.io/service-name: db }
  annotations: { endpoints.kubernetes.io/last-change-trigger-time: '${trigger}' }
addressType: IPv4
endpoints: [{ addresses: ['${address}'], conditions: { ready: true } }]
ports: []
`;

test.serial('metrics: the time from a change of endpoints to its answer', async (t) => {
  const db = 'db.default.svc.cluster.local';
  const server = await serve(t, {
    corefile: block('192.0.2.1', 'prometheus 127.0.0.1:0'),
    objects: headless('10.1.0.1', '2026-01-02T03:04:05Z'),
  });
  await askUntil(server, db, ({ rcode }) => rcode === 'NOERROR');
  const series = 'coredns_kubernetes_dns_programming_duration_seconds';
  const labels = 'service_kind="headless_with_selector"';
  t.is(valueOf((await server.fetch('/metrics')).body, `${series}_count{${labels}}`), undefined);
  const changedMs = Date.now();
  server.write('objects/all.yaml', headless('10.1.0.2', new Date(changedMs).toISOString()));
  const told = await askUntil(server, db, ({ answers }) => answers[0] === 'A 10.1.0.2');
  const tookSec = (Date.now() - changedMs) / 1000;
  t.deepEqual(told.answers, ['A 10.1.0.2']);
  t.is(await metricOf(server, `${series}_count`, (count) => count > 0), 1);
  const { body } = await server.fetch('/metrics');
  const sum = valueOf(body, `${series}_sum{${labels}}`) ?? NaN;
  t.true(sum > 0 && sum <= tookSec + 0.05, `${sum} of ${tookSec} s`);
});

test.serial(
  'what a Corefile asks for in vain is said, at the start and with a reload',
  async (t) => {
    const corefile = (pods: string): string =>
      `.:53 {\n kubernetes cluster.local {\n  pods ${pods}\n }\n autopath @kubernetes\n}\n`;
    const server = await serve(t, { corefile: corefile('insecure'), objects: OBJECTS });
    const { msg } = await server.said(/autopath @kubernetes does nothing here/);
    t.regex(msg, /Corefile:5: /);
    server.write('Corefile', corefile('verified'));
    server.child.kill('SIGUSR1');
    await server.said(/pods verified: pods are followed from the next start on/);
    await askUntilComplete(server);
  },
);
