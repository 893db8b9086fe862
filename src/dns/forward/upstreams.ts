/** The upstreams of a forwarder as they are asked: links, health, habits. */
import { createCaseTrust } from './case.js';
import type { CaseTrust } from './case.js';
import type { Link } from './attempt.js';
import { createHealth } from './health.js';
import type { Health } from './health.js';
import { DEFAULT_TIMES } from './options.js';
import type { ClientTransport, ForwardOptions } from './options.js';
import type { TlsFace } from './stream.js';
import { createTcpLink } from './tcp.js';
import { createUdpLink } from './udp.js';
import { formatUpstream } from './upstream.js';
import type { UpstreamSpec } from './upstream.js';

export interface Upstream {
  readonly name: string;
  /** Where a query of a client goes first. */
  linkFor(client: ClientTransport): Link;
  /** TCP or TLS: where truncated replies are asked for again. */
  readonly streamLink: Link;
  readonly health: Health;
  readonly trust: CaseTrust;
  pending(): number;
  connections(): number;
  close(): void;
}

/** UDP or TCP as the client came, unless options or the upstream say otherwise. */
export function createUpstream(
  spec: UpstreamSpec,
  options: ForwardOptions,
  tls: TlsFace,
): Upstream {
  const { hooks = {}, forceTcp, preferUdp, expireMs, healthCheck, maxFails } = options;
  const target = { name: formatUpstream(spec), spec };
  const streamLink = createTcpLink(target, {
    expireMs,
    maxAgeMs: options.maxAgeMs ?? 0,
    maxIdleConns: options.maxIdleConns ?? 0,
    tls,
    hooks,
  });
  const isStreamOnly = spec.transport === 'tls' || forceTcp;
  const udpLink = isStreamOnly ? undefined : createUdpLink(target, hooks);
  const links = udpLink === undefined ? [streamLink] : [udpLink, streamLink];
  const health = createHealth(udpLink ?? streamLink, {
    check: healthCheck,
    maxFails,
    probeMs: options.times?.probeMs ?? DEFAULT_TIMES.probeMs,
    onFailure: () => hooks.onHealthFailure?.(target.name),
  });
  const sum = (count: (link: Link) => number): number =>
    links.reduce((total, link) => total + count(link), 0);
  return {
    name: target.name,
    linkFor: (client) => (client === 'udp' || preferUdp ? (udpLink ?? streamLink) : streamLink),
    streamLink,
    health,
    trust: createCaseTrust(),
    pending: () => sum((link) => link.pending()),
    connections: () => sum((link) => link.connections()),
    close: () => {
      health.stop();
      for (const link of links) link.close();
    },
  };
}
