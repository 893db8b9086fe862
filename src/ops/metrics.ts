/**
 * `/metrics`: our own names over the shared counters. Every value is read from the mapped tables
 * when it is asked for; nothing is counted twice.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import {
  COUNTER_DROP_BASE,
  COUNTER_KERNEL_BASE,
  COUNTER_LANE_BASE,
  Drop,
  KernelCounter,
  LaneCounter,
} from '../../assembly/abi.js';
import { NOT_FOUND, plain } from '../http-server.js';
import type { Answer, Handler } from '../http-server.js';
import { laneStateOf, members } from './tables.js';
import type { LaneState } from './tables.js';

const ROWS_PER_FLOW = 2;
const MS_PER_SEC = 1000;
const WORD_SIZE = 8;

/** Entries of a table; `used` is asked at every scrape. */
export interface TableUse {
  readonly table: string;
  readonly capacity: number;
  readonly used: () => number;
}

export interface MetricsOptions {
  /** CONTROL, mapped. */
  readonly control: DataView;
  /** COUNTERS, mapped. */
  readonly counters: DataView;
  readonly tables: readonly TableUse[];
  /** What the last pass could not do. */
  readonly problems: () => number;
  /** Pods of this node that have a link. */
  readonly pods: () => number;
}

function wordAt(words: DataView, index: number): number {
  return Number(words.getBigUint64(index * WORD_SIZE, true));
}

/** What a counter means; one that is not here is shown by its name. */
type Help = Readonly<Record<string, string | undefined>>;

const LANE_HELP: Help = {
  RX_PACKETS: 'Frames the lane received',
  RX_BYTES: 'Bytes the lane received',
  TX_PACKETS: 'Frames the lane sent',
  TX_BYTES: 'Bytes the lane sent',
  PUNTED: "Frames handed to the host's stack",
  DROPPED: 'Frames discarded, for any reason',
  ANSWERED: 'Frames answered in place: ARP, neighbour discovery, ICMP',
  FLOWS_CREATED: 'Flows put into the flow table',
  FLOWS_EXPIRED: 'Flows removed after their time',
  FLOWS_ADOPTED: 'Flows taken over from an earlier agent',
  FLOWS_REJECTED: 'Flows for which the flow table had no room',
  REJECTED: 'Packets refused with an answer',
  FLOWS_PURGED: 'Flows forgotten because their backend, their frontend or their link changed',
  RESETS: 'Segments answered by a reset because their backend was removed',
  AFFINITY_HITS: 'New flows whose backend a session affinity chose',
  AFFINITY_FULL: 'New flows whose session affinity found no room',
  ICMP_ERRORS_TRANSLATED: 'ICMP errors translated for the flows they are about',
  ICMP_ERRORS_LIMITED: 'ICMP errors that the rate limit kept from being sent',
  FRAGMENTS_FOLLOWED: 'Fragments forwarded by what the first of their datagram said',
  FRAGMENTS_HELD: 'Fragments that waited for the first of their datagram',
  DNS_ANSWERED: 'DNS queries answered in the frame they came in',
  DNS_LEFT: "DNS queries left to the host's server",
  RETIRED_KERNEL_PACKETS: 'Packets the kernel had forwarded for flows that have ended',
  RETIRED_KERNEL_BYTES: 'Bytes the kernel had forwarded for flows that have ended',
  BURSTS: 'Turns of the lane that found frames',
  DELTAS: 'Row changes applied',
  PORT_CLASHES: 'Source ports tried that were taken',
};

const KERNEL_HELP: Help = {
  POD_CLIMB: 'Packets of pods sent up to the lane',
  TRUNK_CLIMB: 'Packets of the host sent up to the lane',
  UPLINK_CLIMB: 'Packets of uplinks sent up to the lane',
  SPOOF_MAC: "Frames with a MAC address that is not their pod's, discarded",
  SPOOF_IPV4: "IPv4 packets with a source that is not their pod's, discarded",
  SPOOF_IPV6: "IPv6 packets with a source that is not their pod's, discarded",
  LANE_SILENT_PASS: "Packets left to the host's stack while the lane was silent",
  LANE_SILENT_DROP: 'Packets discarded while the lane was silent',
  BAD_STAMP: 'Frames from the lane with a stamp that names no action',
  UNKNOWN_LINK: 'Packets of pod links that are not in the links map',
  TUNNEL_STRANGER: "Packets of our tunnels from addresses that are no node's, dropped",
};

/** A counter whose one value is a word of COUNTERS. */
function wordCounter(registry: Registry, name: string, help: string, read: () => number): Counter {
  return new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

function gauge(registry: Registry, name: string, help: string, read: () => number): Gauge {
  return new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function registerDrops(registry: Registry, counters: DataView): void {
  new Counter({
    name: 'sluice_drops_total',
    help: 'Frames the lane discarded, by reason',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, value] of members(Drop)) {
        if (value !== Drop.NONE) this.inc({ reason }, wordAt(counters, COUNTER_DROP_BASE + value));
      }
    },
  });
}

function registerTables(registry: Registry, lane: () => LaneState, tables: readonly TableUse[]) {
  new Gauge({
    name: 'sluice_flows',
    help: 'Live flows',
    labelNames: ['ip_family'],
    registers: [registry],
    collect() {
      const { rows4, rows6 } = lane();
      this.set({ ip_family: 'IPv4' }, rows4 / ROWS_PER_FLOW);
      this.set({ ip_family: 'IPv6' }, rows6 / ROWS_PER_FLOW);
    },
  });
  new Gauge({
    name: 'sluice_table_used',
    help: 'Entries in use, by table',
    labelNames: ['table'],
    registers: [registry],
    collect() {
      for (const { table, used } of tables) this.set({ table }, used());
    },
  });
  new Gauge({
    name: 'sluice_table_capacity',
    help: 'Entries there is room for, by table',
    labelNames: ['table'],
    registers: [registry],
    collect() {
      for (const { table, capacity } of tables) this.set({ table }, capacity);
    },
  });
}

/** A registry of its own with all `sluice_*` metrics. */
export function createMetrics(options: MetricsOptions): Registry {
  const { control, counters, tables, problems, pods } = options;
  const registry = new Registry();
  const lane = (): LaneState => laneStateOf(control);
  for (const [member, value] of members(LaneCounter)) {
    const help = LANE_HELP[member] ?? `${member} of the lane`;
    const read = (): number => wordAt(counters, COUNTER_LANE_BASE + value);
    wordCounter(registry, `sluice_lane_${member.toLowerCase()}_total`, help, read);
  }
  for (const [member, value] of members(KernelCounter)) {
    const help = KERNEL_HELP[member] ?? `${member} of the kernel programs`;
    const read = (): number => wordAt(counters, COUNTER_KERNEL_BASE + value);
    wordCounter(registry, `sluice_kernel_${member.toLowerCase()}_total`, help, read);
  }
  registerDrops(registry, counters);
  registerTables(registry, lane, tables);
  gauge(registry, 'sluice_lane_alive', 'Whether the kernel programs take the lane for alive', () =>
    lane().alive ? 1 : 0,
  );
  gauge(
    registry,
    'sluice_lane_heartbeat_age_seconds',
    "Age of the lane's last turn",
    () => lane().heartbeatAgeMs / MS_PER_SEC,
  );
  gauge(registry, 'sluice_pods', 'Pods of this node that have a link', pods);
  gauge(registry, 'sluice_problems', 'What the last pass could not do', problems);
  return registry;
}

/** What the port of metrics tells besides. */
export interface MetricsExtras {
  /** Of `/metrics/slis`. */
  readonly slis: Registry;
  /** JSON of `/configz`. */
  readonly configz: () => string;
}

async function scrape(registry: Registry): Promise<Answer> {
  const headers = { 'Content-Type': registry.contentType };
  return { status: 200, headers, body: await registry.metrics() };
}

/** What is served at kube-proxy's port of metrics: `/healthz` is plain here. */
export function metricsHandler(registry: Registry, { slis, configz }: MetricsExtras): Handler {
  return async (path) => {
    switch (path) {
      case '/metrics':
        return scrape(registry);
      case '/metrics/slis':
        return scrape(slis);
      case '/configz': {
        const headers = { 'Content-Type': 'application/json' };
        return { status: 200, headers, body: configz() };
      }
      case '/healthz':
        return plain(200, 'ok');
      case '/proxyMode':
        return plain(200, 'sluice');
      default:
        return NOT_FOUND;
    }
  };
}
