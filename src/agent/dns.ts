/**
 * The cluster's DNS on this node: the lane answers what the names know, a server on the trunk everything
 * else, both from the same Corefile and the same objects as the rest of the agent.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress, joinHostPort, parseAddress } from '../addr.js';
import type { Control, LocalPod } from '../compile/control.js';
import type { SluiceConfig } from '../config/config.js';
import type { Lane } from '../core/lane-client.js';
import type { PodsByAddress } from '../dns/server/messages.js';
import { createServerMetrics } from '../dns/server/metrics.js';
import { messageOf } from '../errors.js';
import { addDnsServers, removeDnsServers } from '../kernel/trunk.js';
import type { Log } from '../log.js';
import { NODE_COREFILE } from '../nameserver/default-corefile.js';
import { createEndpoints } from '../nameserver/endpoints.js';
import type { Endpoints } from '../nameserver/endpoints.js';
import { startNameserver } from '../nameserver/nameserver.js';
import type { Nameserver } from '../nameserver/nameserver.js';
import { createProgrammingTimes } from '../nameserver/programming-times.js';
import { watchCorefile } from '../nameserver/serve.js';
import { unmetOf, wantsAllPods } from '../nameserver/unmet.js';
import type { SourceEvent } from '../model/events.js';
import type { NamesScope } from '../sources/kubernetes/kubernetes.js';
import type { Node } from './node.js';

export interface NodeDnsParts {
  readonly config: SluiceConfig;
  readonly control: Control;
  readonly lane: Lane;
  readonly log: Log;
  readonly node: Node;
  /** The server has died. */
  readonly failed: (error: Error) => void;
}

export interface NodeDns {
  /** What the source has to tell besides what the proxy needs. */
  readonly scope: NamesScope;
  readonly server: Nameserver;
  /** The source says something that the cluster does not know yet. */
  noticed(event: SourceEvent): void;
  /** Pods of this node may be others. */
  look(): void;
  close(): Promise<void>;
}

const NAME_LOG = 'names.log';
const DNS_PORT = 53;
const GRACE_MS = 2_000;
/** The stub of systemd-resolved asks whoever it likes; this is who (systemd-resolved(8)). */
const RESOLV_CONFS = ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf'];

function podsByAddress(pods: readonly LocalPod[]): PodsByAddress {
  return new Map(
    pods.flatMap(({ pod, addresses }) => {
      const [namespace = '', name = ''] = pod.split('/');
      return addresses.map((address) => [formatAddress(address), { namespace, name }] as const);
    }),
  );
}

/** A port that somebody else has is no reason not to answer. */
async function followProbes(server: Nameserver, endpoints: Endpoints, log: Log): Promise<void> {
  try {
    await endpoints.follow(server.ready().settings);
  } catch (error) {
    log.warn(`endpoints of the Corefile are not served: ${messageOf(error)}`);
  }
}

/**
 * Begin to answer. Without a `dns` in the configuration what an earlier agent had put on the trunk is
 * taken away.
 *
 * @throws DataplaneError ERR_CONFIG for a Corefile that is none; Error with a code of the system
 */
export async function openNodeDns(parts: NodeDnsParts): Promise<NodeDns | undefined> {
  const { config, control, lane, node } = parts;
  const log = parts.log.child({ component: 'dns' });
  if (config.dns === undefined) {
    removeDnsServers(node.net, node.trunk);
    return undefined;
  }
  const { corefile, service, port, sample } = config.dns;
  const hosts = addDnsServers(node.net, node.trunk);
  const addresses = hosts.map(parseAddress);
  const metrics = createServerMetrics();
  const times = createProgrammingTimes(control.named, metrics, Date.now);
  const { names, rrsetBytes, cache, replyBytes } = config.capacities;
  const server = await startNameserver({
    corefile,
    ...(corefile === undefined ? { corefileText: NODE_COREFILE } : {}),
    capacities: { names, rrsetBytes, cache, replyBytes },
    bind: { hosts, ports: { [DNS_PORT]: port } },
    nameLogFile: join(config.stateDir, NAME_LOG),
    resolvConf: RESOLV_CONFS.find((file) => existsSync(file)) ?? '/etc/resolv.conf',
    logLevel: config.logLevel,
    sampleEvery: sample,
    log,
    named: control.named,
    servers: addresses,
    sinks: [{ applyNames: lane.applyNames }],
    moreCounters: lane.dnsCounters,
    moreQueries: lane.queries,
    flushing: times.flushing,
    failed: parts.failed,
  });
  for (const { scheme, host, port: bound, transport } of server.bound()) {
    log.info(`${scheme}://${joinHostPort(host, bound)} (${transport})`);
  }
  control.onNames((keys) => {
    times.touched(keys);
    server.touched(keys);
  });
  control.setDns({ service, listener: server.ready().listener, addresses, port });
  const endpoints = createEndpoints({ server, metrics, log });
  await followProbes(server, endpoints, log);
  const allPods = wantsAllPods(server);
  const reloaded = (): void => {
    for (const each of unmetOf(server, { askers: true, allPods })) log.warn(each);
  };
  const stopWatching = watchCorefile({ server, endpoints, metrics, log, reloaded });
  let pods: readonly LocalPod[] | undefined;
  return {
    scope: { allPods },
    server,
    noticed: (event) => {
      times.noticed(event);
      if (event.type === 'synced') server.synced();
    },
    look: () => {
      const now = control.localPods();
      if (now === pods) return;
      pods = now;
      server.setPods(podsByAddress(now));
    },
    close: async () => {
      stopWatching();
      await endpoints.close();
      await server.stop(GRACE_MS);
    },
  };
}
