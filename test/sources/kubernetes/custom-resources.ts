/** Custom resources of the API server's double: create, read, list in pages, replace, delete. */
import type { IncomingMessage, ServerResponse } from 'node:http';

type Json = Record<string, unknown>;
interface Meta {
  readonly name: string;
  readonly resourceVersion?: string;
}

interface Asked {
  readonly method: string;
  readonly collection: string;
  /** undefined: the whole collection. */
  readonly name: string | undefined;
  readonly query: URLSearchParams;
  readonly body: Json;
}

type Answer = readonly [code: number, body: object];

const status = (code: number, message: string): Answer => [code, { kind: 'Status', code, message }];
const metaOf = (object: Json) => object['metadata'] as Meta;

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** @param collections  paths such as `/apis/GROUP/VERSION/PLURAL`; others are left alone */
export function createCustomResources(collections: readonly string[]) {
  const objects = new Map<string, Json>();
  let version = 1000;
  const faults = { unanswered: 0, status: 0 };

  const store = (path: string, object: Json): Json => {
    const metadata = { ...metaOf(object), resourceVersion: String(++version) };
    const next = { ...object, metadata };
    objects.set(path, next);
    return next;
  };
  const list = ({ collection, query }: Asked): Answer => {
    const all = [...objects].flatMap(([path, o]) => (path.startsWith(`${collection}/`) ? [o] : []));
    const from = Number(query.get('continue') ?? 0);
    const to = from + Number(query.get('limit') ?? all.length);
    const metadata = to < all.length ? { continue: String(to) } : {};
    return [200, { metadata, items: all.slice(from, to) }];
  };
  const one = ({ method, body }: Asked, path: string): Answer => {
    const found = objects.get(path);
    if (found === undefined) return status(404, `${path} not found`);
    if (method === 'GET') return [200, found];
    const wanted =
      method === 'PUT'
        ? metaOf(body).resourceVersion
        : (body['preconditions'] as Meta | undefined)?.resourceVersion;
    const isStale = wanted !== undefined && wanted !== metaOf(found).resourceVersion;
    if (isStale) return status(409, 'the object has been modified');
    if (method === 'PUT') return [200, store(path, body)];
    objects.delete(path);
    return status(200, 'deleted');
  };
  const answerTo = (asked: Asked): Answer => {
    const { method, collection, name, body } = asked;
    if (faults.status !== 0) return status(faults.status, 'no');
    if (name !== undefined) return one(asked, `${collection}/${name}`);
    if (method === 'GET') return list(asked);
    const path = `${collection}/${metaOf(body).name}`;
    if (objects.has(path)) return status(409, `${path} already exists`);
    return [201, store(path, body)];
  };
  const respond = async (
    [request, response]: [IncomingMessage, ServerResponse],
    collection: string,
  ): Promise<void> => {
    const url = new URL(request.url ?? '/', 'https://double');
    const name = url.pathname.slice(collection.length + 1) || undefined;
    const text = await textOf(request);
    const body = text === '' ? {} : (JSON.parse(text) as Json);
    const method = request.method ?? 'GET';
    const [code, answer] = answerTo({ method, collection, name, query: url.searchParams, body });
    if (faults.unanswered > 0) {
      faults.unanswered--;
      return;
    }
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  };

  return {
    objects,
    faults,
    /** @returns false when the request is not for one of the collections */
    handle: (request: IncomingMessage, response: ServerResponse): boolean => {
      const [path = ''] = (request.url ?? '').split('?');
      const collection = collections.find((one) => path === one || path.startsWith(`${one}/`));
      if (collection !== undefined) void respond([request, response], collection);
      return collection !== undefined;
    },
  };
}

export type CustomResources = ReturnType<typeof createCustomResources>;
