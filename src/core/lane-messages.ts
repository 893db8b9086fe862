/** What the control thread and a lane say to each other. */
import type { Timeouts } from './core.js';
import type { QueryPage } from './query-log.js';
import type { Capacities } from './regions.js';
import type { Traced } from './trace.js';

/** A device that a port is opened on. */
export interface PortDevice {
  readonly name: string;
  readonly ifindex: number;
  readonly queue: number;
}

export type PortSpec =
  | {
      readonly kind: 'xdp';
      /** Link of all its frames; 0 = the trunk. */
      readonly link: number;
      readonly device: PortDevice;
      /** Descriptor of the device's XSKMAP. */
      readonly xskMap: number;
      readonly ringSize: number;
    }
  | {
      readonly kind: 'packet';
      readonly link: number;
      readonly device: PortDevice;
      readonly ringSize: number;
    };

/** Descriptors of the tables that the kernel programs share. They stay the control thread's. */
export interface TableFds {
  readonly control: number;
  readonly counters: number;
  readonly flows4: number;
  readonly tally4: number;
  readonly flows6: number;
  readonly tally6: number;
}

/** All a lane needs to begin. */
export interface LaneSpec {
  readonly capacities: Capacities;
  readonly maps: TableFds;
  readonly ports: readonly PortSpec[];
  readonly offload: boolean;
  readonly failMode: 'open' | 'closed';
  /** What is left out is Linux's. */
  readonly timeoutsMs?: Timeouts | undefined;
  /** Of Maglev hashing; default 0. */
  readonly pickSeed?: number | undefined;
  /** DNS queries: one in so many goes into the sample, 0 = none; default SAMPLE_EVERY. */
  readonly sampleEvery?: number | undefined;
  /** Host side of the trunk. */
  readonly trunkIfindex: number;
  /** What tunnel packets are known by, where strangers' are to be dropped. */
  readonly tunnel?: { readonly port: number; readonly vni: number } | undefined;
  readonly cpu?: number;
  /** eventfd that wakes the lane. */
  readonly wakeFd: number;
  /** One i32: messages sent so far, so that a busy lane need not ask the kernel. */
  readonly mailCount: SharedArrayBuffer;
}

export type ToLane =
  | { readonly type: 'delta'; readonly id: number; readonly records: Uint8Array }
  /** A frame that is to leave nothing behind; it would come from this link. */
  | {
      readonly type: 'trace';
      readonly id: number;
      readonly ifindex: number;
      readonly frame: Uint8Array;
    }
  /** NAMES_* records. */
  | { readonly type: 'names'; readonly id: number; readonly records: Uint8Array }
  | { readonly type: 'dnsCounters'; readonly id: number }
  /** The sample of DNS queries, since `written` of the page before. */
  | { readonly type: 'queries'; readonly id: number; readonly since: number | undefined }
  | { readonly type: 'stop' };

export type FromLane =
  | { readonly type: 'ready'; readonly adopted: boolean; readonly ports: readonly string[] }
  | {
      readonly type: 'applied';
      readonly id: number;
      readonly applied: number;
      readonly records: Uint8Array;
    }
  | { readonly type: 'named'; readonly id: number; readonly records: Uint8Array }
  | { readonly type: 'traced'; readonly id: number; readonly traced: Traced }
  | { readonly type: 'dnsCounted'; readonly id: number; readonly counters: BigUint64Array }
  | { readonly type: 'queried'; readonly id: number; readonly page: QueryPage }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly message: string };
