/** `sluice replay` on captures that scapy made and tcpdump reads: no encoder or decoder of ours. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageFile } from '../../src/package-root.js';
import { needs } from '../support/skip.js';

const CONFIG = `apiVersion: sluice/v1alpha1
kind: SluiceConfiguration
nodeName: n1
source: { files: cluster }
nodeAddresses: [192.0.2.1]
`;

const CLUSTER = `apiVersion: v1
kind: Pod
metadata: { name: a, namespace: default }
spec: { nodeName: n1, containers: [] }
status: { podIP: 10.244.1.2, podIPs: [{ ip: 10.244.1.2 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: b, namespace: default }
spec: { nodeName: n1, containers: [] }
status: { podIP: 10.244.1.3, podIPs: [{ ip: 10.244.1.3 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  ipFamilies: [IPv4]
  ports: [{ name: http, port: 80, protocol: TCP }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: default, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [10.244.1.3], conditions: { ready: true } }]
`;

/** Made by make-service.py beside it. */
const CAPTURE = packageFile('test/pcap/service.pcap');

interface Folder {
  readonly path: string;
  sluice(...args: string[]): { status: number | null; stdout: string; stderr: string };
}

function openFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'sluice-replay-'));
  mkdirSync(join(path, 'cluster'));
  writeFileSync(join(path, 'sluice.yaml'), CONFIG);
  writeFileSync(join(path, 'cluster/all.yaml'), CLUSTER);
  const cli = packageFile('build/host/src/cli.js');
  const sluice = (...args: string[]) => {
    const all = [cli, ...args, '-c', join(path, 'sluice.yaml')];
    return spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 30_000 });
  };
  return { path, sluice };
}

const captureTest = needs({ tools: ['tcpdump'] });

captureTest('replay: every frame of a capture gets its verdict or a named drop', (t) => {
  const { path, sluice } = openFolder();
  try {
    const output = join(path, 'out.pcap');
    const { status, stdout, stderr } = sluice('replay', CAPTURE, '-o', output);
    t.is(status, 0, stderr);
    t.deepEqual(stdout.trim().split('\n').slice(0, 6), [
      '1 10.244.1.2 TX POD default/b',
      '2 10.244.1.3 TX POD default/a',
      // The answer: port unreachable.
      '3 10.244.1.2 TX POD default/a',
      '4 10.244.1.2 TX HOST',
      '5 10.244.1.2 DROP BAD_TCP_FLAGS',
      '6 - DROP SHORT_IPV4',
    ]);
    const read = execFileSync('tcpdump', ['-nvr', output], { encoding: 'utf8' });
    t.regex(read, /10\.244\.1\.2\.40000 > 10\.244\.1\.3\.8080: .*cksum 0x\w+ \(correct\)/);
    t.regex(read, /10\.96\.0\.10\.80 > 10\.244\.1\.2\.40000: .*cksum 0x\w+ \(correct\)/);
    t.notRegex(read, /bad|incorrect/);
  } finally {
    rmSync(path, { recursive: true });
  }
});

test('replay: what is no capture is one sentence that names the file', (t) => {
  const { path, sluice } = openFolder();
  try {
    const input = join(path, 'in.pcap');
    writeFileSync(input, 'not a capture, but long enough to be one');
    const { status, stderr } = sluice('replay', input);
    t.is(status, 1);
    t.regex(stderr, /^sluice: .*in\.pcap: no pcap magic number, and no pcapng section header\n$/);
  } finally {
    rmSync(path, { recursive: true });
  }
});

test('cli: a bad configuration value is one line with file, key, value and expectation', (t) => {
  const { path, sluice } = openFolder();
  try {
    writeFileSync(
      join(path, 'sluice.yaml'),
      CONFIG.replace('nodeName: n1', 'nodeName: n1\npodMTU: big'),
    );
    const { status, stderr } = sluice('status');
    t.is(status, 1);
    t.is(stderr.trim().split('\n').length, 1);
    t.regex(stderr, /sluice\.yaml:4:\d+: .*podMTU.*big.*expected/);
  } finally {
    rmSync(path, { recursive: true });
  }
});

test('cli: tables that nobody made are named, with what that means', (t) => {
  const { path, sluice } = openFolder();
  try {
    const { status, stderr } = sluice('flows');
    t.is(status, 1);
    t.regex(stderr, /no table flows4 under \/sys\/fs\/bpf\/sluice\/n1: no agent has run/);
  } finally {
    rmSync(path, { recursive: true });
  }
});
