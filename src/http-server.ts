/**
 * Small HTTP servers for probes and scrapes: one handler, short patience, no state between requests.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BindAddress } from './addr.js';
import { messageOf } from './errors.js';
import { bindLocally, startListening } from './unix-socket.js';

/** A whole request is in within this time. */
const REQUEST_MS = 5_000;
/** A connection without a request is closed after this time. */
const IDLE_MS = 5_000;
const CONNECTIONS_MAX = 256;
/** How often Node looks for requests that take too long: at an idle server, too. */
const TIMEOUT_CHECK_MS = 5_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** @param path  without the query */
export type Handler = (
  path: string,
  query: URLSearchParams,
  method: string,
) => Answer | Promise<Answer>;

export interface Listener {
  /** The port bound, also when the kernel chose it. */
  readonly port: number;
  /** No further requests; open connections are cut. */
  close(): Promise<void>;
}

export const NOT_FOUND: Answer = plain(404, '404 page not found\n');

export function plain(status: number, body: string): Answer {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body };
}

export function json(value: unknown): Answer {
  const headers = { 'Content-Type': 'application/json' };
  return { status: 200, headers, body: JSON.stringify(value) };
}

async function serve(request: IncomingMessage, response: ServerResponse, handler: Handler) {
  request.resume();
  const [path = '/', query = ''] = (request.url ?? '/').split('?');
  let answer: Answer;
  try {
    answer = await handler(path, new URLSearchParams(query), request.method ?? 'GET');
  } catch (error) {
    answer = plain(500, `${messageOf(error)}\n`);
  }
  const length = String(Buffer.byteLength(answer.body));
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': length });
  response.end(answer.body);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** HTTP takes long to load, and a DNS server answers before anybody asks for its metrics. */
async function serverOf(handler: Handler): Promise<Server> {
  const { createServer } = await import('node:http');
  const options = {
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  };
  const server = createServer(options, (request, response) => {
    void serve(request, response, handler);
  });
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

/**
 * Bind and serve. An unspecified address of either family stands for every address of both, as in
 * Go's net package.
 *
 * @throws the error of bind(2) or listen(2)
 */
export async function listen({ host, port }: BindAddress, handler: Handler): Promise<Listener> {
  const server = await serverOf(handler);
  const isEverywhere = host === '0.0.0.0' || host === '::';
  await startListening(server, isEverywhere ? { port } : { host, port });
  const bound = server.address() as AddressInfo;
  return { port: bound.port, close: () => closeServer(server) };
}

/**
 * Serve on a Unix socket that only its owner may use.
 *
 * @throws the error of mkdir(2), bind(2), chmod(2) or rename(2)
 */
export async function listenLocally(path: string, handler: Handler): Promise<Standing> {
  const server = await serverOf(handler);
  let remove: () => void;
  try {
    remove = await bindLocally(server, path);
  } catch (error) {
    await closeServer(server);
    throw error;
  }
  return {
    close: async () => {
      remove();
      await closeServer(server);
    },
  };
}

/** A server that is wanted as long as the agent runs. */
export interface Standing {
  close(): Promise<void>;
}

/**
 * Keep a server up: where it cannot be bound it is tried again until it can.
 *
 * @param failed  told about the first failure of a row, with the reason
 */
export function keepListening(
  address: BindAddress,
  handler: Handler,
  retryMs: number,
  failed: (reason: string) => void,
): Standing {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let isReported = false;
  const open = async (): Promise<Listener | undefined> => {
    try {
      return await listen(address, handler);
    } catch (error) {
      if (!isReported) failed(messageOf(error));
      isReported = true;
      if (!isOver) timer = setTimeout(again, retryMs);
      return undefined;
    }
  };
  let opening = open();
  function again(): void {
    opening = open();
  }
  return {
    close: async () => {
      isOver = true;
      clearTimeout(timer);
      const listener = await opening;
      clearTimeout(timer);
      await listener?.close();
    },
  };
}
