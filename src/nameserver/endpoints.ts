/**
 * The HTTP endpoints a Corefile asks for: health, ready, prometheus (CoreDNS, the plugins of these
 * names).
 */
import { joinHostPort } from '../addr.js';
import type { Settings } from '../dns/chain/settings.js';
import type { ServerMetrics } from '../dns/server/metrics.js';
import { messageOf } from '../errors.js';
import { NOT_FOUND, listen, plain } from '../http-server.js';
import type { Answer, Handler, Listener } from '../http-server.js';
import type { Log } from '../log.js';
import { packageVersion } from '../package-root.js';
import type { Nameserver } from './nameserver.js';
import { corefileFamilies } from './own-series.js';

export interface Endpoints {
  /**
   * Those of another Corefile, instead; what both have stays open.
   *
   * @throws Error with a code of the system when a port is not to be had
   */
  follow(settings: Settings): Promise<void>;
  /** Queries are still answered, but nobody new should come: ready says no. */
  beginLameduck(): void;
  close(): Promise<void>;
}

export interface EndpointsParts {
  readonly server: Nameserver;
  /** Of this process. */
  readonly metrics: ServerMetrics;
  readonly log: Log;
}

interface Endpoint {
  readonly listener: Listener;
  readonly url: string;
}

type Path = '/health' | '/ready' | '/metrics';
type Address = Settings['health'][number]['listen'];

const OK = plain(200, 'OK');
const PROBE_PAUSE_MS = 1_000;
const PROBE_MS = 5_000;
const MS_PER_SEC = 1000;

const urlOf = ({ host }: Address, port: number): string => `http://${joinHostPort(host, port)}`;

/** Paths by address: plugins may share one. */
function wantedBy({ health, ready, prometheus }: Settings): Map<string, [Address, Set<Path>]> {
  const wanted = new Map<string, [Address, Set<Path>]>();
  const want = (all: readonly { readonly listen: Address }[], path: Path): void => {
    for (const { listen: address } of all) {
      // What the kernel is to choose is another port for each.
      const key = JSON.stringify(address.port === 0 ? { ...address, path } : address);
      const [, paths] = wanted.get(key) ?? [address, new Set<Path>()];
      wanted.set(key, [address, paths.add(path)]);
    }
  };
  want(health, '/health');
  want(ready, '/ready');
  want(prometheus, '/metrics');
  return wanted;
}

export function createEndpoints({ server, metrics, log }: EndpointsParts): Endpoints {
  const open = new Map<string, Endpoint>();
  const closing = new AbortController();
  let isLameduck = false;
  let wasReady = false;
  let isContinuous = false;
  let probed: string | undefined;
  let probing: NodeJS.Timeout | undefined;

  const readiness = async (): Promise<Answer> => {
    if (isLameduck) return plain(503, 'lameduck');
    if (wasReady && !isContinuous) return OK;
    const scraped = await server.scrape();
    const reasons = new Set(scraped.flatMap(({ notReady }) => notReady));
    if (!server.isSynced() && server.ready().zones.length > 0) reasons.add('kubernetes');
    if (reasons.size > 0) return plain(503, [...reasons].join(','));
    wasReady = true;
    return OK;
  };
  const scrape = async (): Promise<Answer> => {
    const scraped = await server.scrape();
    const { enabled } = server.ready();
    const corefile = corefileFamilies(server.corefile(), enabled, packageVersion());
    const own = [...metrics.families(), ...corefile];
    // Nobody waits for the first scrape; for the first query somebody may.
    const { AggregatorRegistry } = await import('prom-client');
    const all = [own, ...scraped.map((each) => [...each.metrics])];
    const registry = AggregatorRegistry.aggregate(all);
    return {
      status: 200,
      headers: { 'Content-Type': registry.contentType },
      body: await registry.metrics(),
    };
  };
  const answers: Readonly<Record<Path, () => Answer | Promise<Answer>>> = {
    '/health': () => OK,
    '/ready': readiness,
    '/metrics': scrape,
  };
  const handlerOf =
    (paths: ReadonlySet<Path>): Handler =>
    (path) =>
      paths.has(path as Path) ? answers[path as Path]() : NOT_FOUND;

  /** A process whose own health check is slow has too much to do. */
  const probe = async (): Promise<void> => {
    const beganMs = performance.now();
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PROBE_MS)]);
      const reply = await fetch(probed ?? '', { signal });
      await reply.text();
    } catch {
      if (!closing.signal.aborted) metrics.count('coredns_health_request_failures_total');
    }
    const seconds = (performance.now() - beganMs) / MS_PER_SEC;
    metrics.observe('coredns_health_request_duration_seconds', seconds);
  };
  const armProbe = (): void => {
    clearTimeout(probing);
    if (probed === undefined || closing.signal.aborted) return;
    probing = setTimeout(() => void probe().then(armProbe), PROBE_PAUSE_MS);
    probing.unref();
  };

  return {
    follow: async (settings) => {
      const wanted = wantedBy(settings);
      const kept = new Map([...open].filter(([key]) => wanted.has(key)));
      for (const [key, { listener }] of open) if (!kept.has(key)) await listener.close();
      open.clear();
      for (const [key, endpoint] of kept) open.set(key, endpoint);
      probed = undefined;
      isContinuous = settings.ready.some(({ monitor }) => monitor === 'continuously');
      for (const [key, [address, paths]] of wanted) {
        const known = open.get(key);
        const listener = known?.listener ?? (await listen(address, handlerOf(paths)));
        const url = urlOf(address, listener.port);
        open.set(key, { listener, url });
        if (!known) for (const path of paths) log.info(`${url}${path}`);
        const local = urlOf({ ...address, host: address.host || 'localhost' }, listener.port);
        if (paths.has('/health')) probed ??= `${local}/health`;
      }
      armProbe();
    },
    beginLameduck: () => {
      isLameduck = true;
    },
    close: async () => {
      closing.abort();
      clearTimeout(probing);
      await Promise.all([...open.values()].map(({ listener }) => listener.close())).catch(
        (error: unknown) => {
          log.warn(messageOf(error));
        },
      );
    },
  };
}
