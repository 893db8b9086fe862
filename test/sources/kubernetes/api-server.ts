/**
 * A double of the API server: real HTTPS with paged lists and watches, and every way they go wrong.
 */
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Kind } from '../../../src/model/events.js';
import type { Identity } from '../../support/certificates.js';
import type { CustomResources } from './custom-resources.js';

type Json = Record<string, unknown>;
type Meta = { name: string; namespace?: string; labels?: Record<string, string> };

const PATHS: Record<string, Kind> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
  '/api/v1/nodes': 'Node',
  '/api/v1/pods': 'Pod',
  '/api/v1/namespaces': 'Namespace',
};

const EVENTS = /^\/apis\/events\.k8s\.io\/v1\/namespaces\/[^/]+\/events$/;

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: Kind;
  readonly object: Json;
  /** What it was before. */
  readonly old: Json | undefined;
}

interface Stream {
  readonly kind: Kind;
  readonly accepts: (object: Json) => boolean;
  readonly response: ServerResponse;
}

const metaOf = (object: Json): Meta => object['metadata'] as Meta;
const keyOf = (kind: Kind, { namespace = '', name }: Meta) => `${kind} ${namespace}/${name}`;

/** `!a,!b` and `spec.nodeName=x`: what the source asks for. */
function selector(query: URLSearchParams): (object: Json) => boolean {
  const absent = (query.get('labelSelector') ?? '').split(',').filter((part) => part !== '');
  const [, nodeName] = (query.get('fieldSelector') ?? '').split('=');
  return (object) => {
    const labels = metaOf(object).labels ?? {};
    const spec = object['spec'] as { nodeName?: string } | undefined;
    return (
      absent.every((part) => !(part.slice(1) in labels)) &&
      (nodeName === undefined || spec?.nodeName === nodeName)
    );
  };
}

const line = (type: string, object: Json) => `${JSON.stringify({ type, object })}\n`;
const status = (code: number, message: string) => ({ kind: 'Status', code, message });

export interface ServerOptions {
  readonly identity: Identity;
  /** Ask clients for this certificate. */
  readonly clientCert?: string;
  readonly custom?: CustomResources;
}

export async function startApiServer({ identity, clientCert, custom }: ServerOptions) {
  let version = 100;
  let compacted = 0;
  const objects = new Map<string, Json>();
  const history: Change[] = [];
  const streams = new Set<Stream>();
  const pages = new Map<string, Json[]>();
  /** Changes that are kept back, to be sent in reverse. */
  let held: Change[] | undefined;
  /** Every request's path and query. */
  const requests: string[] = [];
  const faults = {
    token: undefined as string | undefined,
    isDoubling: false,
    stalledLists: 0,
    expiredPages: 0,
    /** Largest page, whatever was asked for. */
    pageSize: 500,
    refusals: 0,
    eventStatus: 201,
  };

  const send = (changes: readonly Change[]): void => {
    for (const stream of streams) {
      const text = changes.flatMap((change) => eventLines(stream, change)).join('');
      if (text !== '') stream.response.write(text);
    }
  };
  const eventLines = ({ kind, accepts }: Stream, change: Change): string[] => {
    if (change.kind !== kind) return [];
    const was = change.old !== undefined && accepts(change.old);
    const is = change.type !== 'DELETED' && accepts(change.object);
    if (!was && !is) return [];
    const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED';
    const text = line(type, change.object);
    return faults.isDoubling ? [text, text] : [text];
  };
  const record = (change: Change): void => {
    history.push(change);
    if (held) held.push(change);
    else send([change]);
  };
  const release = (): void => {
    const changes = held ?? [];
    held = undefined;
    send([...changes].reverse());
  };

  /** Do away with every stream. */
  const each = (end: (response: ServerResponse) => void): void => {
    for (const { response } of streams) end(response);
    streams.clear();
  };

  const put = (kind: Kind, object: object): void => {
    const key = keyOf(kind, metaOf(object as Json));
    version++;
    const metadata = { ...metaOf(object as Json), resourceVersion: String(version) };
    const apiVersion = kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1';
    const next = { apiVersion, kind, ...object, metadata };
    const old = objects.get(key);
    objects.set(key, next);
    record({ version, type: old ? 'MODIFIED' : 'ADDED', kind, object: next, old });
  };
  const remove = (kind: Kind, meta: Meta): void => {
    const key = keyOf(kind, meta);
    const old = objects.get(key);
    if (!old) return;
    objects.delete(key);
    version++;
    const object = { ...old, metadata: { ...metaOf(old), resourceVersion: String(version) } };
    record({ version, type: 'DELETED', kind, object, old });
  };

  const answer = (response: ServerResponse, code: number, body: object): void => {
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const list = (kind: Kind, query: URLSearchParams, response: ServerResponse): void => {
    if (faults.stalledLists > 0) {
      faults.stalledLists--;
      return;
    }
    const token = query.get('continue');
    if (token !== null && faults.expiredPages > 0) {
      faults.expiredPages--;
      answer(response, 410, status(410, 'the continue token has expired'));
      return;
    }
    const accepts = selector(query);
    const all = [...objects].flatMap(([key, object]) =>
      key.startsWith(`${kind} `) && accepts(object) ? [object] : [],
    );
    const [at = String(version), rest = all] =
      token === null ? [] : [token.split(':')[0] ?? '', pages.get(token) ?? []];
    const limit = query.get('limit');
    const size = limit === null ? rest.length : Math.min(Number(limit), faults.pageSize);
    const next = `${at}:${kind}:${requests.length}`;
    const isMore = rest.length > size;
    if (isMore) pages.set(next, rest.slice(size));
    const items = rest.slice(0, size).map(({ apiVersion: _a, kind: _k, ...item }) => item);
    const metadata = { resourceVersion: at, ...(isMore ? { continue: next } : {}) };
    answer(response, 200, { kind: `${kind}List`, metadata, items });
  };
  const watch = (kind: Kind, query: URLSearchParams, response: ServerResponse): void => {
    const since = Number(query.get('resourceVersion'));
    if (since < compacted) {
      answer(response, 410, status(410, 'too old resource version'));
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const stream = { kind, accepts: selector(query), response };
    const kept = new Set(held ?? []);
    const missed = history.filter((change) => change.version > since && !kept.has(change));
    const text = missed.flatMap((change) => eventLines(stream, change)).join('');
    if (text !== '') response.write(text);
    streams.add(stream);
    response.on('close', () => streams.delete(stream));
  };

  /** Events that were created, and what to answer instead of 201. */
  const events: Json[] = [];
  const create = (request: IncomingMessage, response: ServerResponse): void => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      if (faults.eventStatus !== 201) {
        answer(response, faults.eventStatus, status(faults.eventStatus, 'no'));
        return;
      }
      const event = JSON.parse(Buffer.concat(parts).toString()) as Json;
      events.push(event);
      answer(response, 201, event);
    });
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'https://double');
    requests.push(request.url ?? '');
    const kind = PATHS[url.pathname];
    if (faults.token !== undefined && request.headers.authorization !== `Bearer ${faults.token}`) {
      answer(response, 401, status(401, 'Unauthorized'));
    } else if (faults.refusals > 0) {
      faults.refusals--;
      answer(response, 503, status(503, 'not now'));
    } else if (custom?.handle(request, response) === true) return;
    else if (request.method === 'POST' && EVENTS.test(url.pathname)) create(request, response);
    else if (kind === undefined) answer(response, 404, status(404, 'not found'));
    else if (url.searchParams.has('watch')) watch(kind, url.searchParams, response);
    else list(kind, url.searchParams, response);
  };

  const tls = { cert: identity.cert, key: identity.key };
  const mutual = { requestCert: true, rejectUnauthorized: true };
  const server = createServer(
    clientCert === undefined ? tls : { ...tls, ...mutual, ca: clientCert },
    onRequest,
  );
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  const listen = (port: number) =>
    new Promise<void>((settle, fail) => {
      server.once('error', fail);
      server.listen(port, '127.0.0.1', settle);
    });
  const close = () =>
    new Promise<void>((settle) => {
      server.close(() => settle());
      for (const socket of sockets) socket.destroy();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;

  return {
    url: `https://127.0.0.1:${port}`,
    objects,
    events,
    requests,
    faults,
    streams,
    put,
    remove,
    close,
    reopen: () => listen(port),
    version: () => version,
    lists: () => requests.filter((request) => !request.includes('watch=')).length,
    /** Keep changes back; `release` sends them youngest first. */
    hold: () => {
      held ??= [];
    },
    release,
    /** Send what was sent before once more, youngest first. */
    repeat: (count: number) => {
      const kept = new Set(held ?? []);
      const sent = history.filter((change) => !kept.has(change));
      send(sent.slice(-count).reverse());
    },
    bookmark: () => {
      release();
      for (const { kind, response } of streams) {
        const metadata = { resourceVersion: String(version) };
        response.write(line('BOOKMARK', { kind, metadata }));
      }
    },
    end: () => each((response) => response.end()),
    /** Half a line, and the end. */
    cut: () =>
      each((response) => {
        response.write('{"type":"ADDED","object":{"metadata":{"na');
        response.socket?.destroySoon();
      }),
    reset: () => each((response) => response.destroy()),
    /** Versions up to now are forgotten; streams hear of it, or the next request does. */
    expire: (inStream: boolean) => {
      compacted = version;
      history.length = 0;
      held &&= [];
      each((response) => {
        if (inStream) response.write(line('ERROR', status(410, 'too old resource version')));
        response.end();
      });
    },
  };
}

export type ApiServer = Awaited<ReturnType<typeof startApiServer>>;
