/** Sockets of the file system that only their owner may use. */
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import type { ListenOptions, Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { removeParts } from './disk.js';

/** Read and write for the owner. */
const OWNER_ONLY = 0o600;

/** Bind. @throws the error of bind(2) or listen(2) */
export function startListening(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      // An accept(2) that fails is the client's loss; the server goes on.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/**
 * Bind to a path. What an earlier agent left there is replaced at once; nobody ever sees the socket
 * with other rights.
 *
 * @returns takes the socket away again, unless somebody has replaced it
 * @throws  the error of readdir(3), mkdir(2), bind(2), chmod(2) or rename(2)
 */
export async function bindLocally(server: Server, path: string): Promise<() => void> {
  // Of who was killed between the two.
  await removeParts(dirname(path), (name) => name.startsWith(`${basename(path)}.`));
  const cradle = mkdtempSync(`${path}.`);
  try {
    const born = join(cradle, 's');
    await startListening(server, { path: born });
    chmodSync(born, OWNER_ONLY);
    renameSync(born, path);
  } finally {
    rmSync(cradle, { recursive: true, force: true });
  }
  const { ino } = lstatSync(path);
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
  };
}
