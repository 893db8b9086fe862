import test from 'ava';
import { formatAddress, formatMac } from '../../src/addr.js';
import { CniError } from '../../src/cni/errors.js';
import { parseRequest } from '../../src/cni/request.js';
import type { RequestVerb } from '../../src/cni/request.js';
import { ATTACHMENT, RESULT, conf } from './plugin.js';

function read(more: object = {}, env: Record<string, string> = {}, verb: RequestVerb = 'ADD') {
  const all = new Map(Object.entries({ CNI_COMMAND: verb, ...ATTACHMENT, ...env }));
  return parseRequest(verb, { env: all, stdin: JSON.stringify(conf(more)) });
}

/** Code and message of a refusal. */
function refusal(more: object, env: Record<string, string> = {}): [number, string] {
  try {
    read(more, env);
  } catch (error) {
    if (error instanceof CniError) return [error.code, error.message];
    throw error;
  }
  return [0, 'accepted'];
}

const KUBERNETES =
  'K8S_POD_NAME=p;IgnoreUnknown=1;K8S_POD_UID=u;K8S_POD_NAMESPACE=a;K8S_POD_INFRA_CONTAINER_ID=c1';

test('netconf: a request with the least in it is complete', (t) => {
  const { conf: found, ...request } = read();
  t.like(request, {
    verb: 'ADD',
    containerId: 'c1',
    netns: ATTACHMENT.CNI_NETNS,
    ifname: 'eth0',
    pod: undefined,
    mac: undefined,
    netnsOverride: false,
  });
  t.deepEqual([request.requestedIps, request.path, request.ignored], [[], ['/opt/cni/bin'], []]);
  t.deepEqual(found, {
    cniVersion: '1.1.0',
    name: 'k8s',
    type: 'sluice',
    ipam: { type: '', raw: {} },
    mtu: undefined,
    bandwidth: { ingress: undefined, egress: undefined },
    runtimeConfig: {
      portMappings: [],
      bandwidth: { ingress: undefined, egress: undefined },
      ips: [],
      mac: undefined,
      ipRanges: [],
      dns: undefined,
      podAnnotations: new Map(),
    },
    args: { cni: { ips: [], mac: undefined } },
    dns: undefined,
    prevResult: undefined,
    validAttachments: undefined,
    raw: conf(),
  });
});

test('netconf: everything that has a meaning is read, in small letters as CRI-O writes it', (t) => {
  const { conf: found } = read({
    mtu: 1400,
    ipam: { type: 'host-local', ranges: [] },
    dns: { nameservers: ['10.0.0.2'], domain: 'x', search: ['y'], options: ['ndots:5'] },
    capabilities: { portMappings: 'true' },
    runtimeConfig: {
      portMappings: [
        { hostPort: 53, containerPort: 5353, protocol: 'udp', hostIP: '192.0.2.1' },
        { hostPort: 54, containerPort: 5354 },
        { hostPort: 55, containerPort: 55, protocol: 'SCTP', hostIP: '::' },
      ],
      bandwidth: { ingressRate: 1, ingressBurst: 2, egressRate: 3, egressBurst: 4 },
      ips: ['10.1.0.7/24', 'fd00::7'],
      mac: '02:53:AB:00:00:01',
      ipRanges: [
        [{ subnet: '10.1.0.0/24' }, { subnet: '10.2.0.0/24', gateway: '10.2.0.1' }],
        [{ subnet: 'fd00::/64', rangeStart: 'fd00::5', rangeEnd: 'fd00::9' }],
      ],
      dns: { servers: ['10.0.0.3'], searches: ['z'], options: [] },
      'io.kubernetes.cri.pod-annotations': { 'a/b': 'c', __proto__x: 'd' },
    },
    prevResult: { cniVersion: '1.1.0', ...RESULT },
  });
  t.is(found.mtu, 1400);
  t.deepEqual(found.ipam, { type: 'host-local', raw: { type: 'host-local', ranges: [] } });
  t.is(found.dns?.domain, 'x');
  const { portMappings, bandwidth, ips, mac, ipRanges, dns, podAnnotations } = found.runtimeConfig;
  t.deepEqual(
    portMappings.map((one) => ({ ...one, hostIP: one.hostIP && formatAddress(one.hostIP) })),
    [
      { hostPort: 53, containerPort: 5353, protocol: 'udp', hostIP: '192.0.2.1' },
      { hostPort: 54, containerPort: 5354, protocol: 'tcp', hostIP: undefined },
      { hostPort: 55, containerPort: 55, protocol: 'sctp', hostIP: '::' },
    ],
  );
  t.deepEqual(bandwidth, { ingress: { rate: 1, burst: 2 }, egress: { rate: 3, burst: 4 } });
  t.deepEqual(ips.map(formatAddress), ['10.1.0.7', 'fd00::7']);
  t.is(mac && formatMac(mac), '02:53:ab:00:00:01');
  t.deepEqual(ipRanges, [
    [{ subnet: '10.1.0.0/24' }, { subnet: '10.2.0.0/24', gateway: '10.2.0.1' }],
    [{ subnet: 'fd00::/64', rangeStart: 'fd00::5', rangeEnd: 'fd00::9' }],
  ]);
  t.deepEqual(dns, { nameservers: ['10.0.0.3'], search: ['z'], options: [] });
  t.deepEqual(
    [...podAnnotations],
    [
      ['a/b', 'c'],
      ['__proto__x', 'd'],
    ],
  );
  t.deepEqual(found.prevResult, RESULT);
});

test('netconf: an exact key wins over one in another case', (t) => {
  const { conf: found } = read({ runtimeConfig: { MAC: 'x', mac: '02:53:00:00:00:01' } });
  t.is(found.runtimeConfig.mac?.[5], 1);
});

test('netconf: Go’s null is nothing at all', (t) => {
  const nothing = { portMappings: null, bandwidth: null, ips: null, mac: null, ipRanges: null };
  const { conf: found } = read({
    runtimeConfig: { ...nothing, dns: { Servers: null, Searches: null, Options: null } },
    ipam: null,
    prevResult: null,
    args: null,
    dns: null,
  });
  t.deepEqual(found.runtimeConfig.portMappings, []);
  t.is(found.prevResult, undefined);
  t.is(found.dns, undefined);
});

test('netconf: a complaint names the key and the value', (t) => {
  const mapping = (more: object) => ({
    runtimeConfig: { portMappings: [{ hostPort: 1, containerPort: 1, ...more }] },
  });
  const cases: [object, number, string][] = [
    [{ runtimeConfig: [] }, 7, 'runtimeConfig: []'],
    [mapping({ hostPort: 65536 }), 7, 'runtimeConfig.portMappings[0].hostPort: 65536'],
    [mapping({ hostPort: '80' }), 7, 'runtimeConfig.portMappings[0].hostPort: "80"'],
    [mapping({ containerPort: 0 }), 7, 'runtimeConfig.portMappings[0].containerPort: 0'],
    [mapping({ containerPort: null }), 7, 'runtimeConfig.portMappings[0].containerPort: null'],
    [mapping({ protocol: 'icmp' }), 2, 'runtimeConfig.portMappings[0].protocol: "icmp"'],
    [mapping({ hostIP: '1.2.3' }), 7, 'runtimeConfig.portMappings[0].hostIP: "1.2.3"'],
    [
      { runtimeConfig: { bandwidth: { ingressRate: 1 } } },
      7,
      'runtimeConfig.bandwidth.ingressBurst: (missing)',
    ],
    [
      { runtimeConfig: { bandwidth: { egressBurst: 1 } } },
      7,
      'runtimeConfig.bandwidth.egressRate: (missing)',
    ],
    [
      { runtimeConfig: { bandwidth: { ingressRate: 1, ingressBurst: 2 ** 36 } } },
      7,
      'runtimeConfig.bandwidth.ingressBurst: 68719476736',
    ],
    [{ runtimeConfig: { ips: ['10.1.0.1', '010.1.0.1'] } }, 7, 'runtimeConfig.ips[1]: "010.1.0.1"'],
    [{ runtimeConfig: { ips: ['10.1.0.1/33'] } }, 7, 'runtimeConfig.ips[0]: "10.1.0.1/33"'],
    [{ runtimeConfig: { mac: '00:00:00:00:00:00' } }, 7, 'runtimeConfig.mac: "00:00:00:00:00:00"'],
    [{ runtimeConfig: { mac: '01:53:00:00:00:00' } }, 7, 'runtimeConfig.mac: "01:53:00:00:00:00"'],
    [
      { runtimeConfig: { ipRanges: [[{ subnet: '10.1.0.1/24' }]] } },
      7,
      'runtimeConfig.ipRanges[0][0].subnet: "10.1.0.1/24"',
    ],
    [{ mtu: 1279 }, 7, 'mtu: 1279'],
    [{ name: 'n'.repeat(256) }, 7, `name: "${'n'.repeat(79)}...`],
    [{ ipam: { type: 7 } }, 7, 'ipam.type: 7'],
    [{ args: { cni: { ips: 'x' } } }, 7, 'args.cni.ips: "x"'],
    [{ dns: { search: [1] } }, 7, 'dns.search[0]: 1'],
    [
      { prevResult: { ips: [{ address: '10.0.0.1' }] } },
      7,
      'prevResult.ips[0].address: "10.0.0.1"',
    ],
    [{ prevResult: { cniVersion: '9.0.0' } }, 1, 'prevResult.cniVersion: "9.0.0"'],
  ];
  for (const [more, code, head] of cases) {
    const [found, message] = refusal(more);
    t.is(found, code, message);
    t.true(message.startsWith(`${head}: `), `${message} | ${head}`);
  }
});

test('netconf: an MTU of zero is none', (t) => {
  t.is(read({ mtu: 0 }).conf.mtu, undefined);
});

test('netconf: CNI_ARGS say which pod it is', (t) => {
  const request = read({}, { CNI_ARGS: KUBERNETES });
  t.deepEqual(request.pod, { namespace: 'a', name: 'p', uid: 'u' });
  t.is(request.args.get('K8S_POD_INFRA_CONTAINER_ID'), 'c1');
  t.deepEqual(read({}, { CNI_ARGS: 'K8S_POD_NAMESPACE=a;K8S_POD_NAME=p' }).pod, {
    namespace: 'a',
    name: 'p',
    uid: undefined,
  });
  t.is(read({}, { CNI_ARGS: 'K8S_POD_NAME=p;;' }).pod, undefined);
});

test('netconf: unknown CNI_ARGS are refused unless they are to be ignored', (t) => {
  const [code, message] = refusal({}, { CNI_ARGS: 'IP=10.1.0.1;FOO=bar' });
  t.is(code, 4);
  t.regex(message, /CNI_ARGS.*FOO=bar/);
  for (const yes of ['1', 'true', 'TRUE', 'True']) {
    t.is(refusal({}, { CNI_ARGS: `FOO=bar;IgnoreUnknown=${yes}` })[0], 0, yes);
  }
  for (const no of ['0', 'false', '']) {
    t.is(refusal({}, { CNI_ARGS: `FOO=bar;IgnoreUnknown=${no}` })[0], 4, no);
  }
  for (const odd of ['FOO', '=x', 'IP', 'IP=10.1', 'MAC=xyz']) {
    const [found, words] = refusal({}, { CNI_ARGS: odd });
    t.is(found, 4, odd);
    t.true(words.includes('CNI_ARGS'), words);
  }
});

test('netconf: of three MACs the one of runtimeConfig wins, then args.cni, then CNI_ARGS [cni 28]', (t) => {
  const env = { CNI_ARGS: 'MAC=02:53:00:00:00:01' };
  const args = { cni: { mac: '02:53:00:00:00:02' } };
  const runtimeConfig = { mac: '02:53:00:00:00:03' };
  const chosen = (more: object, variables = {}) => read(more, variables).mac?.[5];
  t.is(chosen({ args, runtimeConfig }, env), 3);
  t.is(chosen({ args }, env), 2);
  t.is(chosen({}, env), 1);
  t.is(chosen({ runtimeConfig: { mac: '' }, args }), 2);
  t.is(chosen({}), undefined);
});

test('netconf: addresses that are asked for anywhere are all asked for, each once', (t) => {
  const more = {
    args: { cni: { ips: ['10.1.0.2', '10.1.0.1'] } },
    runtimeConfig: { ips: ['10.1.0.2/24', 'fd00:0::1'] },
  };
  const { requestedIps } = read(more, { CNI_ARGS: 'IP=10.1.0.1' });
  t.deepEqual(requestedIps.map(formatAddress), ['10.1.0.1', '10.1.0.2', 'fd00::1']);
});

test('netconf: a GC asks about no container', (t) => {
  const all = { 'cni.dev/valid-attachments': [] };
  const request = read(all, { CNI_ARGS: 'no=matter', CNI_IFNAME: '/' }, 'GC');
  t.like(request, { containerId: '', ifname: '', netns: undefined });
  t.deepEqual(request.conf.validAttachments, []);
});
