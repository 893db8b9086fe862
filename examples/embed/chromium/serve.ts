/** The page, its script, the module and the vectors, on a port of the loopback. */
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  // compileStreaming takes no other.
  '.wasm': 'application/wasm',
};

export interface Site {
  /** Folder of the page and its script. */
  readonly page: string;
  readonly module: string;
  /** Folder, served below `/vectors/`; `/vectors/` itself is the list of its files. */
  readonly vectors: string;
}

export interface Server {
  readonly origin: string;
  close(): void;
}

export async function serve(site: Site): Promise<Server> {
  const server = createServer((request, response) => {
    // Without `..` and without a query.
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    void answer(site, normalize(pathname), response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(site: Site, path: string, response: ServerResponse): Promise<void> {
  try {
    const file = fileOf(site, path);
    const body = path === '/vectors/' ? JSON.stringify(await readdir(file)) : await readFile(file);
    const type = path === '/vectors/' ? '.json' : extname(file);
    response.setHeader('Content-Type', TYPES[type] ?? 'application/octet-stream');
    response.end(body);
  } catch (error) {
    response.statusCode = 404;
    response.statusMessage = error instanceof Error ? error.message : String(error);
    response.end();
  }
}

function fileOf(site: Site, path: string): string {
  if (path === '/') return join(site.page, 'index.html');
  if (path === '/core.wasm') return site.module;
  if (path.startsWith('/vectors/')) return join(site.vectors, path.slice('/vectors/'.length));
  return join(site.page, path);
}
