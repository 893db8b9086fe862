import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { parseAddress, parseMac } from '../../src/addr.js';
import { ownAnnotations } from '../../src/flannel/annotations.js';
import { projectNode } from '../../src/model/nodes.js';
import { createNodeAnnotator } from '../../src/sources/kubernetes/node-annotations.js';
import { readKubeconfig } from '../../src/sources/kubernetes/kubeconfig.js';
import { makeIdentity } from '../support/certificates.js';
import { temporary } from '../sources/kubernetes/watched.js';
import { needs } from '../support/skip.js';

const tlsTest = needs({ tools: ['openssl'] });

const KUBECONFIG = (url: string): string => `
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: double, user: agent}}]
clusters: [{name: double, cluster: {server: "${url}", certificate-authority: server.crt}}]
users: [{name: agent, user: {token: secret}}]
`;

tlsTest(
  'flannel: annotations are put on the node as a patch, and read back as an end',
  async (t) => {
    const { dir, remove } = await temporary();
    const { cert, key } = makeIdentity(dir, 'server');
    const asked: string[] = [];
    let body = '';
    const server = createServer({ cert, key }, (request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers['content-type']}`);
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        response.writeHead(200).end('{}');
      });
    });
    await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
    const { port } = server.address() as AddressInfo;
    await writeFile(join(dir, 'kubeconfig'), KUBECONFIG(`https://127.0.0.1:${port}`));
    const annotator = createNodeAnnotator(readKubeconfig(join(dir, 'kubeconfig')), 'node-a');
    const ends = [
      { family: 4, address: parseAddress('192.0.2.1'), mac: parseMac('06:00:00:00:00:01') },
    ] as const;
    await annotator.annotate(ownAnnotations(1, ends));
    annotator.close();
    server.close();
    await remove();
    t.deepEqual(asked, ['PATCH /api/v1/nodes/node-a/status application/merge-patch+json']);
    const { metadata } = JSON.parse(body) as { metadata: { annotations: Record<string, string> } };
    t.deepEqual(metadata.annotations, {
      'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
      'flannel.alpha.coreos.com/backend-type': 'vxlan',
      'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"06:00:00:00:00:01"}',
      'flannel.alpha.coreos.com/public-ip': '192.0.2.1',
    });
    t.deepEqual(projectNode({ metadata }).overlay.vteps, [{ ...ends[0], vni: 1 }]);
  },
);
