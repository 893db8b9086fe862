/** Whole answers of the API server, for those that only know requests and texts. */
import { readText } from './client.js';
import type { Client, Reply } from './client.js';

interface RequestOptions {
  readonly body?: object;
  readonly signal: AbortSignal;
}

/** One request, its answer read to the end. */
export type JsonRequest = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  options: RequestOptions,
) => Promise<{ readonly status: number; readonly text: string }>;

export function jsonRequest(client: Client): JsonRequest {
  return async (method, path, { body = {}, signal }) => {
    const send: Record<typeof method, () => Promise<Reply>> = {
      GET: () => client.get(path, signal),
      POST: () => client.post(path, body, signal),
      PUT: () => client.put(path, body, signal),
      DELETE: () => client.delete(path, body, signal),
    };
    const reply = await send[method]();
    return { status: reply.status, text: await readText(reply.body) };
  };
}
