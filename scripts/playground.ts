/**
 * Build the playground and serve it on loopback until interrupted.
 *
 *   tsx scripts/playground.ts [PORT]     default: any free one
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { packageRoot } from '../src/package-root.js';
import { buildPlayground } from './build-playground.js';

const LOOPBACK = '127.0.0.1';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.yaml': 'text/plain; charset=utf-8',
};

export interface Served {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  close(): void;
}

/** Serve the files of a folder, and nothing else. */
export async function serveFolder(folder: string, port = 0): Promise<Served> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', `http://${LOOPBACK}`);
    const name = normalize(pathname === '/' ? '/index.html' : pathname);
    readFile(join(folder, name)).then(
      (bytes) => {
        const type = TYPES[extname(name)] ?? 'application/octet-stream';
        response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' }).end(bytes);
      },
      () => response.writeHead(404).end('not found\n'),
    );
  });
  server.listen(port, LOOPBACK);
  await once(server, 'listening');
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${LOOPBACK}:${bound}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const folder = join(packageRoot(), 'build/playground');
  await buildPlayground(folder);
  const { url, close } = await serveFolder(folder, Number(process.argv[2] ?? 0));
  console.log(`The playground is at ${url} (Ctrl-C ends it)`);
  process.once('SIGINT', close);
  process.once('SIGTERM', close);
}
