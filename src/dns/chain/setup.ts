/**
 * What a plugin is made from: its lines of a server block, and what the server gives to all.
 */
import type { Log } from '../../log.js';
import type { Directive } from '../corefile/corefile.js';
import type { Next, Plugin, Query, WireName } from '../plugin.js';
import type { WireCache } from './wire-cache.js';
import type { ZoneCore } from './zone-core.js';
import type { KubernetesOptions } from './zone-options.js';

export type Labels = Readonly<Record<string, string>>;

/** Who has a query: the labels of metrics. */
export interface ZoneLabels {
  /** `dns://:53` */
  readonly server: string;
  /** `example.org.` */
  readonly zone: string;
  /** Empty: none. */
  readonly view: string;
}

/** Numbers for dashboards; names and labels are CoreDNS's. */
export interface Metrics {
  /** Add one to a counter. */
  count(name: string, labels?: Labels): void;
  /** Set a gauge. */
  set(name: string, value: number, labels?: Labels): void;
  /** Put a value, such as seconds, into a histogram. */
  observe(name: string, value: number, labels?: Labels): void;
}

/** What every server block of a program gets. */
export interface Surroundings {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Folder that relative file names start from. */
  readonly folder: string;
  /** 0 up to 1, as `Math.random`. */
  readonly random: () => number;
  /** Milliseconds of a clock that is never set back. */
  readonly nowMs: () => number;
  /** Where the node's own name servers and search list are written. */
  readonly resolvConf: string;
  readonly zoneCore: ZoneCore;
  readonly wireCache: WireCache;
  /** End the process: the configuration cannot work (plugin `loop`). */
  readonly fail: (reason: string) => void;
  /** Claims of a plugin are others than before: the cuts have to be made again. */
  readonly claimsChanged: () => void;
  /** The host has a query to answer. */
  readonly asked?: (request: HostRequest) => void;
  /** The host has answered a query. */
  readonly replied: (reply: HostReply) => void;
}

/** A query that the core has counted and left to the host. */
export interface HostRequest {
  readonly query: Query;
  readonly zone: ZoneLabels;
  /** Whose counters it is in. */
  readonly counters: number;
}

/** A reply of the host, for metrics and samples. */
export interface HostReply {
  readonly query: Query;
  readonly zone: ZoneLabels;
  /** `NXDOMAIN` */
  readonly rcode: string;
  readonly plugin: string;
  /** `AAAA` */
  readonly type: string;
  readonly transport: string;
  readonly bytes: number;
  readonly seconds: number;
}

/** What one server block gets. */
export interface SetupContext extends Surroundings {
  /** Zones of the server block, in lower case: those of a plugin that names none. */
  readonly zones: readonly WireName[];
  /** All lines of the server block. */
  readonly block: readonly Directive[];
  /** `dns://.:53`, the label `server` of metrics. */
  readonly server: string;
  /** Where the server block listens, `IP` or `IP:port`: no upstream may be one of them. */
  readonly ownAddresses: readonly string[];
  /** Ask the server as a client would: whichever of its server blocks has the name answers. */
  readonly ask: Next;
  /** The private listener of a `kubernetes` plugin with these options. */
  readonly openZones: (options: KubernetesOptions) => ZoneInstance;
}

/** A `kubernetes` plugin as the core has it. */
export interface ZoneInstance {
  /** With `ttlMax` as it is in this server block. */
  readonly options: KubernetesOptions;
  /** Space of its names. */
  readonly space: number;
  /** Private listener: its cuts are the plugin's zones, and nothing of them is the host's. */
  readonly listener: number;
}

/** What the core can do by itself of a plugin's work (assembly/abi-dns.ts). */
export interface CoreShare {
  /** CUT_F_*, for all zones of the server block. */
  readonly flags?: number;
  /** Largest reply by UDP. */
  readonly udpMax?: number;
  readonly zones?: ZoneInstance;
  readonly cache?: CacheShare;
  /** Names in these zones that do not exist are for the host to look for. */
  readonly searches?: readonly WireName[];
}

export interface CacheShare {
  readonly id: number;
  readonly zones: readonly WireName[];
  /** Where it may differ whether replies are kept. */
  readonly edges: readonly WireName[];
  /** Whether anything is kept of a name. */
  readonly covers: (name: WireName) => boolean;
  /** Seconds: TTLs are not above. */
  readonly maxTtlSec: number;
}

/** A plugin, and its share of the core. */
export interface ChainPlugin extends Plugin {
  readonly core?: CoreShare;
}

/**
 * Make the plugin of a server block.
 *
 * @param directives  the plugin's lines, in file order: one at least
 * @returns  undefined: the directive only sets something, and nothing is asked in the chain
 * @throws   DataplaneError ERR_CONFIG, one line with file, line and word
 */
export type Setup = (
  directives: readonly Directive[],
  context: SetupContext,
) => ChainPlugin | undefined;
