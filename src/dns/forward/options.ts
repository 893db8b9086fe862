/** What a forwarder is told, and what it tells. */
import type { PolicyName } from './policy.js';
import type { UpstreamSpec } from './upstream.js';

export interface HealthCheckOptions {
  /** Between two probes of one upstream. */
  readonly intervalMs: number;
  /** Probe without asking for recursion. */
  readonly noRec: boolean;
  /** Whose NS records are asked for; `.` for the root. */
  readonly domain: string;
}

export interface ForwardTlsOptions {
  /** Whose certificate is expected of upstreams that name nobody; else the host's, or the address's. */
  readonly servername?: string;
  /** PEM; without it, the authorities that Node knows. */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface ForwardOptions {
  readonly upstreams: readonly UpstreamSpec[];
  readonly policy: PolicyName;
  /** An upstream is down when more probes than this failed in a row; 0: never, and no probes. */
  readonly maxFails: number;
  /** How long an idle connection is kept. */
  readonly expireMs: number;
  /** Age from which a connection takes no new query; 0: any age. */
  readonly maxAgeMs?: number;
  /** Idle connections kept of each upstream; 0: any number. */
  readonly maxIdleConns?: number;
  readonly healthCheck: HealthCheckOptions;
  /** Always TCP. Wins over `preferUdp`. */
  readonly forceTcp: boolean;
  /** UDP also for clients that came over TCP; truncated replies are asked for again over TCP. */
  readonly preferUdp: boolean;
  /** Client queries under way at once; more are refused. 0: as many as memory is set aside for. */
  readonly maxConcurrent: number;
  /** Upstreams asked for one query; 0: until the time is over. Default: twice their number. */
  readonly maxConnectAttempts?: number;
  /** Rcodes after which the next upstream is asked. */
  readonly failover: readonly number[];
  /** Fail at once when every upstream is down, instead of asking any. */
  readonly failfastAllUnhealthy: boolean;
  /** Random case of the name on UDP, which a forged reply would have to guess (0x20). */
  readonly randomizeCase: boolean;
  readonly tls?: ForwardTlsOptions;
  /** Addresses we answer on, `IP` or `IP:port`: none of them may be an upstream. */
  readonly ownAddresses?: readonly string[];
  readonly times?: Partial<ForwardTimes>;
  readonly hooks?: ForwardHooks;
}

/** Bounds of time, ms. */
export interface ForwardTimes {
  /** From a query to its reply or failure, whatever happens. */
  readonly deadlineMs: number;
  /** For the reply of one upstream. */
  readonly readMs: number;
  /** For the reply to a probe. */
  readonly probeMs: number;
}

/** As CoreDNS has them: plugin/forward defaultTimeout, plugin/pkg/proxy readTimeout, hcTimeout. */
export const DEFAULT_TIMES: ForwardTimes = { deadlineMs: 5_000, readMs: 2_000, probeMs: 1_000 };

/** Client queries that may be under way when `maxConcurrent` is 0: about 2 kB each. */
export const PENDING_MAX = 4096;

/** As CoreDNS has them when a `forward` line has no block. */
export const DEFAULT_FORWARD_OPTIONS: Omit<ForwardOptions, 'upstreams'> = {
  policy: 'random',
  maxFails: 2,
  expireMs: 10_000,
  healthCheck: { intervalMs: 500, noRec: false, domain: '.' },
  forceTcp: false,
  preferUdp: false,
  maxConcurrent: 0,
  failover: [],
  failfastAllUnhealthy: false,
  randomizeCase: true,
};

export type ClientTransport = 'udp' | 'tcp';
export type WireTransport = 'udp' | 'tcp' | 'tls';

/** For metrics and logs; all are called synchronously and must not throw. */
export interface ForwardHooks {
  /** A reply came. `coredns_proxy_request_duration_seconds{to,rcode}` */
  readonly onExchange?: (exchange: {
    readonly upstream: string;
    readonly transport: WireTransport;
    readonly rcode: number;
    readonly ms: number;
  }) => void;
  /** No reply of use came. */
  readonly onAttemptFailure?: (attempt: {
    readonly upstream: string;
    readonly failure: string;
    readonly ms: number;
  }) => void;
  /** A probe failed. `coredns_proxy_healthcheck_failures_total{to}` */
  readonly onHealthFailure?: (upstream: string) => void;
  /** All upstreams are down. `coredns_forward_healthcheck_broken_total` */
  readonly onHealthBroken?: () => void;
  /** `coredns_forward_max_concurrent_rejects_total` */
  readonly onConcurrencyReject?: () => void;
  /** `coredns_proxy_conn_cache_{hits,misses}_total{to,proto}` */
  readonly onConnection?: (use: {
    readonly upstream: string;
    readonly transport: WireTransport;
    readonly isReused: boolean;
  }) => void;
  /** A reply came with the letters of its name in another case. */
  readonly onCaseMismatch?: (upstream: string) => void;
}
