import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { format } from 'prettier';
import {
  CONTROL_BYTES,
  CONTROL_FLOWS4_LIVE_OFF,
  COUNTERS_BYTES,
  COUNTER_DROP_BASE,
  COUNTER_KERNEL_BASE,
  COUNTER_LANE_BASE,
  Drop,
  KernelCounter,
  LaneCounter,
} from '../../assembly/abi.js';
import { createControl } from '../../src/compile/control.js';
import { createSlis, registerBuildInfo, registerSource } from '../../src/ops/agent-metrics.js';
import { registerCniMetrics } from '../../src/ops/cni-metrics.js';
import { createBacklog, IP_FAMILIES, TRIGGER_ANNOTATION } from '../../src/ops/backlog.js';
import { formatConfigz } from '../../src/ops/configz.js';
import { listen } from '../../src/http-server.js';
import { createIgnoredReport } from '../../src/ops/ignored.js';
import { createMetrics, metricsHandler } from '../../src/ops/metrics.js';
import { registerProxyMetrics } from '../../src/ops/proxy-metrics.js';
import { createCounters } from '../../src/sources/counters.js';
import { parseConfig } from '../../src/config/config.js';
import { createLog } from '../../src/log.js';
import type { SourceEvent } from '../../src/model/events.js';
import { members } from '../../src/ops/tables.js';
import { drop, HERE, node, put, ready, service, slice, webService } from '../model/objects.js';
import { parseExposition } from './exposition.js';
import { ask } from './request.js';

const CAPACITIES = { services: 64, backends: 64, setEntries: 64, maglevEntries: 4096, ranges: 64 };
const PAGE = join(import.meta.dirname, '../../docs/metrics.md');
const START_MS = Date.UTC(2026, 0, 1);

function rig() {
  const clock = { ms: START_MS };
  const controlPlane = createControl({ nodeName: HERE, capacities: CAPACITIES });
  const backlog = createBacklog(() => clock.ms);
  const control = new DataView(new ArrayBuffer(CONTROL_BYTES));
  const counters = new DataView(new ArrayBuffer(COUNTERS_BYTES));
  const tables = [{ table: 'flows4', capacity: 1024, used: () => 6 }];
  const registry = createMetrics({ control, counters, tables, pods: () => 2, problems: () => 1 });
  const proxy = registerProxyMetrics({
    registry,
    backlog,
    withoutLocal: (family) => controlPlane.withoutLocal(family === 'IPv4' ? 4 : 6),
  });
  const source = createCounters();
  registerBuildInfo(registry, '1.2.3');
  registerSource(registry, source);
  const counts = { attachments: 3, leaked: 2, reclaimed: 1 };
  const operated = registerCniMetrics(registry, {
    attachments: () => counts.attachments,
    leaked: () => counts.leaked,
    reclaimed: () => counts.reclaimed,
  });
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const reportIgnored = createIgnoredReport(registry, createLog('info', { write }));
  const read = async () => parseExposition(await registry.metrics());
  return {
    clock,
    controlPlane,
    backlog,
    control,
    counters,
    registry,
    proxy,
    read,
    source,
    lines,
    reportIgnored,
    operated,
  };
}

const CONFIG = `apiVersion: sluice/v1alpha1
kind: SluiceConfiguration
nodeName: n1
source: { kubernetes: { kubeconfig: k } }
serviceCIDRs: [10.96.0.0/12, 'fd00::/112']
nodeAddresses: [192.0.2.1]
healthzBindAddress: '[::]:1'
`;

function extras(isHealthy = () => true) {
  const slis = createSlis(isHealthy);
  const config = parseConfig(CONFIG, '/etc/sluice.yaml', 'h');
  return { slis: slis.registry, answered: slis.answered, configz: () => formatConfigz(config) };
}

test('configz: the configuration in force, in the words of the file', async (t) => {
  const listener = await listen(
    { host: '127.0.0.1', port: 0 },
    metricsHandler(rig().registry, extras()),
  );
  t.teardown(listener.close);
  const { headers, body } = await ask(listener.port, '/configz');
  t.is(headers['content-type'], 'application/json');
  t.like((JSON.parse(body) as { sluice: object }).sluice, {
    nodeName: 'n1',
    source: { kubernetes: { kubeconfig: '/etc/k' } },
    serviceCIDRs: ['10.96.0.0/12', 'fd00::/112'],
    nodeAddresses: ['192.0.2.1'],
    healthzBindAddress: '[::]:1',
    metricsBindAddress: '127.0.0.1:10249',
    failMode: 'open',
  });
});

test('slis: the last answer of each probe, and how often which', async (t) => {
  let isHealthy = true;
  const { slis, answered } = extras(() => isHealthy);
  const values = async (name: string) =>
    Object.fromEntries(parseExposition(await slis.metrics()).get(name)?.samples ?? []);
  const gauge = (type: string) => `kubernetes_healthcheck{name="proxy",type="${type}"}`;
  t.deepEqual(await values('kubernetes_healthcheck'), {
    [gauge('healthz')]: 1,
    [gauge('livez')]: 1,
  });
  isHealthy = false;
  answered('livez', 200);
  answered('livez', 200);
  answered('livez', 503);
  t.deepEqual(await values('kubernetes_healthcheck'), {
    [gauge('healthz')]: 0,
    [gauge('livez')]: 0,
  });
  const total = (status: string) =>
    `kubernetes_healthchecks_total{name="proxy",type="livez",status="${status}"}`;
  t.deepEqual(await values('kubernetes_healthchecks_total'), {
    [total('success')]: 2,
    [total('error')]: 1,
  });
});

test('metrics: CNI operations by verb and code, attachments, and what has leaked', async (t) => {
  const { read, operated } = rig();
  operated({ verb: 'ADD', code: 0, durationMs: 12 });
  operated({ verb: 'ADD', code: 100, durationMs: 3 });
  operated({ verb: undefined, code: 4, durationMs: 0 });
  const families = await read();
  const values = (name: string) => Object.fromEntries(families.get(name)?.samples ?? []);
  t.deepEqual(values('sluice_cni_ops_total'), {
    'sluice_cni_ops_total{verb="ADD",code="0"}': 1,
    'sluice_cni_ops_total{verb="ADD",code="100"}': 1,
    'sluice_cni_ops_total{verb="unknown",code="4"}': 1,
  });
  t.is(values('sluice_cni_op_seconds')['sluice_cni_op_seconds_sum{verb="ADD"}'], 0.015);
  t.deepEqual(values('sluice_attachments'), { sluice_attachments: 3 });
  t.deepEqual(values('sluice_ipam_leaked'), { sluice_ipam_leaked: 2 });
  t.deepEqual(values('sluice_ipam_reclaimed_total'), { sluice_ipam_reclaimed_total: 1 });
});

test('metrics: what runs, and how it gets on with its API server', async (t) => {
  const { read, source } = rig();
  source.watches = 7;
  const families = await read();
  const build = [...(families.get('sluice_build_info')?.samples ?? [])];
  t.regex(build[0]?.[0] ?? '', /version="1\.2\.3",abi="\d+",node_version="v/);
  t.is(families.get('sluice_source_watches_total')?.samples.get('sluice_source_watches_total'), 7);
});

test('metrics: what cannot be used of an object is one warning and one count each, by kind', async (t) => {
  const { controlPlane, reportIgnored, lines, read } = rig();
  const web = (externalIPs: string[], type = 'ClusterIP') => {
    const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
    return put('Service', service('web', { clusterIP: '10.96.0.1', externalIPs, ports, type }));
  };
  const take = (event: SourceEvent) => {
    reportIgnored(controlPlane.apply(event));
  };
  take(web(['192.0.2.1', 'x']));
  take(web(['192.0.2.1', 'x']));
  take(web(['192.0.2.1', 'x'], 'NodePort'));
  take(put('Node', node('node-b', ['bad'], ['192.0.2.2'])));
  take({ type: 'synced' });
  t.deepEqual(
    lines.map(({ time: _, ...line }) => line),
    [
      {
        level: 'warn',
        kind: 'Service',
        object: 'default/web',
        ignored: 'externalIPs[1] "x": no address',
        msg: 'Service default/web: externalIPs[1] "x": no address',
      },
      {
        level: 'warn',
        kind: 'Node',
        object: 'node-b',
        ignored: 'podCIDRs[0] "bad": no prefix',
        msg: 'Node node-b: podCIDRs[0] "bad": no prefix',
      },
    ],
  );
  const name = 'sluice_ignored_fields_total';
  t.deepEqual(Object.fromEntries((await read()).get(name)?.samples ?? []), {
    [`${name}{kind="Service"}`]: 1,
    [`${name}{kind="EndpointSlice"}`]: 0,
    [`${name}{kind="Node"}`]: 1,
    [`${name}{kind="Pod"}`]: 0,
    [`${name}{kind="Namespace"}`]: 0,
  });
});

test('metrics: a scrape over HTTP is text that promtool would take', async (t) => {
  const { registry, proxy } = rig();
  proxy.passed(3);
  proxy.programmed('IPv4', [400]);
  const listener = await listen({ host: '127.0.0.1', port: 0 }, metricsHandler(registry, extras()));
  t.teardown(listener.close);
  const { status, headers, body } = await ask(listener.port, '/metrics');
  t.is(status, 200);
  t.is(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const families = parseExposition(body);
  t.true(families.size > 30);
  t.deepEqual(await ask(listener.port, '/healthz').then((reply) => [reply.status, reply.body]), [
    200,
    'ok',
  ]);
  t.is((await ask(listener.port, '/proxyMode')).body, 'sluice');
  t.is((await ask(listener.port, '/')).status, 404);
});

test('metrics: every word of the shared counters is there, under its own name', async (t) => {
  const { counters, control, read } = rig();
  const set = (at: number, value: number) => counters.setBigUint64(at * 8, BigInt(value), true);
  for (const [, value] of members(LaneCounter)) set(COUNTER_LANE_BASE + value, 1000 + value);
  for (const [, value] of members(KernelCounter)) set(COUNTER_KERNEL_BASE + value, 2000 + value);
  for (const [, value] of members(Drop)) set(COUNTER_DROP_BASE + value, 3000 + value);
  control.setUint32(CONTROL_FLOWS4_LIVE_OFF, 6, true);
  for (let scrape = 0; scrape < 2; scrape++) {
    const families = await read();
    const value = (name: string, labels = '') =>
      families.get(name)?.samples.get(`${name}${labels}`);
    for (const [name, at] of members(LaneCounter)) {
      t.is(value(`sluice_lane_${name.toLowerCase()}_total`), 1000 + at);
    }
    for (const [name, at] of members(KernelCounter)) {
      t.is(value(`sluice_kernel_${name.toLowerCase()}_total`), 2000 + at);
    }
    for (const [name, at] of members(Drop)) {
      const expected = name === 'NONE' ? undefined : 3000 + at;
      t.is(value('sluice_drops_total', `{reason="${name}"}`), expected);
    }
    t.is(value('sluice_flows', '{ip_family="IPv4"}'), 3);
    t.is(value('sluice_table_used', '{table="flows4"}'), 6);
    t.is(value('sluice_table_capacity', '{table="flows4"}'), 1024);
  }
});

test('metrics: pending and total changes follow the passes, by family', async (t) => {
  const { backlog, clock, read } = rig();
  const values = async (name: string) => {
    const samples = (await read()).get(`kubeproxy_sync_proxy_rules_${name}`)?.samples;
    return [...(samples?.values() ?? [])];
  };
  backlog.add(put('Service', webService('web', '10.96.0.1')));
  backlog.add(put('EndpointSlice', slice('web-4', 'web', [ready('10.1.0.1')])));
  backlog.add(put('EndpointSlice', slice('web-4', 'web', [ready('10.1.0.2')])));
  t.deepEqual(await values('service_changes_pending'), [1, 1]);
  t.deepEqual(await values('endpoint_changes_pending'), [1, 0]);
  t.deepEqual(await values('endpoint_changes_total'), [2, 0]);
  t.deepEqual(await values('last_queued_timestamp_seconds'), []);
  clock.ms += 500;
  backlog.add({ type: 'synced' });
  clock.ms += 1_000;
  backlog.begin();
  backlog.add(drop('Service', 'web'));
  t.deepEqual(await values('service_changes_pending'), [1, 1]);
  backlog.settle(IP_FAMILIES);
  t.deepEqual(await values('service_changes_pending'), [1, 1], 'the one of during the pass');
  t.deepEqual(await values('service_changes_total'), [2, 2]);
  t.deepEqual(await values('endpoint_changes_pending'), [0, 0]);
  const sec = START_MS / 1000;
  t.deepEqual(await values('last_queued_timestamp_seconds'), [sec + 1.5, sec + 1.5]);
  t.deepEqual(await values('last_timestamp_seconds'), [sec + 1.5, sec + 1.5]);
});

test('metrics: programming latency counts each trigger once, not deletions, not what is older than us', (t) => {
  const { backlog, clock } = rig();
  const at = (name: string, ms: number, address = '10.1.0.1') => {
    const plain = slice(name, 'web', [ready(address)]);
    const annotations = { [TRIGGER_ANNOTATION]: new Date(ms).toISOString() };
    return put('EndpointSlice', { ...plain, metadata: { ...plain.metadata, annotations } });
  };
  backlog.add({ type: 'synced' });
  backlog.add(at('old', START_MS - 1));
  backlog.add(at('a', START_MS + 100));
  backlog.add(at('a', START_MS + 100, '10.1.0.2'));
  backlog.add(at('a', START_MS + 200));
  backlog.add(at('gone', START_MS + 300));
  backlog.add(drop('EndpointSlice', 'gone'));
  backlog.add(at('v6', START_MS + 400, 'fd00::1'));
  clock.ms += 1_000;
  backlog.begin();
  t.deepEqual(backlog.settle([]), { IPv4: [], IPv6: [] }, 'a pass that failed');
  backlog.begin();
  const programmed = backlog.settle(IP_FAMILIES);
  t.deepEqual(programmed, { IPv4: [START_MS + 100, START_MS + 200], IPv6: [START_MS + 400] });
  backlog.begin();
  t.deepEqual(backlog.settle(IP_FAMILIES), { IPv4: [], IPv6: [] });
});

test('metrics: buckets are those of kube-proxy', async (t) => {
  const { proxy, read } = rig();
  proxy.passed(3);
  proxy.programmed('IPv6', [1_500]);
  proxy.answered('healthz', 503);
  const families = await read();
  const bounds = (name: string) =>
    [...(families.get(name)?.samples.keys() ?? [])].flatMap((series) => {
      const le = /le="([^"]+)"/.exec(series)?.[1];
      return le === undefined || series.includes('IPv4')
        ? []
        : [Number(le.replace('+Inf', 'Infinity'))];
    });
  const sync = bounds('kubeproxy_sync_proxy_rules_duration_seconds');
  t.is(sync.length, 16);
  t.deepEqual([sync[0], sync[14]], [0.001, 16.384]);
  const programming = bounds('kubeproxy_network_programming_duration_seconds');
  t.is(programming.length, 2 + 59 + 12 + 7 + 1);
  t.deepEqual(
    [programming[0], programming[60], programming[72], programming[79]],
    [0.25, 59, 115, 300],
  );
  const answered = families.get('kubeproxy_proxy_healthz_total')?.samples;
  t.is(answered?.get('kubeproxy_proxy_healthz_total{code="503"}'), 1);
});

test('metrics: ports of Local policies with endpoints elsewhere only are counted, by policy and family [proxy 56]', async (t) => {
  const { controlPlane, read } = rig();
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  const spec = { type: 'NodePort', externalTrafficPolicy: 'Local', ports };
  controlPlane.apply(put('Service', service('ext', { ...spec, clusterIP: '10.96.0.1' })));
  const internal = { clusterIP: 'fd00::9', internalTrafficPolicy: 'Local', ports };
  controlPlane.apply(put('Service', service('int', internal)));
  controlPlane.apply(put('Service', service('empty', { ...spec, clusterIP: '10.96.0.2' })));
  controlPlane.apply(put('EndpointSlice', slice('ext-1', 'ext', [ready('10.1.0.1')])));
  controlPlane.apply(put('EndpointSlice', slice('int-1', 'int', [ready('fd00::1')])));
  const name = 'kubeproxy_sync_proxy_rules_no_local_endpoints_total';
  const values = async () => Object.fromEntries((await read()).get(name)?.samples ?? []);
  t.deepEqual(await values(), {
    [`${name}{ip_family="IPv4",traffic_policy="internal"}`]: 0,
    [`${name}{ip_family="IPv4",traffic_policy="external"}`]: 1,
    [`${name}{ip_family="IPv6",traffic_policy="internal"}`]: 1,
    [`${name}{ip_family="IPv6",traffic_policy="external"}`]: 0,
  });
  controlPlane.apply(put('EndpointSlice', slice('ext-2', 'ext', [ready('10.1.0.2', HERE)])));
  t.is((await values())[`${name}{ip_family="IPv4",traffic_policy="external"}`], 0);
});

/** The table between the marks of docs/metrics.md. */
async function tableOf(registry: ReturnType<typeof rig>['registry']): Promise<string> {
  const all = registry.getMetricsAsArray() as unknown as {
    name: string;
    type: string;
    help: string;
    labelNames: readonly string[];
  }[];
  const rows = all.map(({ name, type, help, labelNames }) => {
    const labels = labelNames.filter((label) => label !== 'le').join(', ');
    return `| ${name} | ${type} | ${labels} | ${help} |`;
  });
  const text = ['| name | type | labels | meaning |', '| - | - | - | - |', ...rows].join('\n');
  return format(text, { parser: 'markdown' });
}

test('metrics: docs/metrics.md lists the registry, name by name (UPDATE=1 rewrites it)', async (t) => {
  const { registry } = rig();
  const table = await tableOf(registry);
  const page = readFileSync(PAGE, 'utf8');
  const [head = '', , tail = ''] = page.split(/<!-- table: .* -->\n\n?/);
  const wanted = `${head}<!-- table: begin -->\n\n${table}\n<!-- table: end -->\n${tail === '' ? '' : `\n${tail}`}`;
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, wanted);
  else t.is(page, wanted);
  t.pass();
});
