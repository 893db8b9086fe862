/** How many queries are waited for at a time. */
import { formatAddress } from '../../addr.js';
import type { AskHost } from './answerer.js';

/** How many queries may be waited for at a time: in all, and from one client. */
export interface PendingLimits {
  readonly total: number;
  readonly perClient: number;
}

/** spec/dns.md has these figures of a node; a pod is one client. */
export const PENDING_LIMITS: PendingLimits = { total: 4096, perClient: 256 };

export interface Pending {
  /** As the function it was made of, within the limits. */
  readonly ask: AskHost;
  /** Queries that are waited for. */
  size(): number;
  /** Settles when there is none. */
  empty(): Promise<void>;
}

/**
 * @param refuse  the reply to a query for which there is no room
 */
export function createPending(
  ask: AskHost,
  refuse: (message: Uint8Array) => Uint8Array,
  limits: PendingLimits = PENDING_LIMITS,
): Pending {
  const byClient = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let size = 0;
  return {
    ask: async (listener, message, client) => {
      const name = formatAddress(client.address);
      const own = byClient.get(name) ?? 0;
      if (size >= limits.total || own >= limits.perClient) return refuse(message);
      byClient.set(name, own + 1);
      size++;
      try {
        return await ask(listener, message, client);
      } finally {
        const left = (byClient.get(name) ?? 1) - 1;
        if (left > 0) byClient.set(name, left);
        else byClient.delete(name);
        size--;
        if (size === 0) for (const settle of waiting.splice(0)) settle();
      }
    },
    size: () => size,
    empty: () =>
      size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push(resolve);
          }),
  };
}
