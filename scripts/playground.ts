/**
 * Build the playground and serve it on loopback until interrupted.
 *
 *   tsx scripts/playground.ts [PORT]     default: any free one
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { readPort } from '../src/command-parts.js';
import { packageRoot } from '../src/package-root.js';
import { buildPlayground } from './build-playground.js';
import { serveFiles } from './static-server.js';
import type { Served } from './static-server.js';

/** Serve the files of a folder, and nothing else. */
export function serveFolder(folder: string, port = 0): Promise<Served> {
  return serveFiles((path) => {
    if (path === '/') return join(folder, 'index.html');
    return path.endsWith('/') ? undefined : join(folder, path);
  }, port);
}

async function playground(port: number): Promise<void> {
  const folder = join(packageRoot(), 'build/playground');
  await buildPlayground(folder);
  const { url, close } = await serveFolder(folder, port);
  console.log(`The playground is at ${url} (Ctrl-C ends it)`);
  process.once('SIGINT', close);
  process.once('SIGTERM', close);
}

if (process.argv[1] === import.meta.filename) {
  await new Command('playground')
    .description('Build the playground and serve it on loopback until interrupted.')
    .argument('[port]', 'default: any free one', readPort, 0)
    .action(playground)
    .parseAsync();
}
