import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { loadCorefile } from '../../../src/dns/corefile/load.js';
import { PLUGIN_ORDER } from '../../../src/dns/corefile/plugin-order.js';
import { parseText, showBlocks } from '../../support/corefile.js';

const SAMPLES = join(import.meta.dirname, 'samples');
const options = { directives: new Set<string>(PLUGIN_ORDER), env: {} };
const load = (name: string) => loadCorefile(join(SAMPLES, `${name}.corefile`), options);

const KUBERNETES = 'kubernetes cluster.local in-addr.arpa ip6.arpa';
const PODS = 'pods insecure; fallthrough in-addr.arpa ip6.arpa';

test('samples: kubeadm, with a cache that leaves the cluster out, and without', (t) => {
  const head = [
    'dns://.:53',
    'errors',
    'health {lameduck 5s}',
    'ready',
    `${KUBERNETES} {${PODS}; ttl 30}`,
    'prometheus :9153',
    'forward . /etc/resolv.conf {max_concurrent 1000}',
  ];
  const tail = ['loop', 'reload', 'loadbalance'];
  t.deepEqual(showBlocks(load('kubeadm-old')), [[...head, 'cache 30', ...tail]]);
  const cache = 'cache 30 {disable success cluster.local; disable denial cluster.local}';
  t.deepEqual(showBlocks(load('kubeadm')), [[...head, cache, ...tail]]);
});

test('samples: EKS', (t) => {
  t.deepEqual(showBlocks(load('eks')), [
    [
      'dns://.:53',
      'errors',
      'health {lameduck 5s}',
      'ready',
      `${KUBERNETES} {${PODS}}`,
      'prometheus :9153',
      'forward . /etc/resolv.conf',
      'cache 30',
      'loop',
      'reload',
      'loadbalance',
    ],
  ]);
});

test('samples: AKS, with what its ConfigMap for customers adds', (t) => {
  const aks = load('aks');
  t.deepEqual(showBlocks(aks), [
    [
      'dns://.:53',
      'errors',
      'ready',
      'health {lameduck 5s}',
      `${KUBERNETES} {${PODS}; ttl 30}`,
      'prometheus :9153',
      'forward . /etc/resolv.conf',
      'cache 30',
      'loop',
      'reload',
      'loadbalance',
      'log',
      String.raw`template ANY ANY internal.cloudapp.net {match ^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$; rcode NXDOMAIN; fallthrough}`,
      'template ANY ANY reddog.microsoft.com {rcode NXDOMAIN}',
    ],
    ['dns://contoso.example.:53', 'errors', 'cache 30', 'forward . 192.0.2.53'],
  ]);
  t.deepEqual(
    aks.files.map((file) => file.slice(SAMPLES.length + 1)),
    ['aks.corefile', 'custom/log.override', 'custom/contoso.server'],
  );
  t.deepEqual(aks.warnings, []);
});

test('samples: k3s, with and without a ConfigMap for customers', (t) => {
  const text = readFileSync(join(SAMPLES, 'k3s.corefile'), 'utf8');
  const head = [
    'dns://.:53',
    'errors',
    'health',
    'ready',
    `${KUBERNETES} {${PODS}}`,
    'hosts /etc/coredns/NodeHosts {ttl 60; reload 15s; fallthrough}',
    'prometheus :9153',
    'cache 30',
    'loop',
    'reload',
    'loadbalance',
  ];
  // Its folder is /etc/coredns, where a test has no business.
  const inFolder = (folder: string) =>
    parseText(text.replaceAll('/etc/coredns/custom', folder), {
      ...options,
      file: join(SAMPLES, 'Corefile'),
    });
  const bare = inFolder('none');
  t.deepEqual(showBlocks(bare), [[...head, 'forward . /etc/resolv.conf']]);
  t.deepEqual(bare.warnings, [
    `${SAMPLES}/Corefile:19: import: no file matches "none/*.override"`,
    `${SAMPLES}/Corefile:22: import: no file matches "none/*.server"`,
  ]);
  const full = inFolder('custom');
  t.is(full.warnings.length, 0);
  const [block] = showBlocks(full);
  t.deepEqual(block?.slice(-2), ['log', 'forward . /etc/resolv.conf']);
  t.is(full.blocks.length, 2);
});

test('samples: OpenShift', (t) => {
  t.deepEqual(showBlocks(load('openshift')), [
    [
      'dns://.:5353',
      'bufsize 1232',
      'errors',
      'log . {class error}',
      'health {lameduck 20s}',
      'ready',
      `${KUBERNETES} {${PODS}}`,
      'prometheus 127.0.0.1:9153',
      'forward . /etc/resolv.conf {policy sequential}',
      'cache 900 {denial 9984 30}',
      'reload',
    ],
    ['dns://hostname.bind.:5353', 'chaos'],
  ]);
});

test('samples: NodeLocal DNSCache, its variables filled in', (t) => {
  const block = (address: string, cache: string, forward: string, ...more: string[]): string[] => [
    address,
    'errors',
    cache,
    'reload',
    'loop',
    'bind 169.254.20.10 10.96.0.10',
    forward,
    'prometheus :9253',
    ...more,
  ];
  const cluster = 'forward . 10.96.43.7 {force_tcp}';
  t.deepEqual(showBlocks(load('node-local-dns')), [
    block(
      'dns://cluster.local.:53',
      'cache {success 9984 30; denial 9984 5}',
      cluster,
      'health 169.254.20.10:8080',
    ),
    block('dns://in-addr.arpa.:53', 'cache 30', cluster),
    block('dns://ip6.arpa.:53', 'cache 30', cluster),
    block('dns://.:53', 'cache 30', 'forward . /etc/resolv.conf'),
  ] as [string, ...string[]][]);
});

test('samples: each is read, and read the same with the line ends of Windows', (t) => {
  const names = readdirSync(SAMPLES).filter((name) => name.endsWith('.corefile'));
  t.is(names.length, 7);
  for (const name of names) {
    const text = readFileSync(join(SAMPLES, name), 'utf8').replaceAll('/etc/coredns', SAMPLES);
    const file = join(SAMPLES, 'Corefile');
    const unix = parseText(text, { ...options, file });
    const windows = parseText(`\uFEFF${text.replaceAll('\n', '\r\n')}`, { ...options, file });
    t.deepEqual(windows.blocks, unix.blocks, name);
    t.not(windows.hash, unix.hash);
  }
});
