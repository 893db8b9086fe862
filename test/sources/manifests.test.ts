import test from 'ava';
import { formatFinding } from '../../src/validate.js';
import { readManifests } from '../../src/sources/manifests.js';

const SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: 10.96.0.1
  ports:
    - port: 80
`;

const SLICE = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
endpoints:
  - addresses: [10.244.2.1]
ports:
  - port: 8080
`;

function objects(text: string): unknown[] {
  const { events, bad } = readManifests(text, 'f.yaml');
  if (bad.length > 0) throw new Error(complaints(text).join('\n'));
  return events.map(({ kind, object }) => [
    kind,
    object.metadata?.namespace,
    object.metadata?.name,
  ]);
}

function complaints(text: string): string[] {
  const { bad } = readManifests(text, 'f.yaml');
  return bad.flatMap(({ findings }) => findings.map(formatFinding));
}

test('manifests: what the API server would fill in is filled in', (t) => {
  const { events, bad } = readManifests(`${SERVICE}---\n${SLICE}`, 'f.yaml');
  t.deepEqual(bad, []);
  const [web, slice] = events;
  t.like(web?.object, {
    metadata: { namespace: 'default', name: 'web' },
    spec: {
      clusterIP: '10.96.0.1',
      type: 'ClusterIP',
      internalTrafficPolicy: 'Cluster',
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
    },
  });
  t.like(slice?.object, { ports: [{ name: '', port: 8080, protocol: 'TCP' }] });
});

test('manifests: documents, lists and typed lists hold objects; other kinds are passed over', (t) => {
  const indent = (text: string) => text.trimEnd().replace(/\n/g, '\n    ');
  t.deepEqual(objects(`---\n${SERVICE}---\n---\nkind: Deployment\napiVersion: apps/v1\n`), [
    ['Service', 'default', 'web'],
  ]);
  t.deepEqual(
    objects(`apiVersion: v1\nkind: List\nitems:\n  - ${indent(SERVICE)}\n  - ${indent(SLICE)}\n`),
    [
      ['Service', 'default', 'web'],
      ['EndpointSlice', 'default', 'web-1'],
    ],
  );
  const bare = { metadata: { name: 'n1' }, status: null };
  t.deepEqual(objects(JSON.stringify({ apiVersion: 'v1', kind: 'NodeList', items: [bare] })), [
    ['Node', undefined, 'n1'],
  ]);
});

test('manifests: a kind of the same name in another API group is not ours', (t) => {
  t.deepEqual(
    objects('apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n'),
    [],
  );
  t.deepEqual(complaints('apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n'), [
    'f.yaml:1:13: document 1: apiVersion: "discovery.k8s.io/v1beta1": expected discovery.k8s.io/v1 for a EndpointSlice',
  ]);
});

test('manifests: null is absent, as in what kubectl prints', (t) => {
  const nulls = SLICE.replace(/endpoints:[^]*/, 'endpoints: null\nports: null\n');
  t.deepEqual(objects(nulls), [['EndpointSlice', 'default', 'web-1']]);
});

test('manifests: an object as the API server gives it is taken', (t) => {
  const full = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'web',
      namespace: 'x',
      uid: 'u',
      managedFields: [{ manager: 'm' }],
      creationTimestamp: null,
    },
    spec: {
      clusterIP: '10.96.0.1',
      clusterIPs: ['10.96.0.1'],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'http', nodePort: 30080, port: 80, protocol: 'TCP', targetPort: 'web' }],
      selector: { app: 'web' },
      sessionAffinity: 'None',
      type: 'NodePort',
    },
    status: { loadBalancer: {} },
  };
  t.deepEqual(objects(JSON.stringify(full)), [['Service', 'x', 'web']]);
});

/** A manifest and the one line about it. */
const BAD: [string, string][] = [
  [
    SERVICE.replace('port: 80', 'port: http'),
    ':8:13: document 1: spec.ports[0].port: "http": expected a port number from 1 to 65535',
  ],
  [
    SERVICE.replace('port: 80', 'port: 70000'),
    ':8:13: document 1: spec.ports[0].port: 70000: expected a port number from 1 to 65535',
  ],
  [
    SERVICE.replace('clusterIP:', 'clusterIp:'),
    ':6:14: document 1: spec.clusterIp: "10.96.0.1": unknown field; expected one of allocateLoadBalancerNodePorts, clusterIP, clusterIPs, externalIPs, externalName, externalTrafficPolicy, healthCheckNodePort, internalTrafficPolicy, ipFamilies, ipFamilyPolicy, loadBalancerClass, loadBalancerIP, loadBalancerSourceRanges, ports, publishNotReadyAddresses, selector, sessionAffinity, sessionAffinityConfig, trafficDistribution, type',
  ],
  [
    SERVICE.replace('10.96.0.1', '10.96.0'),
    ':6:14: document 1: spec.clusterIP: "10.96.0": expected an IPv4 or IPv6 address, None, or nothing',
  ],
  [
    SERVICE.replace('- port: 80', '- {port: 80, protocol: ICMP}'),
    ':8:28: document 1: spec.ports[0].protocol: "ICMP": expected one of TCP, UDP, SCTP',
  ],
  [
    SERVICE.replace('  name: web', '  nam: web'),
    ':4:3: document 1: metadata.name: (missing): expected a string',
  ],
  [SERVICE.replace(/spec:[^]*/, ''), ':1:1: document 1: spec: (missing): expected a mapping'],
  [
    SLICE.replace('IPv4', 'IPv6'),
    ':8:17: document 1: endpoints[0].addresses[0]: "10.244.2.1": expected an IPv6 address',
  ],
  [
    SLICE.replace('[10.244.2.1]', '10.244.2.1'),
    ':8:16: document 1: endpoints[0].addresses: "10.244.2.1": expected a list',
  ],
  [
    `${SLICE}---\n${SLICE.replace('  - addresses', '  - conditions: {ready: soon}\n    addresses')}`,
    ':19:25: document 2: endpoints[0].conditions.ready: "soon": expected true or false',
  ],
  [
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {sluice.dev/netns: p}}\n',
    ':3:53: document 1: metadata.annotations.sluice.dev/netns: "p": expected the absolute path of a network namespace',
  ],
  [
    'apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.0.0.0]}\n',
    ':4:19: document 1: spec.podCIDRs[0]: "10.0.0.0": expected a prefix such as 10.244.1.0/24',
  ],
  [
    'apiVersion: v1\nkind: List\nitems:\n  - {kind: Pod, apiVersion: v1}\n',
    ':4:5: document 1: items[0].metadata: (missing): expected a mapping',
  ],
  [
    'apiVersion: v1\nkind: List\nitems: [5]\n',
    ':3:9: document 1: items[0]: 5: expected a Kubernetes object',
  ],
  ['just text\n', ':1:1: document 1: "just text": expected a Kubernetes object'],
  ['kind: Service\n', ':1:1: document 1: apiVersion: (missing): expected an API version'],
];

for (const [text, line] of BAD) {
  test(`manifests: one line names place, key and value${line.slice(0, 60)}`, (t) => {
    t.deepEqual(complaints(text), [`f.yaml${line}`]);
  });
}

test('manifests: a bad object has the name it would have, and the others are read', (t) => {
  const nameless = 'apiVersion: v1\nkind: Pod\nmetadata: {}\n';
  const node = 'apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDR: x}\n';
  const bad = SERVICE.replace('port: 80', 'port: 0').replace('name: web', 'name: odd');
  const list = `apiVersion: v1\nkind: List\nitems: [5]\n`;
  const read = readManifests([SERVICE, nameless, node, bad, list, SLICE].join('---\n'), 'f.yaml');
  t.deepEqual(
    read.events.map(({ kind, object }) => `${kind} ${object.metadata?.name ?? ''}`),
    ['Service web', 'EndpointSlice web-1'],
  );
  t.deepEqual(
    read.bad.map(({ name }) => name),
    ['Pod (no name)', 'Node n1', 'Service default/odd', 'object (no kind)'],
  );
});
