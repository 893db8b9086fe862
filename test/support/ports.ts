/** Ports on loopback for servers that tests start. */
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/**
 * Ports are handed out below those that the kernel picks for connections and for port 0, none
 * twice in a process, and from a block that belongs to the process by its id: what one test gives
 * back, another one does not get in the meantime. Sluice's own SNAT ports are left out.
 */
const BLOCKS_BEGIN = 24576;
const BLOCKS_END = 29952;
const BLOCK_PORTS = 64;

const firstPort =
  BLOCKS_BEGIN + (process.pid % ((BLOCKS_END - BLOCKS_BEGIN) / BLOCK_PORTS)) * BLOCK_PORTS;
let portsTried = 0;

/** A port that nobody listens on, and nobody else is given. */
export async function freePort(): Promise<number> {
  const { port, close } = await occupy();
  await close();
  return port;
}

/** A port that is taken until `close`. @throws when the ports of this process are used up */
export async function occupy(): Promise<{ port: number; close: () => Promise<void> }> {
  while (portsTried < BLOCK_PORTS) {
    const port = firstPort + portsTried++;
    const server = await listenOn(port);
    if (server === undefined) continue;
    return { port, close: () => new Promise<void>((done) => server.close(() => done())) };
  }
  throw new Error(`ports ${firstPort} to ${firstPort + BLOCK_PORTS - 1} are used up`);
}

/** @returns undefined when the port is another's */
function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}
