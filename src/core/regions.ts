/**
 * What the host knows of the layout: capacities it asks for, and where the core then put things.
 */
import * as abi from '../../assembly/abi.js';

/** Capacities of the tables; rows unless said otherwise. */
export interface Capacities {
  /** IPv4 and IPv6 flow rows, powers of two; a flow takes two. */
  readonly flows4: number;
  readonly flows6: number;
  /** Bytes for the rings of all ports. */
  readonly ringBytes: number;
  readonly links: number;
  readonly frontends: number;
  readonly services: number;
  readonly backends: number;
  readonly setEntries: number;
  readonly maglevEntries: number;
  readonly routes: number;
  /** Source ranges of load balancers. */
  readonly ranges: number;
  /** Clients with a session affinity. */
  readonly affinity: number;
  /** Datagrams whose fragments are followed at a time. */
  readonly fragments: number;
  /** DNS names, and bytes for their records. */
  readonly names: number;
  readonly rrsetBytes: number;
  /** Replies in the wire cache, and bytes for them. */
  readonly cache: number;
  readonly replyBytes: number;
  readonly frames: number;
  /** Bytes, a power of two. */
  readonly frameSize: number;
}

/** Small tables for tests, captures and embedders: about 16 MiB in all. */
export const SMALL_CAPACITIES: Capacities = {
  flows4: 16384,
  flows6: 4096,
  ringBytes: 1 << 20,
  links: 256,
  frontends: 1024,
  services: 1024,
  backends: 4096,
  setEntries: 16384,
  maglevEntries: 1 << 20,
  routes: 1024,
  ranges: 1024,
  affinity: 4096,
  fragments: 256,
  names: 1024,
  rrsetBytes: 1 << 20,
  cache: 256,
  replyBytes: 1 << 18,
  frames: 1024,
  frameSize: 4096,
};

const CAPS_OFFSETS: Readonly<Record<keyof Capacities, number>> = {
  flows4: abi.CAPS_FLOWS4_OFF,
  flows6: abi.CAPS_FLOWS6_OFF,
  ringBytes: abi.CAPS_RING_BYTES_OFF,
  links: abi.CAPS_LINKS_OFF,
  frontends: abi.CAPS_FRONTENDS_OFF,
  services: abi.CAPS_SERVICES_OFF,
  backends: abi.CAPS_BACKENDS_OFF,
  setEntries: abi.CAPS_SET_ENTRIES_OFF,
  maglevEntries: abi.CAPS_MAGLEV_ENTRIES_OFF,
  routes: abi.CAPS_ROUTES_OFF,
  ranges: abi.CAPS_RANGES_OFF,
  affinity: abi.CAPS_AFFINITY_OFF,
  fragments: abi.CAPS_FRAGMENTS_OFF,
  names: abi.CAPS_NAMES_OFF,
  rrsetBytes: abi.CAPS_RRSET_BYTES_OFF,
  cache: abi.CAPS_CACHE_OFF,
  replyBytes: abi.CAPS_REPLY_BYTES_OFF,
  frames: abi.CAPS_FRAMES_OFF,
  frameSize: abi.CAPS_FRAME_SIZE_OFF,
};

/** Write what `layout` is to read. */
export function writeCapacities(words: DataView, capacities: Capacities): void {
  for (const [name, offset] of Object.entries(CAPS_OFFSETS)) {
    words.setUint32(abi.CAPS_BASE + offset, capacities[name as keyof Capacities], true);
  }
}

/** A region as the DIRECTORY has it. */
export interface Region {
  /** Linear address of the first row. */
  readonly base: number;
  /** Bytes. */
  readonly rowSize: number;
  /** Rows. */
  readonly capacity: number;
}

export function readRegion(words: DataView, id: abi.RegionId): Region {
  const entry = abi.DIRECTORY_BASE + id * abi.DIR_ENTRY_SIZE;
  return {
    base: words.getUint32(entry + abi.DIR_BASE_OFF, true),
    rowSize: words.getUint32(entry + abi.DIR_ROW_SIZE_OFF, true),
    capacity: words.getUint32(entry + abi.DIR_CAPACITY_OFF, true),
  };
}
