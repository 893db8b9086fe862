import test from 'ava';
import { formatAddress, formatCidr, parseCidr } from '../../src/addr.js';
import { describeConfig, loadConfig, parseConfig } from '../../src/config/config.js';

const HEAD =
  'apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nsource:\n  files: manifests\n';
const FILE = '/etc/sluice/agent.yaml';

function parse(more = '') {
  return parseConfig(HEAD + more, FILE, 'node-a');
}

test('config: a file with the required keys only is complete', (t) => {
  t.deepEqual(parse(), {
    nodeName: 'node-a',
    source: { files: '/etc/sluice/manifests' },
    stateDir: '/run/sluice/node-a',
    pinDir: '/sys/fs/bpf/sluice/node-a',
    offload: true,
    failMode: 'open',
    trunk: { kind: 'xdp', name: 'slc' },
    uplinks: [],
    serviceCIDRs: [],
    nodePortAddresses: [],
    clusterCIDRs: [],
    detectLocal: { mode: 'Links' },
    masqueradeAll: false,
    externalIPs: { allowed: [parseCidr('0.0.0.0/0'), parseCidr('::/0')] },
    loadBalancing: { algorithm: 'random', seed: 0 },
    resetRemovedEndpoints: false,
    timeouts: { tcpEstablished: 86400, tcpCloseWait: 3600, udp: 30, udpStream: 120 },
    cni: undefined,
    dns: undefined,
    masquerade: {
      outside: true,
      nonMasqueradeCIDRs: [],
      ipMasqAgentFile: '/etc/config/ip-masq-agent',
    },
    ipam: {
      mode: 'range',
      ranges: undefined,
      dataDir: '/var/lib/cni/networks',
      cooldownSec: 0,
      leakGraceSec: 300,
      blocks: undefined,
    },
    overlay: {
      etcd: undefined,
      flannel: false,
      mode: 'auto',
      network: [],
      peers: [],
      port: 8472,
      subnetFile: undefined,
      vni: 1,
    },
    podMTU: undefined,
    nodeAddresses: [],
    capacities: {
      flows4: 262144,
      flows6: 65536,
      frames: 16384,
      frameSize: 2048,
      links: 1024,
      frontends: 16384,
      services: 8192,
      backends: 32768,
      setEntries: 131072,
      maglevEntries: 4194304,
      routes: 8192,
      ranges: 16384,
      affinity: 65536,
      fragments: 1024,
      names: 131072,
      rrsetBytes: 67108864,
      cache: 16384,
      replyBytes: 8388608,
    },
    cpu: undefined,
    metricsBindAddress: { host: '127.0.0.1', port: 10249 },
    healthzBindAddress: { host: '0.0.0.0', port: 10256 },
    logLevel: 'info',
    sync: { periodMs: 30_000, minPeriodMs: 0 },
    oomScoreAdj: undefined,
    warnings: [],
  });
});

test('config: every key is read', (t) => {
  const config = parse(`
nodeName: other.example
stateDir: /var/lib/sluice
pinDir: /sys/fs/bpf/x
offload: on
failMode: closed
trunk: {kind: packet, name: tr}
uplinks: [{name: eth0, mode: tc}, {name: eth1}]
serviceCIDRs: [10.96.0.0/12, 'fd00:10:96::/112']
nodePortAddresses: [primary, localhost, 192.0.2.0/24]
clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/48']
detectLocal: {mode: BridgeInterface, bridgeInterface: cni0}
masqueradeAll: on
externalIPs: {allowed: [203.0.113.0/24]}
loadBalancing: {algorithm: maglev, seed: 7}
resetRemovedEndpoints: on
timeouts: {tcpCloseWait: 60}
podMTU: 1400
nodeAddresses: [192.0.2.1, '2001:db8::1']
capacities: {flows4: 1024}
cpu: 1
metricsBindAddress: ''
healthzBindAddress: '[::1]:9000'
logLevel: debug
`);
  t.is(config.nodeName, 'other.example');
  t.is(config.stateDir, '/var/lib/sluice');
  t.is(config.pinDir, '/sys/fs/bpf/x');
  t.is(config.failMode, 'closed');
  t.deepEqual(config.trunk, { kind: 'packet', name: 'tr' });
  t.deepEqual(config.uplinks, [
    { name: 'eth0', mode: 'tc' },
    { name: 'eth1', mode: 'auto' },
  ]);
  t.deepEqual(config.serviceCIDRs.map(formatCidr), ['10.96.0.0/12', 'fd00:10:96::/112']);
  t.deepEqual(config.nodePortAddresses, ['primary', 'localhost', parseCidr('192.0.2.0/24')]);
  t.deepEqual(config.clusterCIDRs.map(formatCidr), ['10.244.0.0/16', 'fd00:10:244::/48']);
  t.deepEqual(config.detectLocal, { mode: 'BridgeInterface', bridgeInterface: 'cni0' });
  t.true(config.masqueradeAll);
  t.deepEqual(config.externalIPs.allowed.map(formatCidr), ['203.0.113.0/24']);
  t.deepEqual(config.loadBalancing, { algorithm: 'maglev', seed: 7 });
  t.true(config.resetRemovedEndpoints);
  t.is(config.timeouts.tcpCloseWait, 60);
  t.is(config.timeouts.udpStream, 120);
  t.is(config.podMTU, 1400);
  t.deepEqual(config.nodeAddresses.map(formatAddress), ['192.0.2.1', '2001:db8::1']);
  t.is(config.capacities.flows4, 1024);
  t.is(config.capacities.flows6, 65536);
  t.is(config.cpu, 1);
  t.is(config.metricsBindAddress, undefined);
  t.deepEqual(config.healthzBindAddress, { host: '::1', port: 9000 });
  t.is(config.logLevel, 'debug');
});

test('config: on, off, yes and no are what YAML 1.1 makes of them', (t) => {
  for (const [text, value] of [
    ['on', true],
    ['off', false],
    ['"off"', false],
    ['no', false],
  ] as const) {
    t.is(parse(`offload: ${text}\n`).offload, value, text);
  }
});

test('config: the trunk follows offload unless it is chosen', (t) => {
  t.is(parse('offload: off\n').trunk.kind, 'packet');
  t.is(parse('offload: off\ntrunk: {kind: xdp}\n').trunk.kind, 'xdp');
});

/** What is wrong, and the whole line that says so. */
const BAD: [string, string][] = [
  [
    'trunk:\n  knd: xdp\n',
    ':6:8: document 1: trunk.knd: "xdp": unknown field; expected one of kind, name',
  ],
  [
    'trunk: {kind: xpd}\n',
    ':5:15: document 1: trunk.kind: "xpd": expected one of auto, xdp, packet',
  ],
  ['offload: maybe\n', ':5:10: document 1: offload: "maybe": expected on or off'],
  [
    'podMTU: "1500"\n',
    ':5:9: document 1: podMTU: "1500": expected a whole number from 1280 to 65535',
  ],
  [
    'podMTU: 9000\n',
    ':5:9: document 1: podMTU: 9000: expected at most 1778 with capacities.frameSize 2048',
  ],
  ['failMode: shut\n', ':5:11: document 1: failMode: "shut": expected one of open, closed'],
  [
    'uplinks:\n  - mode: tc\n',
    ':6:5: document 1: uplinks[0].name: (missing): expected an interface name of 1 to 15 characters without "/", ":" or spaces',
  ],
  [
    'uplinks: [{name: e0}, {name: e0}]\n',
    ':5:30: document 1: uplinks[1].name: "e0": expected each uplink once',
  ],
  [
    'uplinks: [{name: slc0}]\n',
    ':5:18: document 1: uplinks[0].name: "slc0": expected no end of the trunk',
  ],
  [
    'nodeAddresses: [010.0.0.1]\n',
    ':5:17: document 1: nodeAddresses[0]: "010.0.0.1": has an octet with a leading zero, which some programs read as octal; expected 10.0.0.1',
  ],
  [
    'nodeAddresses: [192.0.2.1, 192.0.2.2]\n',
    ':5:28: document 1: nodeAddresses[1]: "192.0.2.2": expected one address a family',
  ],
  [
    'serviceCIDRs: [10.96.0.1/12]\n',
    ':5:16: document 1: serviceCIDRs[0]: "10.96.0.1/12": has bits set behind its prefix length; expected 10.96.0.0/12',
  ],
  [
    'capacities: {flows4: 1000}\n',
    ':5:22: document 1: capacities.flows4: 1000: expected a power of two from 1024 to 16777216',
  ],
  [
    'metricsBindAddress: localhost:80\n',
    ':5:21: document 1: metricsBindAddress: "localhost:80": is no address with a port; expected one such as 127.0.0.1:10249, [::]:10249 or ""',
  ],
  [
    'nodePortAddresses: [everywhere]\n',
    ':5:21: document 1: nodePortAddresses[0]: "everywhere": expected primary, localhost, all or a prefix such as 192.0.2.0/24',
  ],
  [
    'detectLocal: {mode: ClusterCIDR}\n',
    ':5:21: document 1: detectLocal.mode: "ClusterCIDR": expected clusterCIDRs with it',
  ],
  [
    'detectLocal: {mode: InterfaceNamePrefix}\n',
    ':5:21: document 1: detectLocal.mode: "InterfaceNamePrefix": expected detectLocal.interfaceNamePrefix with it',
  ],
  [
    'clusterCIDRs: [10.0.0.0/16, 10.1.0.0/16]\n',
    ':5:29: document 1: clusterCIDRs[1]: "10.1.0.0/16": expected one range a family',
  ],
  [
    'loadBalancing: {algorithm: best}\n',
    ':5:28: document 1: loadBalancing.algorithm: "best": expected one of random, maglev, round-robin',
  ],
  [
    'timeouts: {udp: 0}\n',
    ':5:17: document 1: timeouts.udp: 0: expected a whole number from 1 to 2147483',
  ],
  ['cpu: 1.5\n', ':5:6: document 1: cpu: 1.5: expected a whole number from 0 to 4095'],
  [
    'nodeName: no\n',
    ':5:11: document 1: nodeName: false: expected a node name: lower-case letters, digits, "-" and "."',
  ],
  [
    'logLevel: loud\n',
    ':5:11: document 1: logLevel: "loud": expected one of trace, debug, info, warn, error, fatal',
  ],
  ['cpu: 1\ncpu: 2\n', ':6:1: document 1: not YAML: Map keys must be unique'],
  ['---\nx: 1\n', ':6:1: document 2: {"x":1}: expected one document in this file'],
];

for (const [more, line] of BAD) {
  test(`config: one line names the place, the key and the value: ${JSON.stringify(more)}`, (t) => {
    const error = t.throws(() => parse(more), { name: 'DataplaneError' });
    t.is(error.message, `${FILE}${line}`);
  });
}

test('config: the source is a folder, an API server or nothing, and never both', (t) => {
  const withSource = (source: string) => parseConfig(HEAD.replace(/source:.*/s, source), FILE, 'n');
  t.deepEqual(withSource('source: {kubernetes: {}}\n').source, {
    kubernetes: { kubeconfig: undefined },
  });
  t.deepEqual(withSource('source: {kubernetes: {kubeconfig: k}}\n').source, {
    kubernetes: { kubeconfig: '/etc/sluice/k' },
  });
  const both = 'source: {files: a, kubernetes: {}}\n';
  t.throws(() => withSource(both), { message: /expected either files or kubernetes/ });
  t.deepEqual(withSource('source: {}\n').source, {});
  t.deepEqual(withSource('').source, {});
});

test('config: two mistakes are two lines', (t) => {
  const error = t.throws(() => parse('cpu: x\nfoo: 1\n'));
  t.is(error.message.split('\n').length, 2);
});

test('config: missing and foreign files are refused', (t) => {
  t.throws(() => parseConfig('', FILE, 'n'), {
    message: /document 1: \(empty\): expected a Sluice/,
  });
  t.throws(() => parseConfig('kind: Pod\n', FILE, 'n'), {
    message: /kind: "Pod": expected SluiceConfiguration/,
  });
  t.throws(() => loadConfig('/nonexistent/agent.yaml', 'n'), {
    message: /cannot read \/nonexistent\/agent\.yaml: ENOENT/,
  });
});

test('config: the reference names every key with its type and default', (t) => {
  const text = describeConfig();
  for (const key of [
    'nodeName',
    'source.files',
    'source.kubernetes.kubeconfig',
    'trunk.kind',
    'uplinks[].mode',
    'capacities.flows4',
    'cpu',
  ]) {
    t.true(text.includes(`  ${key} `), key);
  }
  t.regex(text, /trunk\.kind +auto\|xdp\|packet +default auto/);
  t.regex(text, /capacities\.flows6 +rows +default 65536/);
});

test('config: a node name with dots pins where dots are allowed', (t) => {
  const { pinDir } = parse('nodeName: node-1.example.com\n');
  t.is(pinDir, '/sys/fs/bpf/sluice/node-1_example_com');
});

const ipam = (lines: string) => parse(`ipam:\n${lines.replace(/^/gm, '  ')}`).ipam;

test('config: ipam.ranges is a list of sets, and paths start from the file', (t) => {
  const { ranges, dataDir, cooldownSec, leakGraceSec } = ipam(
    'ranges:\n  - [{ subnet: 10.1.0.0/24, rangeStart: 10.1.0.9 }, { subnet: 10.2.0.0/24 }]\n' +
      '  - [{ subnet: fd00::/64, rangeEnd: "fd00::ff", gateway: "fd00::fe" }]\n' +
      'dataDir: networks\ncooldownSec: 30\nleakGraceSec: 60',
  );
  t.deepEqual(ranges, [
    [{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9' }, { subnet: '10.2.0.0/24' }],
    [{ subnet: 'fd00::/64', rangeEnd: 'fd00::ff', gateway: 'fd00::fe' }],
  ]);
  t.is(dataDir, '/etc/sluice/networks');
  t.deepEqual([cooldownSec, leakGraceSec], [30, 60]);
});

test('config: ipam.ranges that cannot be served are refused [cni 40]', (t) => {
  const refused = (sets: string, message: RegExp) =>
    t.throws(() => ipam(`ranges: ${sets}`), { code: 'ERR_CONFIG', message });
  refused('[[{ subnet: 10.1.0.1/24 }]]', /subnet: .*bits set behind its prefix length/);
  refused(
    '[[{ subnet: 169.254.4.0/24 }]]',
    /ipam\.ranges\[0\]\[0\]\.subnet: "169\.254\.4\.0\/24": .*those of 169\.254\.0\.0\/16 are link-local/,
  );
  refused('[[{ subnet: 10.1.0.0/31 }]]', /ipam\.ranges: .*10\.1\.0\.0\/31 is too small/);
  refused('[[{ subnet: 10.1.0.0/24 }, { subnet: fd00::/64 }]]', /mixes address families/);
  refused('[[{ subnet: 10.1.0.0/24 }, { subnet: 10.1.0.0/25 }]]', /overlap/);
  refused('[[]]', /a range set is empty/);
});

test('config: podCIDRs of a peer are prefixes for pods', (t) => {
  const peers = (cidr: string) =>
    parse(`overlay: { peers: [{ name: n2, podCIDRs: ["${cidr}"], addresses: [192.0.2.2] }] }\n`);
  t.notThrows(() => peers('10.1.2.0/24'));
  const message = /overlay\.peers\[0\]\.podCIDRs\[0\]: "fe80::\/64": .*fe80::\/10 are link-local/;
  t.throws(() => peers('fe80::/64'), { code: 'ERR_CONFIG', message });
});

test('config: ipam.mode blocks takes its own keys, and range none of them', (t) => {
  const { mode, blocks, ranges } = ipam('mode: blocks\nstore: { file: blocks }');
  t.deepEqual(
    [mode, blocks?.store, ranges],
    ['blocks', { kind: 'file', dir: '/etc/sluice/blocks' }, undefined],
  );
  const refused = (lines: string, message: RegExp) =>
    t.throws(() => ipam(lines), { code: 'ERR_CONFIG', message });
  refused('mode: blocks', /ipam\.store: .*expected one of file, etcd and kubernetes/);
  refused('store: { file: blocks }', /ipam\.store: .*expected none with mode range/);
  refused('mode: blocks\nstore: { kubernetes: true }', /expected source\.kubernetes with it/);
  refused(
    'mode: blocks\nstore: { file: b }\nranges: [[{ subnet: 10.1.0.0/24 }]]',
    /ipam\.ranges: .*none with mode blocks/,
  );
});
