/** Files over HTTP, on loopback only: for pages that a browser on this machine opens. */
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, normalize } from 'node:path';

const LOOPBACK = '127.0.0.1';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  // compileStreaming takes no other.
  '.wasm': 'application/wasm',
  '.yaml': 'text/plain; charset=utf-8',
};

export interface Served {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  close(): void;
}

/** The file of a path, which begins with `/` and has no `..`; undefined: there is none. */
export type Find = (path: string) => string | undefined;

interface Body {
  readonly type: string;
  readonly bytes: Uint8Array | string;
}

/** A folder, told by its `/`, is the list of its names. */
async function bodyOf(file: string | undefined): Promise<Body | undefined> {
  if (file === undefined) return undefined;
  try {
    if (file.endsWith('/')) return { type: '.json', bytes: JSON.stringify(await readdir(file)) };
    return { type: extname(file), bytes: await readFile(file) };
  } catch {
    // Whatever the reason, it is not to be had.
    return undefined;
  }
}

/** @param port  0: any that is free */
export async function serveFiles(find: Find, port = 0): Promise<Served> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', `http://${LOOPBACK}`);
    void bodyOf(find(normalize(pathname))).then((body) => {
      if (body === undefined) {
        response.writeHead(404).end('not found\n');
        return;
      }
      const type = TYPES[body.type] ?? 'application/octet-stream';
      const headers = { 'content-type': type, 'cache-control': 'no-cache' };
      response.writeHead(200, headers).end(body.bytes);
    });
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
