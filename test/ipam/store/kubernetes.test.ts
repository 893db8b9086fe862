import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { newBlock, writeBlock } from '../../../src/ipam/blocks/block.js';
import {
  IPAM_GROUP,
  IPAM_VERSION,
  RESOURCES,
  createKubernetesStore,
} from '../../../src/ipam/store/kubernetes.js';
import { FOLDERS } from '../../../src/ipam/store/store.js';
import { parseCidr } from '../../../src/addr.js';
import { createClient } from '../../../src/sources/kubernetes/client.js';
import { jsonRequest } from '../../../src/sources/kubernetes/json-request.js';
import { startApiServer } from '../../sources/kubernetes/api-server.js';
import { makeIdentity } from '../../support/certificates.js';
import { createCustomResources } from '../../sources/kubernetes/custom-resources.js';
import { needs } from '../../support/skip.js';
import { storeClaims } from './contract.js';
import { kindOf } from './kind-of.js';

const tlsTest = needs({ tools: ['openssl'] });
const COLLECTIONS = FOLDERS.map(
  (folder) => `/apis/${IPAM_GROUP}/${IPAM_VERSION}/${RESOURCES[folder].plural}`,
);

async function startServer(collections = COLLECTIONS) {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-api-'));
  const identity = makeIdentity(dir, 'server');
  const custom = createCustomResources(collections);
  const server = await startApiServer({ identity, custom });
  const client = createClient({
    server: new URL(server.url),
    servername: undefined,
    insecure: false,
    credentials: () =>
      Promise.resolve({ ca: identity.cert, cert: undefined, key: undefined, token: undefined }),
  });
  const close = async () => {
    client.close();
    await server.close();
    rmSync(dir, { recursive: true });
  };
  const open = (timeoutMs?: number) => createKubernetesStore(jsonRequest(client), timeoutMs);
  return { server, custom, open, close };
}

storeClaims(
  'kubernetes',
  async () => {
    const { open, close } = await startServer();
    return { stores: [open(), open()], close };
  },
  tlsTest,
);

tlsTest('store: kubernetes: a list of several pages is whole', async (t) => {
  const { open, close } = await startServer();
  const store = open();
  for (let i = 0; i < 501; i++) await store.create(`blocks/b${i}`, { i });
  t.is((await store.list('blocks')).length, 501);
  await close();
});

tlsTest(
  'store: kubernetes: what answers badly is unavailable, what says no is refused',
  async (t) => {
    const { open, close, custom, server } = await startServer();
    const store = open(200);
    await store.create('blocks/x', {});
    for (const status of [500, 503, 429, 401]) {
      custom.faults.status = status;
      t.is(await kindOf(store.get('blocks/x')), 'unavailable', String(status));
    }
    for (const status of [400, 403, 422]) {
      custom.faults.status = status;
      t.is(await kindOf(store.list('blocks')), 'refused', String(status));
    }
    custom.faults.status = 0;
    custom.faults.unanswered = 1;
    t.is(await kindOf(store.create('blocks/y', {})), 'unavailable');
    await server.close();
    t.is(await kindOf(store.get('blocks/x')), 'unavailable');
    await close();
  },
);

tlsTest('store: kubernetes: a server without the resources is told apart', async (t) => {
  const { open, close } = await startServer([]);
  const error = await t.throwsAsync(open().list('pools'));
  t.regex(error.message, /ippools\.ipam\.sluice\.dev: apply deploy\/ipam-crds\.yaml/);
  t.is(await kindOf(open().create('blocks/x', {})), 'refused');
  await close();
});

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly plural: string; readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: { readonly properties: { spec: Schema } } };
    }[];
  };
}
interface Schema {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
}

test('store: kubernetes: the manifest defines the resources that are used, and every field of a block', (t) => {
  const text = readFileSync(join(import.meta.dirname, '../../../deploy/ipam-crds.yaml'), 'utf8');
  const crds = parseAllDocuments(text).map((document) => document.toJS() as Crd);
  const names = crds.map(({ spec }) => `${spec.names.plural} ${spec.names.kind} ${spec.scope}`);
  const used = FOLDERS.map((f) => `${RESOURCES[f].plural} ${RESOURCES[f].kind} Cluster`);
  t.deepEqual(names, used);
  for (const { metadata, spec } of crds) {
    t.is(metadata.name, `${spec.names.plural}.${IPAM_GROUP}`);
    t.deepEqual([spec.group, spec.versions.map(({ name }) => name)], [IPAM_GROUP, [IPAM_VERSION]]);
  }
  const block = crds.at(-1)?.spec.versions[0]?.schema.openAPIV3Schema.properties.spec.properties;
  const written = writeBlock(newBlock(parseCidr('10.0.0.0/26'), 'n', 1));
  t.deepEqual(Object.keys(block ?? {}).sort(), Object.keys(written).sort());
});
