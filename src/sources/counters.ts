/** What happened between this agent and its source, all resources together. */
export interface Counters {
  lists: number;
  watches: number;
  /** Lists because the server no longer had our version. */
  expired: number;
  /** Requests and streams that failed. */
  failures: number;
  /** Events that were repeated or came late. */
  stale: number;
  /** Objects that could not be used, each once per mistake. */
  malformed: number;
}

export function createCounters(): Counters {
  return { lists: 0, watches: 0, expired: 0, failures: 0, stale: 0, malformed: 0 };
}
