/**
 * The agent's end of the plugin's socket: one request a connection, of bounded length, in bounded
 * time, only so many at once.
 *
 * The reply to a request that cannot even be read is a CNI error too: the plugin prints whatever
 * comes.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { bindLocally } from '../unix-socket.js';
import type { Deliver, Dispatch, Operation } from './dispatch.js';
import { CNI_CODE, CniError, formatError } from './errors.js';
import { createGate } from './gate.js';
import { MESSAGE_MAX, encodeReply } from './wire.js';
import type { Reply } from './wire.js';

export interface ServeOptions {
  readonly dispatch: Dispatch;
  readonly log: Log;
  /** Operations at once, and those that wait for them. */
  readonly runningMax?: number;
  readonly waitingMax?: number;
  /** A whole request is in within this time. */
  readonly requestMs?: number;
}

export interface CniServer {
  /** No further requests; those that run are waited for, the others are told to come again. */
  close(): Promise<void>;
}

const RUNNING_MAX = 32;
const WAITING_MAX = 256;
/** The plugin has all of its input before it connects. */
const REQUEST_MS = 5_000;
/** A plugin that does not read its reply. */
const REPLY_MS = 5_000;

function refusal(code: number, message: string): Reply {
  const stdout = `${formatError(new CniError(code, message))}\n`;
  return { exitCode: 1, stdout, code };
}

/** @throws CniError 5  too long, or not whole in time */
function readAll(socket: Socket, requestMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const fail = (message: string): void => {
      clearTimeout(timer);
      socket.pause();
      reject(new CniError(CNI_CODE.IO, message));
    };
    const timer = setTimeout(fail, requestMs, `the request is not whole after ${requestMs} ms`);
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MESSAGE_MAX) fail(`the request is longer than ${MESSAGE_MAX} bytes`);
      else chunks.push(chunk);
    });
    socket.once('end', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
    socket.once('close', () => fail('the plugin has gone'));
  });
}

/** @throws the error of write(2): the plugin has gone */
function send(socket: Socket, reply: Reply): Promise<void> {
  socket.setTimeout(REPLY_MS, () => socket.destroy());
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new Error('the plugin has gone')));
    socket.end(encodeReply(reply), (error?: Error | null) => {
      if (error) reject(error);
      else resolve();
      socket.destroy();
    });
  });
}

/** STATUS is waited for by the whole node, and does nothing: it does not queue. */
function isUrgent({ verb }: Operation): boolean {
  return verb === undefined || verb === 'STATUS' || verb === 'VERSION';
}

/**
 * Serve until closed. The socket is its owner's alone (mode 0600); what an earlier agent left at
 * that path is replaced.
 *
 * @throws the error of mkdir(2), bind(2), chmod(2) or rename(2)
 */
export async function serveCni(socketPath: string, options: ServeOptions): Promise<CniServer> {
  const { dispatch, log, requestMs = REQUEST_MS } = options;
  const { runningMax = RUNNING_MAX, waitingMax = WAITING_MAX } = options;
  const gate = createGate(runningMax, waitingMax);
  const reading = new Set<Socket>();

  const perform = async (operation: Operation, deliver: Deliver): Promise<void> => {
    if (isUrgent(operation)) return operation.run(deliver);
    const entered = await gate.enter();
    if (entered !== 'entered') {
      const why = entered === 'full' ? 'too many requests wait' : 'the agent stops';
      return deliver(refusal(CNI_CODE.TRY_AGAIN, `${why}: try again later`));
    }
    try {
      await operation.run(deliver);
    } finally {
      gate.leave();
    }
  };

  const serve = async (socket: Socket): Promise<void> => {
    try {
      const bytes = await readAll(socket, requestMs);
      reading.delete(socket);
      await perform(dispatch(bytes), (reply) => send(socket, reply));
    } catch (error) {
      log.warn(`${socketPath}: ${messageOf(error)}`);
      await send(socket, refusal(CNI_CODE.IO, messageOf(error))).catch(() => undefined);
    }
  };

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    reading.add(socket);
    socket.on('close', () => reading.delete(socket));
    socket.on('error', (error) => log.debug(`${socketPath}: ${messageOf(error)}`));
    void serve(socket);
  });
  // What is beyond is closed at once: to the plugin, no agent is there.
  server.maxConnections = 2 * (runningMax + waitingMax);
  const remove = await bindLocally(server, socketPath);
  return {
    close: async () => {
      remove();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await gate.close();
      for (const socket of reading) socket.destroy();
      await closed;
    },
  };
}
