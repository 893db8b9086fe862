/**
 * One HTTP server for each Service that has a healthCheckNodePort: load balancers ask it how many
 * endpoints this node has.
 *
 * Spec  kube-proxy, pkg/proxy/healthcheck/service_health.go
 */
import type { HealthCheck } from '../compile/local-policy.js';
import { messageOf } from '../errors.js';
import type { ObjectKey } from '../model/keys.js';
import { listen } from '../http-server.js';
import type { Answer, Listener } from '../http-server.js';

/** The reason of the event that kube-proxy records for a Service whose port cannot be bound. */
export const FAILED_TO_START = 'FailedToStartServiceHealthcheck';

export interface HealthCheckOptions {
  readonly nodeName: string;
  /** Whether the data plane is fresh; the node does not matter here. */
  readonly isHealthy: () => boolean;
  /** What to bind; default every address. */
  readonly hosts?: readonly string[];
}

export interface HealthCheckPorts {
  /**
   * Open, close and count: afterwards there is a server for every wish whose port could be bound.
   * What could not is tried again at the next call.
   *
   * @returns what could not be bound, a sentence each, with the Service
   */
  sync(wishes: readonly HealthCheck[]): Promise<HealthCheckProblem[]>;
  close(): Promise<void>;
}

export interface HealthCheckProblem {
  readonly service: ObjectKey;
  readonly message: string;
}

interface Open {
  readonly port: number;
  readonly listeners: readonly Listener[];
  isOver: boolean;
  localEndpoints: number;
}

/** What a request that races with the removal of its Service gets. */
const EMPTY: Answer = { status: 200, headers: {}, body: '' };

function answerOf(service: ObjectKey, localEndpoints: number, isHealthy: boolean): Answer {
  const slash = service.indexOf('/');
  const namespace = service.slice(0, Math.max(slash, 0));
  const name = service.slice(slash + 1);
  const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy: isHealthy };
  return {
    status: localEndpoints > 0 && isHealthy ? 200 : 503,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
    },
    body: JSON.stringify(body, undefined, '\t'),
  };
}

export function createHealthCheckPorts(options: HealthCheckOptions): HealthCheckPorts {
  const { nodeName, isHealthy, hosts = ['0.0.0.0'] } = options;
  const open = new Map<ObjectKey, Open>();

  const closeOne = async (service: ObjectKey, server: Open): Promise<void> => {
    server.isOver = true;
    open.delete(service);
    await Promise.all(server.listeners.map((listener) => listener.close()));
  };

  /** All addresses or none. */
  const openOne = async ({ service, port, localEndpoints }: HealthCheck): Promise<void> => {
    const listeners: Listener[] = [];
    const server: Open = { port, listeners, isOver: false, localEndpoints };
    const handler = (): Answer =>
      server.isOver ? EMPTY : answerOf(service, server.localEndpoints, isHealthy());
    try {
      for (const host of hosts) listeners.push(await listen({ host, port }, handler));
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()));
      throw error;
    }
    open.set(service, server);
  };

  return {
    sync: async (wishes) => {
      const wanted = new Map(wishes.map((wish) => [wish.service, wish]));
      for (const [service, server] of [...open]) {
        if (wanted.get(service)?.port !== server.port) await closeOne(service, server);
      }
      const problems: HealthCheckProblem[] = [];
      for (const wish of wanted.values()) {
        const server = open.get(wish.service);
        if (server) {
          server.localEndpoints = wish.localEndpoints;
          continue;
        }
        try {
          await openOne(wish);
        } catch (error) {
          const what = `node ${nodeName} failed to start healthcheck "${wish.service}" on port ${wish.port}`;
          problems.push({ service: wish.service, message: `${what}: ${messageOf(error)}` });
        }
      }
      return problems;
    },
    close: async () => {
      await Promise.all([...open].map(([service, server]) => closeOne(service, server)));
    },
  };
}
