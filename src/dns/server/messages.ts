/** What a DNS thread and the thread that started it say to each other. */
import type { Corefile } from '../corefile/corefile.js';
import type { Cut } from '../chain/cuts.js';
import type { DefaultBind } from '../chain/listeners.js';
import type { EnabledPlugin, ZoneCounters } from '../chain/zone-labels.js';
import type { Settings } from '../chain/settings.js';
import type { ZoneInstance } from '../chain/setup.js';
import type { QueryPage } from '../../core/query-log.js';
import type { Client } from '../plugin.js';
import type { DnsCapacities } from './dns-core.js';
import type { Explained } from './explain.js';
import type { Family } from './series.js';

export interface ThreadSpec {
  readonly corefile: Corefile;
  readonly bind: DefaultBind;
  readonly capacities: DnsCapacities;
  readonly logLevel: string;
  /** The only one, or the first: it has the streams, and its cuts count. */
  readonly isFirst: boolean;
  /** There are others. */
  readonly isShared: boolean;
  readonly resolvConf: string;
  /** What relative file names of the Corefile start from. */
  readonly folder: string;
  /** One query in so many goes into the sample; 0: none. */
  readonly sampleEvery: number;
}

/** Which sample: of what the core answers, and of what the chain does. */
export type LogPart = 'core' | 'chain';

/** Pods of this node, by the text of their addresses. */
export type PodsByAddress = ReadonlyMap<
  string,
  { readonly namespace: string; readonly name: string }
>;

export type ToThread =
  /** What it is to be. Nothing else is said before. */
  | { readonly type: 'start'; readonly spec: ThreadSpec }
  | { readonly type: 'names'; readonly id: number; readonly records: Uint8Array }
  | { readonly type: 'pods'; readonly pods: PodsByAddress }
  | { readonly type: 'scrape'; readonly id: number }
  /** A query that another has received. */
  | {
      readonly type: 'ask';
      readonly id: number;
      readonly listener: number;
      readonly message: Uint8Array;
      readonly client: Client;
    }
  /** What another has counted, in the words of the core. */
  | { readonly type: 'counted'; readonly counters: BigUint64Array }
  /** What would be answered to a query of the main listener's, and by whom. */
  | {
      readonly type: 'explain';
      readonly id: number;
      readonly message: Uint8Array;
      readonly client: Client;
    }
  | {
      readonly type: 'queries';
      readonly id: number;
      readonly part: LogPart;
      readonly since: number | undefined;
    }
  /** Open the sockets and answer. */
  | { readonly type: 'listen'; readonly ports: DefaultBind['ports'] }
  /**
   * No more queries; those under way are answered within `graceMs`, by the sockets of `successors` (of
   * this process) where they are at the same address.
   */
  | { readonly type: 'stop'; readonly graceMs: number; readonly successors: readonly Bound[] };

/** A socket that listens. */
export interface Bound {
  /** Number of its listener. */
  readonly listener: number;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** In the Corefile. */
  readonly namedPort: number;
  /** UDP: the descriptor. */
  readonly fd: number | undefined;
}

/** What a thread is when it is set up; nobody can ask it yet. */
export interface ThreadReady {
  /** Number of the listener on port 53, of all on others the first; for the frames of the lane. */
  readonly listener: number;
  readonly zones: readonly ZoneInstance[];
  readonly cuts: readonly Cut[];
  readonly counters: readonly ZoneCounters[];
  readonly enabled: readonly EnabledPlugin[];
  readonly settings: Settings;
}

export type FromThread =
  | { readonly type: 'ready'; readonly ready: ThreadReady }
  | { readonly type: 'listening'; readonly bound: readonly Bound[] }
  /** A socket is not to be had. */
  | { readonly type: 'deaf'; readonly message: string; readonly code: string | undefined }
  /** Claims have changed. */
  | { readonly type: 'cuts'; readonly cuts: readonly Cut[] }
  | { readonly type: 'applied'; readonly id: number; readonly records: Uint8Array }
  | {
      readonly type: 'scraped';
      readonly id: number;
      readonly metrics: readonly Family[];
      readonly notReady: readonly string[];
    }
  | { readonly type: 'asked'; readonly id: number; readonly reply: Uint8Array }
  | { readonly type: 'explained'; readonly id: number; readonly explained: Explained }
  | { readonly type: 'queried'; readonly id: number; readonly page: QueryPage }
  | { readonly type: 'stopped' }
  /** It cannot go on, or not begin; one sentence. */
  | { readonly type: 'failed'; readonly message: string; readonly code: string | undefined };
