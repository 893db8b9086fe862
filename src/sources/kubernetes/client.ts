/**
 * Requests to an API server over connections that are kept.
 *
 * Answers of any status are returned, not thrown; what is thrown is a connection that failed.
 */
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Connection, Credentials } from './connection.js';

export interface Reply {
  readonly status: number;
  /** What the server asked us to wait, ms; 0 when it did not. */
  readonly retryAfterMs: number;
  /** UTF-8 text in pieces. Read it or destroy it. */
  readonly body: IncomingMessage;
}

export interface Client {
  /** @param path  absolute path and query */
  get(path: string, signal: AbortSignal): Promise<Reply>;
  /** Have an object created. */
  post(path: string, object: object, signal: AbortSignal): Promise<Reply>;
  /** Have an object replaced. */
  put(path: string, object: object, signal: AbortSignal): Promise<Reply>;
  /** @param options  DeleteOptions, such as preconditions */
  delete(path: string, options: object, signal: AbortSignal): Promise<Reply>;
  /** Have an object changed (RFC 7386). */
  patch(path: string, object: object, signal: AbortSignal): Promise<Reply>;
  close(): void;
}

/** Largest text of one answer or one line of a watch, UTF-16 units; objects are below 2 MiB. */
const TEXT_MAX = 1 << 28;
const LINE_MAX = 1 << 24;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const CONTENT_TYPE: Readonly<Record<Method, string>> = {
  GET: 'application/json',
  POST: 'application/json',
  PUT: 'application/json',
  DELETE: 'application/json',
  PATCH: 'application/merge-patch+json',
};

/** A DELETE with a body has no length but the one it is given. */
function bodyHeaders(method: Method, text: string) {
  return { 'content-type': CONTENT_TYPE[method], 'content-length': Buffer.byteLength(text) };
}

type SendOptions = Parameters<typeof request>[1];

function send(url: URL, options: SendOptions, text?: string): Promise<IncomingMessage> {
  return new Promise((settle, fail) => {
    const sent = request(url, options, settle);
    sent.on('error', fail);
    sent.end(text);
  });
}

function tlsOptions({ servername, insecure }: Connection, { ca, cert, key }: Credentials) {
  return {
    rejectUnauthorized: !insecure,
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

export function createClient(connection: Connection): Client {
  let agent: Agent | undefined;
  let agentFor = '';

  /** Connections made with other certificates are not used again; what runs on them runs on. */
  const agentOf = (credentials: Credentials): Agent => {
    const options = tlsOptions(connection, credentials);
    const identity = JSON.stringify(options);
    if (agent && identity === agentFor) return agent;
    for (const sockets of Object.values(agent?.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
    agent = new Agent({ keepAlive: true, ...options });
    agentFor = identity;
    return agent;
  };

  const ask = async (
    method: Method,
    path: string,
    signal: AbortSignal,
    object?: object,
  ): Promise<Reply> => {
    const credentials = await connection.credentials();
    signal.throwIfAborted();
    const { token } = credentials;
    const text = object === undefined ? undefined : JSON.stringify(object);
    const headers = {
      accept: 'application/json',
      'user-agent': 'sluice',
      ...(text === undefined ? {} : bodyHeaders(method, text)),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const { origin, pathname } = connection.server;
    const url = new URL(`${origin}${pathname.replace(/\/$/, '')}${path}`);
    const options = { agent: agentOf(credentials), headers, signal, method };
    const body = await send(url, options, text);
    body.setEncoding('utf8');
    const seconds = Number(body.headers['retry-after'] ?? 0);
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
    return { status: body.statusCode ?? 0, retryAfterMs, body };
  };

  return {
    get: (path, signal) => ask('GET', path, signal),
    post: (path, object, signal) => ask('POST', path, signal, object),
    put: (path, object, signal) => ask('PUT', path, signal, object),
    delete: (path, options, signal) => ask('DELETE', path, signal, options),
    patch: (path, object, signal) => ask('PATCH', path, signal, object),
    close: () => {
      agent?.destroy();
    },
  };
}

/** Read an answer to its end. */
export async function readText(body: AsyncIterable<string>): Promise<string> {
  const pieces: string[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > TEXT_MAX) throw new Error(`an answer of more than ${TEXT_MAX} characters`);
    pieces.push(piece);
  }
  return pieces.join('');
}

/** The complete lines of an answer; what follows the last line end was cut and is left out. */
export async function* readLines(body: AsyncIterable<string>): AsyncGenerator<string, void> {
  let rest = '';
  for await (const piece of body) {
    const lines = `${rest}${piece}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_MAX) throw new Error(`a line of more than ${LINE_MAX} characters`);
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}
