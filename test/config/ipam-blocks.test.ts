import test from 'ava';
import { resolve } from 'node:path';
import { z } from 'zod';
import { blockChecks, blockRows, completeBlocks } from '../../src/config/ipam-blocks.js';

const schema = z.strictObject(blockRows);
const read = (ipam: object) => schema.parse(ipam);
const absolute = (path: string) => resolve('/etc/sluice', path);
const broken = (ipam: object, cooldownSec = 0) =>
  blockChecks({ ...read(ipam), cooldownSec }).map((b) => `${b.path.join('.')}: ${b.expectation}`);
const FILE = { store: { file: 'ipam' } };

test('config: blocks: a store is all that must be said', (t) => {
  t.deepEqual(broken(FILE), []);
  t.deepEqual(completeBlocks(read(FILE), absolute), {
    store: { kind: 'file', dir: '/etc/sluice/ipam' },
    inline: undefined,
    strictAffinity: false,
    maxBlocksPerHost: 20,
  });
});

test('config: blocks: etcd with its certificates', (t) => {
  const etcd = {
    endpoints: ['https://192.0.2.1:2379'],
    caFile: 'ca.pem',
    certFile: 'c',
    keyFile: '/k',
  };
  t.deepEqual(broken({ store: { etcd } }), []);
  t.deepEqual(completeBlocks(read({ store: { etcd } }), absolute).store, {
    kind: 'etcd',
    etcd: {
      endpoints: ['https://192.0.2.1:2379'],
      prefix: '/sluice/ipam',
      caFile: '/etc/sluice/ca.pem',
      certFile: '/etc/sluice/c',
      keyFile: '/k',
    },
  });
  t.regex(broken({ store: { etcd: { endpoints: ['https://a:1'] } } })[0] ?? '', /caFile/);
  t.regex(broken({ store: { etcd: { ...etcd, keyFile: undefined } } })[0] ?? '', /certFile/);
});

test('config: blocks: pools of the file have all their defaults', (t) => {
  const pools = [
    { name: 'a', cidr: '10.0.0.0/16' },
    { name: 'b', cidr: 'fd00::/64', natOutgoing: true },
  ];
  const { inline } = completeBlocks(read({ ...FILE, pools }), absolute);
  t.like(inline?.pools[0], { name: 'a', blockSize: 26, natOutgoing: false, isForWorkloads: true });
  t.like(inline?.pools[1], { name: 'b', blockSize: 122, natOutgoing: true });
});

test('config: blocks: what cannot be meant is refused', (t) => {
  const one = 'ipam.store: expected one of file, etcd and kubernetes';
  t.deepEqual(broken({}), [one]);
  t.deepEqual(broken({ store: { file: 'x', kubernetes: true } }), [one]);
  const overlapping = [
    { name: 'a', cidr: '10.0.0.0/16' },
    { name: 'b', cidr: '10.0.1.0/24' },
  ];
  t.deepEqual(broken({ ...FILE, pools: overlapping }), [
    'ipam.pools: pool b: overlaps pool a: it is left out',
  ]);
  t.regex(broken({ ...FILE, reservedCIDRs: ['10.0.0.0/30'] })[0] ?? '', /expected pools with it/);
  t.deepEqual(broken(FILE, 1201), ['ipam.cooldownSec: expected at most 1200 with blocks']);
  for (const bad of [
    { store: { kubernetes: false } },
    { store: { etcd: { endpoints: [] } } },
    { store: { etcd: { endpoints: ['192.0.2.1:2379'] } } },
    { pools: [{ name: 'a', cidr: '10.0.0.1/16' }] },
    { pools: [{ name: 'a', cidr: '169.254.0.0/20' }] },
    { pools: [{ name: 'a', cidr: 'fe80::/64' }] },
    { pools: [{ name: 'a', cidr: '10.0.0.0/16', blockSize: 33 }] },
    { maxBlocksPerHost: 0 },
  ]) {
    t.false(schema.safeParse(bad).success, JSON.stringify(bad));
  }
});

test('config: blocks: every key has a shape and a sentence', (t) => {
  interface Node {
    readonly shape?: string;
    readonly description?: string;
    readonly properties?: Record<string, Node>;
    readonly items?: Node;
  }
  const walk = (node: Node, path: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      t.truthy(child.shape, `${path}${name}`);
      t.truthy(child.description, `${path}${name}`);
      walk(child, `${path}${name}.`);
      if (child.items) walk(child.items, `${path}${name}[].`);
    }
  };
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node;
  t.true(Object.keys(root.properties?.['pools']?.items?.properties ?? {}).includes('nodeSelector'));
  walk(root, '');
});
