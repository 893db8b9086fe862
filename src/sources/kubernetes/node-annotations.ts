/**
 * Annotations of this node's own Node object. Written by the status subresource, as flannel does:
 * a node needs no more rights than that.
 */
import { withDeadline } from './backoff.js';
import { createClient, readText } from './client.js';
import type { Connection } from './connection.js';

const ANSWER_MS = 10_000;

export interface NodeAnnotator {
  /** Put annotations on the node; others stay. @throws Error when the server does not take them */
  annotate(annotations: Readonly<Record<string, string>>): Promise<void>;
  close(): void;
}

export function createNodeAnnotator(connection: Connection, nodeName: string): NodeAnnotator {
  const client = createClient(connection);
  const over = new AbortController();
  return {
    annotate: async (annotations) => {
      const path = `/api/v1/nodes/${encodeURIComponent(nodeName)}/status`;
      const patch = { metadata: { annotations } };
      await withDeadline(over.signal, ANSWER_MS, async (signal) => {
        const reply = await client.patch(path, patch, signal);
        const text = await readText(reply.body);
        if (reply.status >= 300) throw new Error(`${path}: ${reply.status} ${text.slice(0, 200)}`);
      });
    },
    close: () => {
      over.abort();
      client.close();
    },
  };
}
