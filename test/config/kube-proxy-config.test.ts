/** KubeProxyConfiguration files: what is taken, what is refused, what is only warned of. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { formatCidr, parseCidr } from '../../src/addr.js';
import { loadConfig, parseConfig } from '../../src/config/config.js';
import { parseGoDuration } from '../../src/go-duration.js';
import { readKubeProxy } from '../../src/config/kube-proxy.js';
import { settingsOf } from '../../src/config/kube-proxy-settings.js';
import { setOomScore } from '../../src/kernel/oom-score.js';
import { readYaml } from '../../src/yaml.js';

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
const FILE = '/etc/kube-proxy/config.yaml';

function settings(more = '', cores = 4) {
  const [document] = readYaml(HEAD + more, FILE);
  if (document === undefined) throw new Error('no document');
  return settingsOf(readKubeProxy(document), { file: FILE, cores });
}

const keys = (more = '') => settings(more).keys;

function temporary(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-kube-'));
  t.teardown(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

test('kube-proxy: a file that says nothing has the defaults of kube-proxy', (t) => {
  t.deepEqual(settings(), {
    keys: {
      source: { kubernetes: {} },
      healthzBindAddress: '0.0.0.0:10256',
      metricsBindAddress: '127.0.0.1:10249',
      masqueradeAll: false,
      nodePortAddresses: ['all', 'localhost'],
      timeouts: { tcpEstablished: 86_400, tcpCloseWait: 3_600 },
    },
    sync: { periodMs: 30_000, minPeriodMs: 0 },
    oomScoreAdj: -999,
    flowRows: 0,
    warnings: [],
  });
});

/** As kubeadm writes it into the ConfigMap kube-proxy. */
const KUBEADM = `bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal: { bridgeInterface: "", interfaceNamePrefix: "" }
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: { localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s }
ipvs: { excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s }
logging: { flushFrequency: 0, options: { json: { infoBufferSize: "0" }, text: { infoBufferSize: "0" } }, verbosity: 0 }
metricsBindAddress: ""
mode: ""
nftables: { masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s }
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: { enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: "" }
`;

test('kube-proxy: what kubeadm writes is taken without a word, its empty values as the defaults', (t) => {
  const found = settings(KUBEADM);
  t.deepEqual(found.warnings, []);
  t.deepEqual(found.keys, {
    source: { kubernetes: { kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf' } },
    healthzBindAddress: '0.0.0.0:10256',
    metricsBindAddress: '127.0.0.1:10249',
    clusterCIDRs: ['10.244.0.0/16'],
    detectLocal: { mode: 'ClusterCIDR' },
    masqueradeAll: false,
    nodePortAddresses: ['all', 'localhost'],
    timeouts: { tcpEstablished: 86_400, tcpCloseWait: 3_600 },
  });
  t.deepEqual(found.sync, { periodMs: 30_000, minPeriodMs: 0 });
  t.is(found.oomScoreAdj, -999);
});

test('kube-proxy: the agent runs from the file alone, with a Kubernetes source', (t) => {
  const config = parseConfig(HEAD + KUBEADM, FILE, 'node-a');
  t.deepEqual(config.source, { kubernetes: { kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf' } });
  t.is(config.nodeName, 'node-a');
  t.deepEqual(config.healthzBindAddress, { host: '0.0.0.0', port: 10256 });
  t.is(config.stateDir, '/run/sluice/node-a');
  t.is(config.oomScoreAdj, -999);
});

test('kube-proxy: every setting arrives in the configuration that is loaded', (t) => {
  const dir = temporary(t);
  const kube = `clusterCIDR: 10.244.0.0/16,fd00:1::/64
detectLocalMode: BridgeInterface
detectLocal: {bridgeInterface: cni0}
nodePortAddresses: [192.0.2.0/24]
mode: nftables
nftables: {masqueradeAll: true}
conntrack: {tcpEstablishedTimeout: 2h, tcpCloseWaitTimeout: 90s, udpTimeout: 20s, udpStreamTimeout: 3m}
`;
  const file = join(dir, 'kube.yaml');
  writeFileSync(file, HEAD + kube);
  const config = loadConfig(file, 'host');
  t.deepEqual(config.clusterCIDRs.map(formatCidr), ['10.244.0.0/16', 'fd00:1::/64']);
  t.deepEqual(config.detectLocal, { mode: 'BridgeInterface', bridgeInterface: 'cni0' });
  t.deepEqual(config.nodePortAddresses, [parseCidr('192.0.2.0/24')]);
  t.true(config.masqueradeAll);
  t.deepEqual(config.timeouts, {
    tcpEstablished: 7_200,
    tcpCloseWait: 90,
    udp: 20,
    udpStream: 180,
  });
});

test('kube-proxy: keys of a SluiceConfiguration win one by one, time-outs each by itself', (t) => {
  const dir = temporary(t);
  const kube = `clusterCIDR: 10.244.0.0/16
detectLocalMode: ClusterCIDR
iptables: {masqueradeAll: true}
conntrack: {tcpEstablishedTimeout: 2h, udpTimeout: 20s}
`;
  writeFileSync(join(dir, 'kube.yaml'), HEAD + kube);
  const file = join(dir, 'sluice.yaml');
  writeFileSync(
    file,
    'apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nkubeProxyConfiguration: kube.yaml\nmasqueradeAll: off\ntimeouts: {udp: 5}\n',
  );
  const config = loadConfig(file, 'host');
  t.false(config.masqueradeAll);
  t.deepEqual(config.detectLocal, { mode: 'ClusterCIDR' });
  t.deepEqual(config.clusterCIDRs.map(formatCidr), ['10.244.0.0/16']);
  t.deepEqual(config.nodePortAddresses, ['all', 'localhost']);
  t.deepEqual(config.timeouts, {
    tcpEstablished: 7_200,
    tcpCloseWait: 3_600,
    udp: 5,
    udpStream: 120,
  });
});

test('kube-proxy: a SluiceConfiguration names the file, and its own keys win', (t) => {
  const dir = temporary(t);
  const kube = `hostnameOverride: From-Kube\nmetricsBindAddress: 127.0.0.1:1\nhealthzBindAddress: 127.0.0.1:2\niptables: {syncPeriod: 1m}\nclientConnection: {kubeconfig: k}\n`;
  writeFileSync(join(dir, 'kube.yaml'), HEAD + kube);
  const file = join(dir, 'sluice.yaml');
  const head =
    'apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nkubeProxyConfiguration: kube.yaml\n';
  writeFileSync(file, `${head}metricsBindAddress: 127.0.0.1:3\n`);
  const config = loadConfig(file, 'host');
  t.is(config.nodeName, 'from-kube');
  t.deepEqual(config.metricsBindAddress, { host: '127.0.0.1', port: 3 });
  t.deepEqual(config.healthzBindAddress, { host: '127.0.0.1', port: 2 });
  t.deepEqual(config.source, { kubernetes: { kubeconfig: join(dir, 'k') } });
  t.is(config.sync.periodMs, 60_000);
  writeFileSync(file, `${head}source: {files: x}\n`);
  t.deepEqual(loadConfig(file, 'host').source, { files: join(dir, 'x') });
  writeFileSync(file, head.replace('kube.yaml', 'none.yaml'));
  t.throws(() => loadConfig(file, 'host'), { message: /^cannot read .*none\.yaml: ENOENT/ });
  writeFileSync(join(dir, 'kube.yaml'), 'kind: Pod\n');
  writeFileSync(file, head);
  t.throws(() => loadConfig(file, 'host'), {
    message: /kube\.yaml:1:7: .*kind: "Pod": expected Kube/,
  });
});

test('kube-proxy: the mode decides where node ports are served', (t) => {
  const ports = (more: string) => keys(more).nodePortAddresses;
  t.deepEqual(ports('mode: iptables\n'), ['all', 'localhost']);
  t.deepEqual(ports('mode: ipvs\n'), ['all']);
  t.deepEqual(ports('mode: nftables\n'), ['primary']);
  t.deepEqual(ports('iptables: {localhostNodePorts: false}\n'), ['all']);
  t.deepEqual(ports('nodePortAddresses: [192.0.2.0/24]\n'), ['192.0.2.0/24']);
  const loopback = 'nodePortAddresses: [127.0.0.0/8, 192.0.2.0/24]\n';
  t.deepEqual(ports(loopback), ['127.0.0.0/8', '192.0.2.0/24', 'localhost']);
  t.deepEqual(ports(`mode: nftables\n${loopback}`), ['127.0.0.0/8', '192.0.2.0/24']);
  t.deepEqual(ports('mode: nftables\nnodePortAddresses: [primary]\n'), ['primary']);
});

test('kube-proxy: who is a pod follows detectLocalMode', (t) => {
  const local = (more: string) => {
    const { detectLocal, clusterCIDRs } = keys(more);
    return { detectLocal, clusterCIDRs };
  };
  t.deepEqual(local(''), { detectLocal: undefined, clusterCIDRs: undefined });
  t.deepEqual(local('clusterCIDR: "10.1.0.0/16,fd00::/64"\n'), {
    detectLocal: { mode: 'ClusterCIDR' },
    clusterCIDRs: ['10.1.0.0/16', 'fd00::/64'],
  });
  t.deepEqual(local('detectLocalMode: NodeCIDR\n').detectLocal, { mode: 'NodeCIDR' });
  t.deepEqual(
    local('detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}\n').detectLocal,
    { mode: 'BridgeInterface', bridgeInterface: 'cni0' },
  );
  t.deepEqual(
    local('detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: cali}\n')
      .detectLocal,
    { mode: 'InterfaceNamePrefix', interfaceNamePrefix: 'cali' },
  );
  const blind = settings('detectLocalMode: ClusterCIDR\n');
  t.deepEqual(blind.keys.detectLocal, { mode: 'None' });
  t.deepEqual(blind.warnings, [
    'detectLocalMode ClusterCIDR without a clusterCIDR: no pod is told from others',
  ]);
});

test('kube-proxy: time-outs are whole seconds; 0s of TCP leaves those of Linux', (t) => {
  const times = (inner: string) => keys(`conntrack: {${inner}}\n`).timeouts;
  t.deepEqual(
    times(
      'tcpEstablishedTimeout: 1h, tcpCloseWaitTimeout: 90s, udpTimeout: 1500ms, udpStreamTimeout: 3m',
    ),
    { tcpEstablished: 3_600, tcpCloseWait: 90, udp: 2, udpStream: 180 },
  );
  t.deepEqual(times('tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s'), {
    tcpEstablished: 432_000,
    tcpCloseWait: 60,
  });
});

test('kube-proxy: addresses, names and periods are those of the mode that is used', (t) => {
  const found = settings(
    `mode: nftables\nbindAddress: "2001:db8::1"\nhostnameOverride: " Node-X "\nhealthzBindAddress: 192.0.2.1\nnftables: {masqueradeAll: true, syncPeriod: 10s, minSyncPeriod: 2s}\niptables: {masqueradeAll: false, syncPeriod: 5s}\noomScoreAdj: 0\n`,
  );
  t.like(found.keys, {
    nodeName: 'node-x',
    nodeAddresses: ['2001:db8::1'],
    healthzBindAddress: '192.0.2.1:10256',
    metricsBindAddress: '[::1]:10249',
    masqueradeAll: true,
  });
  t.deepEqual(found.sync, { periodMs: 10_000, minPeriodMs: 2_000 });
  t.is(found.oomScoreAdj, 0);
  t.deepEqual(found.warnings, ['sections of other modes are ignored: iptables']);
  const ipvs = settings('mode: ipvs\niptables: {masqueradeAll: true}\nipvs: {syncPeriod: 7s}\n');
  t.true(ipvs.keys.masqueradeAll, 'ipvs masquerades by the section of iptables');
  t.is(ipvs.sync.periodMs, 7_000);
  t.deepEqual(ipvs.warnings, []);
});

test('kube-proxy: conntrack sizes suggest rows, two a connection', (t) => {
  t.is(settings('conntrack: {maxPerCore: 32768, min: 131072}\n', 4).flowRows, 262_144);
  t.is(settings('conntrack: {maxPerCore: 32768, min: 131072}\n', 16).flowRows, 1_048_576);
  t.is(settings('conntrack: {maxPerCore: 0, min: 131072}\n').flowRows, 0, 'leave it');
  const text = `${HEAD}conntrack: {min: 300000}\n`;
  const [warning, ...more] = parseConfig(text, FILE, 'n').warnings;
  t.regex(warning ?? '', /set capacities\.flows4 to 1048576$/);
  t.deepEqual(more, []);
});

test('kube-proxy: what does not count is named, a line a kind', (t) => {
  const { warnings } = settings(`modee: x
detectLocal: {bridge: y}
ipvs: {strictARP: true}
winkernel: {networkName: net}
clientConnection: {qps: 50}
iptables: {masqueradeBit: 3}
configSyncPeriod: 5m
enableProfiling: true
featureGates: {NFTablesProxyMode: true}
`);
  t.deepEqual(warnings, [
    `unknown fields are ignored: ${FILE}:4: detectLocal.bridge, ${FILE}:3: modee`,
    'sections of other modes are ignored: ipvs, winkernel',
    'fields without a meaning here are ignored: clientConnection.qps, enableProfiling, iptables.masqueradeBit, configSyncPeriod',
    'feature gates are ignored: NFTablesProxyMode',
  ]);
});

const WRONG: readonly (readonly [text: string, complaint: string])[] = [
  ['mode: kernelspace', 'mode: "kernelspace": expected one of iptables, ipvs, nftables, or ""'],
  [
    'bindAddress: a',
    'bindAddress: "a": is not an IP address; expected one such as 192.0.2.7 or 2001:db8::7',
  ],
  ['oomScoreAdj: 1001', 'oomScoreAdj: 1001: expected a whole number from -1000 to 1000'],
  [
    'iptables: {masqueradeBit: 32}',
    'iptables.masqueradeBit: 32: expected a whole number from 0 to 31',
  ],
  [
    'nftables: {masqueradeBit: -1}',
    'nftables.masqueradeBit: -1: expected a whole number from 0 to 31',
  ],
  [
    'iptables: {syncPeriod: -1s}',
    'iptables.syncPeriod: "-1s": expected a duration greater than 0s',
  ],
  [
    'iptables: {syncPeriod: soon}',
    'iptables.syncPeriod: "soon": is no duration; expected one such as 30s or 1h0m0s',
  ],
  [
    'iptables: {minSyncPeriod: -1s}',
    'iptables.minSyncPeriod: "-1s": expected a duration of at least 0s',
  ],
  [
    'ipvs: {minSyncPeriod: 31s}',
    'ipvs.minSyncPeriod: "31s": expected at most ipvs.syncPeriod, 30s',
  ],
  [
    'nftables: {syncPeriod: 1s, minSyncPeriod: 2s}',
    'nftables.minSyncPeriod: "2s": expected at most nftables.syncPeriod, 1s',
  ],
  ['configSyncPeriod: -1m', 'configSyncPeriod: "-1m": expected a duration greater than 0s'],
  ['conntrack: {min: -1}', 'conntrack.min: -1: expected a whole number from 0 to 2147483647'],
  [
    'conntrack: {udpTimeout: -1s}',
    'conntrack.udpTimeout: "-1s": expected a duration of at least 0s',
  ],
  [
    'healthzBindAddress: "1.2.3.4:0"',
    'healthzBindAddress: "1.2.3.4:0": is no address with a port; expected one such as 127.0.0.1:10249, [::]:10249 or ""',
  ],
  [
    'metricsBindAddress: "1.2.3.4:65536"',
    'metricsBindAddress: "1.2.3.4:65536": is no address with a port; expected one such as 127.0.0.1:10249, [::]:10249 or ""',
  ],
  [
    'clusterCIDR: "10.1.0.0/16,10.2.0.0/16"',
    'clusterCIDR: "10.1.0.0/16,10.2.0.0/16": expected one CIDR, or one of each family with a comma between them',
  ],
  [
    'nodePortAddresses: [eth0]',
    'nodePortAddresses[0]: "eth0": is not a prefix; expected one such as 10.96.0.0/12 or fd00:10:96::/112',
  ],
  [
    'detectLocalMode: BridgeInterface',
    'detectLocal.bridgeInterface: (missing): expected an interface for detectLocalMode BridgeInterface',
  ],
  [
    'detectLocalMode: InterfaceNamePrefix',
    'detectLocal.interfaceNamePrefix: (missing): expected an interface for detectLocalMode InterfaceNamePrefix',
  ],
  [
    'detectLocalMode: Guess',
    'detectLocalMode: "Guess": expected one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix, or ""',
  ],
  [
    'ipvs: {scheduler: best}',
    'ipvs.scheduler: "best": expected one of rr, wrr, lc, wlc, lblc, lblcr, sh, dh, sed, nq, mh, or ""',
  ],
  ['enableProfiling: maybe', 'enableProfiling: "maybe": expected true or false'],
  ['conntrack: 3', 'conntrack: 3: expected a mapping'],
];

test('kube-proxy: a wrong value is refused in one line with file, line, key, value and expectation', (t) => {
  for (const [text, complaint] of WRONG) {
    const message = t.throws(() => settings(`${text}\n`), { code: 'ERR_CONFIG' }).message;
    t.regex(message, /^\/etc\/kube-proxy\/config\.yaml:\d+:\d+: document 1: /);
    t.is(message.replace(/^.*?document 1: /, ''), complaint);
  }
  const wrongVersion = HEAD.replace('v1alpha1', 'v1');
  t.throws(() => parseConfig(wrongVersion, FILE, 'n'), {
    message: /apiVersion: .*expected kubeproxy/,
  });
});

test('kube-proxy: durations are read as Go writes them', (t) => {
  t.is(parseGoDuration('30s'), 30_000);
  t.is(parseGoDuration('1h0m0s'), 3_600_000);
  t.is(parseGoDuration('1.5h'), 5_400_000);
  t.is(parseGoDuration('2m250ms'), 120_250);
  t.is(parseGoDuration('.5s'), 500);
  t.is(parseGoDuration('0'), 0);
  t.is(parseGoDuration('-1s'), -1_000);
  for (const wrong of ['', '1', 's', '1d', '1 s', '1s!', '--1s', '1s2']) {
    t.throws(() => parseGoDuration(wrong), { code: 'ERR_CONFIG' }, wrong);
  }
});

test('kube-proxy: a score that cannot be set is said, and no more', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-oom-'));
  t.teardown(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  t.is(setOomScore(-999, join(dir, 'score')), undefined);
  t.regex(setOomScore(-999, join(dir, 'no/score')) ?? '', /^oomScoreAdj -999 is not set: ENOENT/);
});
