/**
 * The binary contract between the WebAssembly core, its host and the kernel programs.
 *
 * This file is compiled twice, by `asc` into the core and by `tsc` into the host, and
 * `scripts/gen-abi-h.ts` projects it into `native/bpf/generated/abi.h` for the kernel programs.
 * It therefore uses only what means the same everywhere: enums and integer constants.
 *
 * One file, though a long one: whoever writes a host or a kernel program reads it from the map of
 * memory to the last row. What only DNS and its caches know is in abi-dns.ts and abi-cache.ts.
 *
 * All offsets are bytes. Integers in rows are little-endian unless the name ends in `Be`
 * (network order: the bytes lie in memory as they lie in the packet).
 */

/** Raised whenever an export, a region or a row changes its meaning. */
export const ABI_VERSION = 5;

// ---- Fixed part of linear memory ------------------------------------------------------
//
//   0x000000  nobody's: address 0 means "none"
//   0x010000  STATIC    AssemblyScript data segments (asc --memoryBase 65536)
//   0x020000  CONTROL   4 KiB  words the kernel programs read     (pinned BPF array)
//   0x021000  COUNTERS  8 KiB  u64 counters: lane, then kernel    (pinned BPF array)
//   0x024000  DIRECTORY 4 KiB  where every table lies: base, row size, capacity, used
//   0x025000  CAPS      4 KiB  what the host asks `layout` for
//   0x026000  CACHES    8 KiB  wire caches: options and counters (abi-cache.ts)
//   0x028000  PORTS     16 KiB I/O ports: ring addresses and cursors
//   0x02c000  DNS       4 KiB  the query that is being answered (abi-dns.ts)
//   0x02d000  DNS COUNTERS 12 KiB
//   0x030000  PKTS      40 KiB Pkt records
//   0x03a000  DNS LOG   24 KiB a sample of the queries answered (abi-dns.ts)
//   0x040000  DELTA     256 KiB mailbox of row changes
//   0x080000  SCRATCH   512 KiB frames and arguments of embedders and benchmarks
//   0x100000  everything whose size depends on CAPS, in RegionId order

export const PAGE_SIZE = 4096;
export const STATIC_BASE = 0x10000;
export const CONTROL_BASE = 0x20000;
export const CONTROL_BYTES = 0x1000;
export const COUNTERS_BASE = 0x21000;
export const COUNTERS_BYTES = 0x2000;
export const DIRECTORY_BASE = 0x24000;
export const DIRECTORY_BYTES = 0x1000;
export const CAPS_BASE = 0x25000;
export const CAPS_BYTES = 0x1000;
export const PORTS_BASE = 0x28000;
export const PORTS_BYTES = 0x4000;
export const PKTS_BASE = 0x30000;
export const PKTS_BYTES = 0xa000;
export const DELTA_BASE = 0x40000;
export const DELTA_BYTES = 0x40000;
export const SCRATCH_BASE = 0x80000;
export const SCRATCH_BYTES = 0x80000;
export const DYNAMIC_BASE = 0x100000;

// ---- CONTROL: one page, shared with the kernel programs -------------------------------

export const CONTROL_MAGIC_OFF = 0;
/** u32: "SLUC" read as little-endian. */
export const CONTROL_MAGIC = 0x43554c53;
export const CONTROL_LAYOUT_OFF = 4;
/** u32: a lane silent for longer than this is dead to the kernel programs. */
export const CONTROL_STALE_MS_OFF = 16;
export const CONTROL_FAIL_MODE_OFF = 20;
export const CONTROL_FLAGS_OFF = 24;
/** u32: ifindex of the host side of the trunk (slc0). */
export const CONTROL_TRUNK_IFINDEX_OFF = 28;
export const CONTROL_FLOWS4_MASK_OFF = 32;
export const CONTROL_FLOWS6_MASK_OFF = 36;
/** 12 u32: secret keys of the NH hash (RFC 4418 5.2). */
export const CONTROL_HASH_KEYS_OFF = 64;
export const HASH_KEYS = 12;
/** 16 bytes each: the node's own addresses, IPv4 in IPv4-mapped form. */
export const CONTROL_NODE_ADDR4_OFF = 112;
export const CONTROL_NODE_ADDR6_OFF = 128;
/** u32: bit i set = port i has something for the kernel, kick it. */
export const CONTROL_KICK_MASK_OFF = 144;
/** u32: counts the random numbers drawn. */
export const CONTROL_RANDOM_OFF = 148;
/** u32: row index where the next sweep begins. */
export const CONTROL_SWEEP4_OFF = 152;
export const CONTROL_SWEEP6_OFF = 156;
/** u32: live rows, by table. */
export const CONTROL_FLOWS4_LIVE_OFF = 160;
export const CONTROL_FLOWS6_LIVE_OFF = 164;
/** u32: bumped by the host after every applied delta batch. */
export const CONTROL_EPOCH_OFF = 168;
/** u32: the time of the current turn, monotonic milliseconds, wraps. */
export const CONTROL_NOW_MS_OFF = 172;
/** u32: last sequence number given to a row; every insertion takes a new one. */
export const CONTROL_LAST_SEQ_OFF = 176;
/** u32: seed of backend selection, the same on every node of a cluster. */
export const CONTROL_PICK_SEED_OFF = 180;
/**
 * u64, CLOCK_MONOTONIC nanoseconds of the lane's last turn. Away from the masks and keys: every
 * turn writes it, every packet in the kernel reads those.
 */
export const CONTROL_HEARTBEAT_NS_OFF = 184;
/** u32 POLICY_F_*: what is masqueraded, and who counts as a pod. */
export const CONTROL_POLICY_FLAGS_OFF = 192;
/** u32: not 0 = a frame is being traced: stages decide but leave nothing behind. */
export const CONTROL_TRACE_OFF = 196;
/** u32: tokens left to answer with ICMP errors of our own, and when they were last filled up. */
export const CONTROL_ERROR_TOKENS_OFF = 200;
export const CONTROL_ERROR_FILLED_MS_OFF = 204;
/** The pod ranges of POLICY_F_PODS_IN_RANGE: 16 bytes address, 16 bytes mask, IPv4 then IPv6. */
export const CONTROL_POD_RANGE4_OFF = 208;
export const CONTROL_POD_RANGE6_OFF = 240;
/**
 * 16 bytes each: what the host's own traffic to itself through a service seems to come from, so
 * that the answer comes back by the trunk.
 */
export const CONTROL_HOST_ALIAS4_OFF = 272;
export const CONTROL_HOST_ALIAS6_OFF = 288;
/** TIMEOUT_COUNT u32 milliseconds: by TcpState, then UDP, then UDP that was answered. */
export const CONTROL_TIMEOUTS_OFF = 304;
export const TIMEOUT_UDP = 10;
export const TIMEOUT_UDP_STREAM = 11;
export const TIMEOUT_COUNT = 12;
/** u32: row index where the next sweep of AFFINITY, and of FRAGMENTS, begins. */
export const CONTROL_SWEEP_AFFINITY_OFF = 352;
export const CONTROL_SWEEP_FRAGMENTS_OFF = 356;
/** u32: not 0 = affinities may name what is gone: the end of the batch looks through them. */
export const CONTROL_AFFINITY_STALE_OFF = 360;
/** u32: frames that wait for the first fragment of their datagram. */
export const CONTROL_FRAGMENTS_HELD_OFF = 364;
/** u32: not 0 = flows may name links that are gone: the end of the batch looks through them. */
export const CONTROL_LINKS_STALE_OFF = 368;
/** u32: entries of the list at CONTROL_EXEMPT_OFF. */
export const CONTROL_EXEMPT_COUNT_OFF = 1020;
/** Destinations outside that pods keep their address towards: as RANGES, address and mask. */
export const CONTROL_EXEMPT_OFF = 1024;
export const EXEMPT_MAX = 64;
/**
 * A bit for each 2^TAKEN_PORTS_SHIFT ports from 0 on, the lowest of the first byte first: set where a
 * socket of the host has one of them, so that no flow gets any.
 */
export const CONTROL_TAKEN_PORTS_OFF = 3072;
export const TAKEN_PORTS_BYTES = 1024;
export const TAKEN_PORTS_SHIFT = 2;
/**
 * Source ports of masqueraded flows, the last one excluded: clear of node ports (30000 to 32767) and
 * of the host's ephemeral range, which begins at 32768.
 */
export const SNAT_PORT_FIRST = 1024;
export const SNAT_PORT_END = 30000;
/** u32: not 0 = a route that rows may repeat has changed: the next sweep visits all of them. */
export const CONTROL_ROUTES_STALE_OFF = 400;
/**
 * u32 each: UDP port of our tunnels, 0 = none; their 24-bit network identifier. Both in network
 * order, in the word's first bytes.
 */
export const CONTROL_TUNNEL_PORT_OFF = 404;
export const CONTROL_TUNNEL_VNI_OFF = 408;

/** Everything to a ClusterIP is masqueraded (masqueradeAll). */
export const POLICY_F_MASQUERADE_ALL = 1;
/** A pod is who comes by a link with LINK_F_POD. */
export const POLICY_F_PODS_BY_LINK = 2;
/** A pod is whose address lies in the pod range of its family. */
export const POLICY_F_PODS_IN_RANGE4 = 4;
export const POLICY_F_PODS_IN_RANGE6 = 8;
/** Flows of a backend that was removed are reset (TCP) instead of left alone. */
export const POLICY_F_RESET_REMOVED = 16;

export const CONTROL_F_OFFLOAD = 1;

export enum FailMode {
  OPEN = 0,
  CLOSED = 1,
}

// ---- DIRECTORY: one 16-byte entry a region --------------------------------------------

export const DIR_ENTRY_SIZE = 16;
export const DIR_BASE_OFF = 0;
export const DIR_ROW_SIZE_OFF = 4;
export const DIR_CAPACITY_OFF = 8;
export const DIR_USED_OFF = 12;

/** Regions whose place depends on CAPS, in the order they lie in memory. */
export enum RegionId {
  FLOWS4 = 0,
  TALLY4 = 1,
  FLOWS6 = 2,
  TALLY6 = 3,
  RINGS = 4,
  LINKS = 5,
  FRONTENDS = 6,
  SERVICES = 7,
  BACKENDS = 8,
  SETS = 9,
  MAGLEV = 10,
  ROUTES = 11,
  PREFIXES = 12,
  RANGES = 13,
  AFFINITY = 14,
  FRAGMENTS = 15,
  FLOW_HEADS = 16,
  /** Rows of DNS names, and the entries they lead to (abi-dns.ts). */
  NAMES = 17,
  RRSETS = 18,
  /** Rows of the wire cache, and the replies they lead to. */
  CACHE = 19,
  REPLIES = 20,
  FREE = 21,
  UMEM = 22,
}
export const REGION_COUNT = 23;

// ---- CAPS: u32 words, the argument of `layout` ----------------------------------------

export const CAPS_FLOWS4_OFF = 0;
export const CAPS_FLOWS6_OFF = 4;
export const CAPS_RING_BYTES_OFF = 8;
export const CAPS_LINKS_OFF = 12;
export const CAPS_FRONTENDS_OFF = 16;
export const CAPS_SERVICES_OFF = 20;
export const CAPS_BACKENDS_OFF = 24;
export const CAPS_SET_ENTRIES_OFF = 28;
export const CAPS_MAGLEV_ENTRIES_OFF = 32;
export const CAPS_ROUTES_OFF = 36;
export const CAPS_FRAMES_OFF = 40;
/** Bytes of one UMEM frame, a power of two (AF_XDP takes 2048 or 4096). */
export const CAPS_FRAME_SIZE_OFF = 44;
export const CAPS_RANGES_OFF = 48;
export const CAPS_AFFINITY_OFF = 52;
/** Datagrams whose fragments are followed at a time. */
export const CAPS_FRAGMENTS_OFF = 56;
/** DNS names, and bytes for their records. */
export const CAPS_NAMES_OFF = 60;
export const CAPS_RRSET_BYTES_OFF = 64;
/** Replies in the wire cache, and bytes for them. */
export const CAPS_CACHE_OFF = 68;
export const CAPS_REPLY_BYTES_OFF = 72;

// ---- COUNTERS: u64 words --------------------------------------------------------------
// Words 0..511 belong to the lane, 512..1023 to the kernel programs.

export const COUNTER_DROP_BASE = 0;
export const COUNTER_LANE_BASE = 128;
export const COUNTER_KERNEL_BASE = 512;

/** What the lane counts; the word is COUNTER_LANE_BASE + value. */
export enum LaneCounter {
  RX_PACKETS = 0,
  RX_BYTES = 1,
  TX_PACKETS = 2,
  TX_BYTES = 3,
  PUNTED = 4,
  DROPPED = 5,
  ANSWERED = 6,
  FLOWS_CREATED = 7,
  FLOWS_EXPIRED = 8,
  FLOWS_ADOPTED = 9,
  FLOWS_REJECTED = 10,
  /** Packets and bytes the kernel had counted in rows that are gone. */
  RETIRED_KERNEL_PACKETS = 11,
  RETIRED_KERNEL_BYTES = 12,
  BURSTS = 13,
  DELTAS = 14,
  PORT_CLASHES = 15,
  /** Packets to services without a backend, answered by port unreachable. */
  REJECTED = 16,
  /** Flows forgotten because their backend, their frontend or their link changed. */
  FLOWS_PURGED = 17,
  /** TCP segments of a removed backend's flows, answered by a reset. */
  RESETS = 18,
  /** New flows whose backend an affinity chose. */
  AFFINITY_HITS = 19,
  /** New flows whose affinity found no room. */
  AFFINITY_FULL = 20,
  /** ICMP and ICMPv6 errors translated. */
  ICMP_ERRORS_TRANSLATED = 21,
  /** ICMP and ICMPv6 errors of our own that the rate limit swallowed. */
  ICMP_ERRORS_LIMITED = 22,
  /** Fragments translated by what the first one of their datagram said. */
  FRAGMENTS_FOLLOWED = 23,
  /** Fragments that waited for the first one. */
  FRAGMENTS_HELD = 24,
  /** DNS queries answered in the frame they came in. */
  DNS_ANSWERED = 25,
  /** DNS queries left to the host's server. */
  DNS_LEFT = 26,
}

/**
 * What the kernel programs count; the word is COUNTER_KERNEL_BASE + value. What they execute from a
 * row is counted in that row's tally.
 */
export enum KernelCounter {
  /** Packets sent up to the lane. */
  POD_CLIMB = 3,
  TRUNK_CLIMB = 4,
  UPLINK_CLIMB = 5,
  SPOOF_IPV4 = 6,
  SPOOF_IPV6 = 7,
  /** Misses handed to the host stack because the lane is silent. */
  LANE_SILENT_PASS = 8,
  LANE_SILENT_DROP = 9,
  /** Frames from the lane with a stamp that names no action. */
  BAD_STAMP = 10,
  UNKNOWN_LINK = 11,
  /** Packets of our tunnels from an address that is no node's. */
  TUNNEL_STRANGER = 12,
  SPOOF_MAC = 13,
}

// ---- Verdicts and drop reasons --------------------------------------------------------

/** What a stage decided. NONE: the next stage runs. */
export enum Verdict {
  NONE = 0,
  /** Send to `outIfindex` by `action`. */
  TX = 1,
  /** Hand to the host's network stack. */
  PUNT = 2,
  /** Discard; `drop` says why. */
  DROP = 3,
  /** A stage keeps the frame for later. */
  HOLD = 4,
}

/** Why a frame was discarded. The counter and the metric carry the same name. */
export enum Drop {
  NONE = 0,
  SHORT_ETHERNET = 1,
  SHORT_VLAN = 2,
  UNKNOWN_ETHERTYPE = 3,
  SHORT_ARP = 4,
  BAD_ARP = 5,
  ARP_NOT_FOR_US = 6,
  SHORT_IPV4 = 7,
  BAD_IPV4_VERSION = 8,
  BAD_IPV4_IHL = 9,
  BAD_IPV4_LENGTH = 10,
  BAD_IPV4_CHECKSUM = 11,
  SHORT_IPV6 = 12,
  BAD_IPV6_VERSION = 13,
  BAD_IPV6_LENGTH = 14,
  IPV6_EXT_TOO_MANY = 15,
  IPV6_EXT_SHORT = 16,
  SHORT_TCP = 17,
  BAD_TCP_OFFSET = 18,
  BAD_TCP_FLAGS = 19,
  SHORT_UDP = 20,
  BAD_UDP_LENGTH = 21,
  SHORT_ICMP = 22,
  SHORT_ICMPV6 = 23,
  NO_NODE_ADDRESS = 24,
  UNKNOWN_LINK = 25,
  SPOOFED_SOURCE = 26,
  MARTIAN_SOURCE = 27,
  NO_BACKEND = 28,
  NO_ROUTE = 29,
  FLOW_TABLE_FULL = 30,
  NO_FREE_PORT = 31,
  TCP_INVALID_STATE = 32,
  FRAGMENT_OF_SERVICE = 33,
  /** To an address of the service range that no service has. */
  SERVICE_ADDRESS_UNKNOWN = 34,
  TX_RING_FULL = 35,
  NO_TX_PORT = 36,
  GSO_ON_XDP = 37,
  ND_NOT_FOR_US = 38,
  MULTICAST = 39,
  BAD_RX_DESCRIPTOR = 40,
  /** Outside of loadBalancerSourceRanges. */
  SOURCE_NOT_IN_RANGE = 41,
  SERVICE_PORT_UNKNOWN = 42,
  /** Traffic policy Local, and the endpoints are elsewhere. */
  NO_LOCAL_BACKEND = 43,
  /** An answer to this would be an error about an error, or too many of them. */
  ERROR_NOT_ANSWERED = 44,
  /** The first fragment did not come in time. */
  FRAGMENT_TIMEOUT = 45,
  /** More fragments wait than there is room for. */
  FRAGMENTS_FULL = 46,
  SHORT_SCTP = 47,
  SCTP_INVALID_STATE = 48,
  /** Larger than the way out takes, and may not be fragmented. */
  PACKET_TOO_BIG = 49,
  TTL_EXCEEDED = 50,
  /** A fragment came before the first one of its datagram, where none can be kept. */
  FRAGMENT_BEFORE_FIRST = 51,
  /** To 127/8, from anybody but the host itself. */
  MARTIAN_DESTINATION = 52,
  /** From a pod to the outside, and nothing by which its answers could be told from others. */
  MASQUERADE_PROTOCOL = 53,
  /** To a DNS address, and no query: a response, or shorter than a header. */
  DNS_NOT_A_QUERY = 54,
}
export const DROP_COUNT = 55;

// ---- Links and routes -----------------------------------------------------------------

export enum LinkKind {
  NONE = 0,
  POD = 1,
  /** The host's own stack, reached through the trunk. */
  HOST = 2,
  UPLINK = 3,
}

/** What executes a packet: the meaning of a row, a route and a trunk stamp. */
export enum Action {
  NONE = 0,
  /** Always climb to the lane. */
  LANE = 1,
  /** Pass to the host's stack. */
  HOST = 2,
  /** Deliver into the pod behind link `outIfindex`. */
  POD = 3,
  /** Send out of uplink `outIfindex`; the kernel or the row knows the next hop. */
  UPLINK = 4,
}

/** First two bytes of a stamped Ethernet address (locally administered, "S"). */
export const STAMP_PREFIX_0 = 0x02;
export const STAMP_PREFIX_1 = 0x53;

// A frame that climbs:   source      = 02:53:<ifindex, 4 bytes little-endian>
// A frame from the lane: destination = 02:53:<ifindex, 4 bytes little-endian>
//                        source      = 02:53:<Action>:00:00:00

/** Constant address of the gateway side of every pod link. */
export const GATEWAY_MAC_0 = 0x02;
export const GATEWAY_MAC_1 = 0x53;
export const GATEWAY_MAC_2 = 0x00;
export const GATEWAY_MAC_3 = 0x00;
export const GATEWAY_MAC_4 = 0x00;
export const GATEWAY_MAC_5 = 0x01;

// ---- Hash-table rows ------------------------------------------------------------------
// Every keyed row begins with `state`; its key is a whole number of 8-byte words.

export enum RowState {
  EMPTY = 0,
  LIVE = 1,
  DELETED = 2,
}
export const ROW_STATE_OFF = 0;

// LINK, keyed by ifindex: who may speak on a link and how its pod is reached.
export const LINK_SIZE = 64;
export const LINK_KIND_OFF = 4; // u8 LinkKind
/** u8: index of the I/O port that reaches the link directly, plus 1; 0 = through the trunk. */
export const LINK_PORT_OFF = 5;
export const LINK_FLAGS_OFF = 6; // u8 LINK_F_*
export const LINK_KEY_OFF = 8; // u64: ifindex
export const LINK_KEY_SIZE = 8;
export const LINK_ADDR4_OFF = 16; // 4 bytes, network order; 0 = none
export const LINK_MTU_OFF = 20; // u32
export const LINK_ADDR6_OFF = 24; // 16 bytes; all 0 = none
export const LINK_MAC_OFF = 40; // 6 bytes: the far end (pod's eth0)
export const LINK_OWN_MAC_OFF = 46; // 6 bytes: our end

/** Who comes by this link is a pod, for POLICY_F_PODS_BY_LINK. */
export const LINK_F_POD = 1;
/** Beyond it are other nodes only; its addresses are what this node is called there. */
export const LINK_F_TUNNEL = 4;
/** A queueing discipline on our end holds back what goes to the pod; also in `links` of maps.h. */
export const LINK_F_SHAPED = 2;

// FRONTEND, keyed by (address, port, protocol).
export const FRONTEND_SIZE = 32;
/** u32: low 24 bits a row of SERVICES, high 8 bits the FrontendKind. */
export const FRONTEND_SERVICE_OFF = 4;
export const FRONTEND_SERVICE_MASK = 0xffffff;
export const FRONTEND_KIND_OFF = 7; // u8
export const FRONTEND_KEY_OFF = 8;
export const FRONTEND_KEY_SIZE = 24;
export const FRONTEND_ADDR_OFF = 8; // 16 bytes, IPv4 mapped
export const FRONTEND_PORT_OFF = 24; // u16, network order
export const FRONTEND_PROTO_OFF = 26; // u8

/** Port 0, protocol 0: the address is a service address whatever the port. */
export const FRONTEND_ANY_PORT = 0;

/** What an address and port are to a service. */
export enum FrontendKind {
  /** The address is a service's; this port of it is not. */
  NONE = 0,
  CLUSTER_IP = 1,
  NODE_PORT = 2,
  EXTERNAL_IP = 3,
  /** Only here source ranges count. */
  LOAD_BALANCER = 4,
}

// SERVICE, by index. Its backends are one run of SETS that serves both traffic policies:
//
//   first          first + clusterFirst     first + localCount
//   | local only   | local and cluster      | cluster only          |
//   `------------- Local set --------------'
//                  `------------------ Cluster set -----------------'
export const SERVICE_SIZE = 64;
export const SERVICE_FLAGS_OFF = 0; // u32 SERVICE_F_*
export const SERVICE_SET_OFF = 4; // u32: first entry in SETS
export const SERVICE_LOCAL_COUNT_OFF = 8; // u32: entries of the Local set, from the first on
export const SERVICE_CLUSTER_FIRST_OFF = 12; // u32: where the Cluster set begins, from the first on
export const SERVICE_CLUSTER_COUNT_OFF = 16; // u32
export const SERVICE_ID_OFF = 20; // u32: stable identity, a hash of namespace/name:port
/** u32: first entry in MAGLEV, of the Cluster set's table; its size M, a prime, 0 = none. */
export const SERVICE_MAGLEV_OFF = 24;
export const SERVICE_MAGLEV_COUNT_OFF = 28;
export const SERVICE_LOCAL_MAGLEV_OFF = 32;
export const SERVICE_LOCAL_MAGLEV_COUNT_OFF = 36;
export const SERVICE_AFFINITY_SEC_OFF = 40; // u32: 0 = no session affinity
export const SERVICE_RANGES_OFF = 44; // u32: first entry in RANGES
export const SERVICE_RANGES_COUNT_OFF = 48; // u32: 0 = from everywhere
/** u32: the lane's, for SERVICE_F_ROUND_ROBIN. */
export const SERVICE_CURSOR_OFF = 52;
/** u32: DNS listener whose names answer queries in the frame (abi-dns.ts), 0 = none. */
export const SERVICE_LISTENER_OFF = 56;

/** internalTrafficPolicy Local: the ClusterIP leads to the Local set. */
export const SERVICE_F_INTERNAL_LOCAL = 1;
/** externalTrafficPolicy Local: from outside, external frontends lead to the Local set. */
export const SERVICE_F_EXTERNAL_LOCAL = 2;
/** There are usable endpoints somewhere: an empty set is met with silence, not with a rejection. */
export const SERVICE_F_HAS_ANY = 4;
/** A node address lies in the source ranges: the load-balancer address may speak to itself. */
export const SERVICE_F_SELF_IN_RANGE = 8;
/** In turn, instead of at random. */
export const SERVICE_F_ROUND_ROBIN = 16;

// RANGES: sources a load-balancer address may be reached from.
export const RANGE_SIZE = 32;
export const RANGE_ADDR_OFF = 0; // 16 bytes, IPv4 mapped
export const RANGE_MASK_OFF = 16; // 16 bytes

// AFFINITY, keyed by (client address, row of SERVICES): which backend a client had last.
export const AFFINITY_SIZE = 48;
export const AFFINITY_BACKEND_OFF = 4; // u32: row of BACKENDS
export const AFFINITY_KEY_OFF = 8;
export const AFFINITY_KEY_SIZE = 24;
export const AFFINITY_SERVICE_OFF = 24; // u32
export const AFFINITY_SEEN_MS_OFF = 32; // u32: monotonic, wraps
export const AFFINITY_POSITION_OFF = 36; // u32: where in the service's run the backend was last

// BACKEND, by index.
export const BACKEND_SIZE = 32;
export const BACKEND_ADDR_OFF = 0; // 16 bytes, IPv4 mapped
export const BACKEND_PORT_OFF = 16; // u16, network order
export const BACKEND_PROTO_OFF = 18; // u8
export const BACKEND_ID_OFF = 20; // u32: stable identity, a hash of address:port
export const BACKEND_WEIGHT_OFF = 24; // u32

// SETS: u32 backend indices. MAGLEV: u16 positions within the service's set.
export const SET_ENTRY_SIZE = 4;
export const MAGLEV_ENTRY_SIZE = 2;

// FRAGMENT, keyed by the datagram (RFC 791 3.2, RFC 8200 4.5): what its first fragment has told.
export const FRAGMENT_SIZE = 64;
export const FRAGMENT_STATE_OFF = 0; // u32 RowState
export const FRAGMENT_ID_OFF = 4; // u32 identification, as it lies in the packet
export const FRAGMENT_SRC_OFF = 8; // 16 bytes, IPv4 mapped
export const FRAGMENT_DST_OFF = 24; // 16 bytes
export const FRAGMENT_PROTO_OFF = 40; // u8
/** u8: what the first fragment has told, FRAGMENT_UNKNOWN before it was here. */
export const FRAGMENT_KNOWN_OFF = 41;
export const FRAGMENT_UNKNOWN = 0;
/** FRAGMENT_PORTS are its ports. */
export const FRAGMENT_HAS_PORTS = 1;
/** It belongs to nothing that a flow row can describe. */
export const FRAGMENT_HAS_NONE = 2;
/** u8: frames that wait. */
export const FRAGMENT_WAITING_COUNT_OFF = 42;
export const FRAGMENT_IN_IFINDEX_OFF = 44; // u32
export const FRAGMENT_PORTS_OFF = 48; // u32 as FLOW_PORTS
export const FRAGMENT_SEEN_MS_OFF = 52; // u32: monotonic, wraps
/** u32: UMEM offset + 1 of the frame that waits longest; 0 = none waits. */
export const FRAGMENT_WAITING_OFF = 56;
export const FRAGMENT_LAST_WAITING_OFF = 60; // u32: UMEM offset + 1 of the one that came last

// ROUTE, keyed by (masked address, prefix length).
export const ROUTE_SIZE = 64;
export const ROUTE_ACTION_OFF = 4; // u8 Action
export const ROUTE_FLAGS_OFF = 5; // u8 ROUTE_F_*
export const ROUTE_KEY_OFF = 8;
export const ROUTE_KEY_SIZE = 24;
export const ROUTE_ADDR_OFF = 8; // 16 bytes, IPv4 mapped
export const ROUTE_PREFIX_LEN_OFF = 24; // u32, 0..128 (IPv4 counts from 96)
export const ROUTE_IFINDEX_OFF = 32; // u32
/** 6 bytes: next hop; all 0 = the kernel resolves it. */
export const ROUTE_DST_MAC_OFF = 36;
export const ROUTE_SRC_MAC_OFF = 42;
export const ROUTE_MTU_OFF = 48; // u32; 0 = the link's

/** The host's own address: who speaks with it is the node. */
export const ROUTE_F_OWN = 1;
/** Of the service range: what no frontend has taken goes nowhere. */
export const ROUTE_F_SERVICE = 2;
/** Out of the cluster: pods go there with the node's address. */
export const ROUTE_F_OUTSIDE = 4;
/** By a tunnel: only TC sends there, and rows follow the route when it changes. */
export const ROUTE_F_TUNNEL = 8;

// PREFIXES: for each of 129 prefix lengths, u32 how many routes have it; then the present
// lengths, longest first, as u8, ended by PREFIX_NONE.
export const PREFIX_COUNTS_OFF = 0;
export const PREFIX_LIST_OFF = 516;
export const PREFIX_LENGTHS = 129;
export const PREFIX_NONE = 255;

// ---- Flow rows ------------------------------------------------------------------------
//
//  IPv4 row, 64 bytes = one cache line
//   0        4        8   9  10  11 12       16       20       24        30        36   38   40
//   +--------+--------+---+---+---+---+--------+--------+--------+---------+---------+----+----+
//   | seq    | ports  |prt|scp|act|flg| inIf   | outIf  |newPorts| dstMac  | srcMac  |aDlt|pDlt|
//   +--------+--------+---+---+---+---+--------+--------+--------+---------+---------+----+----+
//   | src 40 | dst 44 | newSrc 48 | newDst 52 | mtu 56 | spare 58..63 |
//
//  IPv6 row, 128 bytes: the same head; src 40, dst 56, newSrc 72, newDst 88, mtu 104, spare
//
// `seq` is a sequence lock: 0 never used, odd being written or deleted, even (not 0) valid.
// Readers take it first and again after copying the action.

export const FLOW_SEQ_OFF = 0; // u32
export const FLOW_PORTS_OFF = 4; // u16 source, u16 destination, network order
export const FLOW_PROTO_OFF = 8; // u8
export const FLOW_SCOPE_OFF = 9; // u8, 0 for now: one address space
export const FLOW_ACTION_OFF = 10; // u8 Action
export const FLOW_FLAGS_OFF = 11; // u8 FLOW_F_*
export const FLOW_IN_IFINDEX_OFF = 12; // u32: the only link this tuple may come from; 0 = any uplink
export const FLOW_OUT_IFINDEX_OFF = 16; // u32
export const FLOW_NEW_PORTS_OFF = 20; // as FLOW_PORTS
export const FLOW_DST_MAC_OFF = 24; // 6 bytes
export const FLOW_SRC_MAC_OFF = 30; // 6 bytes
/** u16 one's-complement sum of (new addresses - old addresses), in packet byte order. */
export const FLOW_ADDR_DELTA_OFF = 36;
/** u16 one's-complement sum of (new ports - old ports), in packet byte order. */
export const FLOW_PORT_DELTA_OFF = 38;
export const FLOW4_SRC_OFF = 40;
export const FLOW4_DST_OFF = 44;
export const FLOW4_NEW_SRC_OFF = 48;
export const FLOW4_NEW_DST_OFF = 52;
/** u16: longest IP packet the way out takes; 0 = no need to look. */
export const FLOW4_MTU_OFF = 56;
export const FLOW4_SIZE = 64;
export const FLOW4_SHIFT = 6;
export const FLOW6_SRC_OFF = 40;
export const FLOW6_DST_OFF = 56;
export const FLOW6_NEW_SRC_OFF = 72;
export const FLOW6_NEW_DST_OFF = 88;
export const FLOW6_MTU_OFF = 104;
export const FLOW6_SIZE = 128;
export const FLOW6_SHIFT = 7;

/** Addresses or ports change: rewrite and fix checksums. */
export const FLOW_F_NAT = 1;
/** The MAC fields hold the real next hop. */
export const FLOW_F_MACS = 2;
/** The row of the reply direction. */
export const FLOW_F_REPLY = 4;
/**
 * With Action.HOST: through the trunk, not where the packet is. Its source is then an address of
 * the host itself, which the host takes from there only.
 */
export const FLOW_F_TRUNK = 8;
/** With Action.UPLINK: by a tunnel, a device that takes no frames from XDP. */
export const FLOW_F_TUNNEL = 32;
/** With Action.POD: out of our end of its link, whose queueing discipline must see it. */
export const FLOW_F_SHAPED = 16;
/** The lane wants every packet while it is there: it may answer by itself (DNS). */
export const FLOW_F_CLIMB = 64;

/**
 * Slots examined from the hashed one on, cyclically, before a key is called absent. So many that
 * a table is more than half full before the first flow finds no place (16: a third). Look-ups do not
 * pay for it: they end at the first slot that was never used.
 */
export const FLOW_PROBE_MAX = 64;

// TALLY, same index as the flow row: what is counted and remembered. One cache line.
export const TALLY_SIZE = 64;
export const TALLY_SHIFT = 6;
export const TALLY_KERNEL_PACKETS_OFF = 0; // u64, kernel
export const TALLY_KERNEL_BYTES_OFF = 8; // u64, kernel
export const TALLY_KERNEL_SEEN_NS_OFF = 16; // u64, kernel: coarse monotonic
export const TALLY_LANE_PACKETS_OFF = 24; // u64, lane
export const TALLY_LANE_BYTES_OFF = 32; // u64, lane
export const TALLY_LANE_SEEN_MS_OFF = 40; // u32, lane: monotonic, wraps
export const TALLY_CREATED_MS_OFF = 44; // u32, lane
export const TALLY_PARTNER_OFF = 48; // u32: row of the other direction
/** u8: TcpState or SctpState, as the row's protocol says (kept in the original direction). */
export const TALLY_STATE_OFF = 52;
export const TALLY_FLAGS_OFF = 53; // u8 TALLY_F_*
/** u8, kernel: FIN, SYN and RST (RFC 9293 3.1) of the segments it has executed, or-ed. */
export const TALLY_KERNEL_TCP_OFF = 54;
export const TALLY_SERVICE_ID_OFF = 56; // u32, in the original direction
export const TALLY_BACKEND_ID_OFF = 60; // u32, in the original direction
// In the reply direction the same words chain the flows of a backend (FLOW_HEADS): index + 1 of
// the next and the previous reply row, 0 = none.
export const TALLY_NEXT_OFF = 56; // u32
export const TALLY_PREVIOUS_OFF = 60; // u32

export const TALLY_F_REPLY = 1;
/** A packet of the reply direction has been seen by the lane. */
export const TALLY_F_SEEN_REPLY = 2;
/** Its backend was removed: whoever speaks next is reset. */
export const TALLY_F_RESET = 4;

/** RFC 9293 states as connection tracking sees them from the middle. */
export enum TcpState {
  NONE = 0,
  SYN_SENT = 1,
  SYN_RECV = 2,
  ESTABLISHED = 3,
  FIN_WAIT = 4,
  CLOSE_WAIT = 5,
  LAST_ACK = 6,
  TIME_WAIT = 7,
  CLOSE = 8,
  SYN_SENT2 = 9,
}

/** RFC 9260 states as connection tracking sees them from the middle. */
export enum SctpState {
  NONE = 0,
  /** Aborted, or shut down to the end. */
  CLOSED = 1,
  /** INIT was sent. */
  COOKIE_WAIT = 2,
  COOKIE_ECHOED = 3,
  ESTABLISHED = 4,
  /** SHUTDOWN came from who opened the association. */
  SHUTDOWN_SENT = 5,
  /** SHUTDOWN came from the other end. */
  SHUTDOWN_RECD = 6,
  SHUTDOWN_ACK_SENT = 7,
  /** Begins with a HEARTBEAT: a path of an association that was opened elsewhere. */
  HEARTBEAT_SENT = 8,
  HEARTBEAT_ACKED = 9,
}

// ---- IP protocol numbers (IANA) that rows and deltas carry ----------------------------

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_SCTP = 132;

// ---- Deltas ---------------------------------------------------------------------------

export enum Op {
  NONE = 0,
  /** Insert or overwrite a row. */
  PUT = 1,
  /** Remove a row by key or index. */
  DELETE = 2,
}

export enum TableId {
  NONE = 0,
  LINK = 1,
  FRONTEND = 2,
  SERVICE = 3,
  BACKEND = 4,
  /** `idx` = first entry, `count` u32 backend indices in the payload. */
  SET = 5,
  /** Build a Maglev table: `idx` = first entry, `count` = M, payload u32 set, u32 set count. */
  MAGLEV = 6,
  ROUTE = 7,
  /** Payload: node address v4 (16 bytes, mapped), node address v6 (16 bytes). */
  NODE = 8,
  /** `idx` = first entry, `count` entries of RANGES in the payload. */
  RANGE = 9,
  /**
   * Payload, as CONTROL has it: u32 POLICY_F_*, 12 bytes 0, then from byte 16 on the pod range v4
   * (address, mask), the pod range v6, and both host aliases.
   */
  POLICY = 10,
  /**
   * Forget flows of a backend that a service has lost. Payload: u32 service id, u32 backend id,
   * u8 protocol.
   */
  PURGE = 11,
  /** Forget flows of links that are not there. Without payload; follows when all links are known. */
  STRAYS = 12,
  /**
   * `idx` = first entry, `count` entries of 32 bytes for the list at CONTROL_EXEMPT in the payload.
   * The list ends behind them.
   */
  EXEMPT = 13,
  /** `idx` = first byte, `count` bytes of CONTROL_TAKEN_PORTS in the payload. */
  TAKEN_PORTS = 14,
}

export const DELTA_SIZE = 128;
export const DELTA_OP_OFF = 0; // u16 Op
export const DELTA_TABLE_OFF = 2; // u16 TableId
export const DELTA_IDX_OFF = 4; // u32
export const DELTA_COUNT_OFF = 8; // u32
/** u32, written by the core: 0 applied, else a DeltaError. */
export const DELTA_RESULT_OFF = 12;
/**
 * Of the tables with a key (LINK, FRONTEND, ROUTE): the row from its byte 4 on, for the state in front
 * of it is the core's. What has offset n in such a row lies at DELTA_PAYLOAD_OFF + n - 4: the key of a
 * ROUTE, at 8 of its row, is at byte 20 of the record. Of SERVICE and BACKEND: the row from its byte 0
 * on. Of the others: what their TableId says.
 */
export const DELTA_PAYLOAD_OFF = 16;
export const DELTA_PAYLOAD_SIZE = 112;

export enum DeltaError {
  NONE = 0,
  UNKNOWN_OP = 1,
  UNKNOWN_TABLE = 2,
  TABLE_FULL = 3,
  OUT_OF_RANGE = 4,
  ABSENT = 5,
}

// ---- I/O ports ------------------------------------------------------------------------

export enum PortKind {
  NONE = 0,
  /** AF_XDP or memory: bare Ethernet frames. */
  FRAMES = 1,
  /** AF_PACKET: a virtio_net_hdr lies directly before the frame. */
  VNET = 2,
}

/** One port record: where its four rings are, and our cursors. All u32. */
export const PORT_SIZE = 256;
export const PORT_MAX = 16;
export const PORT_KIND_OFF = 0; // u32 PortKind
/** u32: ifindex frames belong to; 0 = the trunk, where each frame is stamped. */
export const PORT_IFINDEX_OFF = 4;
export const PORT_RX_OFF = 16;
export const PORT_TX_OFF = 48;
export const PORT_FILL_OFF = 80;
export const PORT_COMP_OFF = 112;
export const PORT_POSTED_OFF = 144; // frames lent through the fill ring
export const PORT_IN_FLIGHT_OFF = 148; // frames lent through the tx ring
export const PORT_RX_PACKETS_OFF = 152; // u64
export const PORT_TX_PACKETS_OFF = 160; // u64
export const PORT_STAGED_OFF = 168; // u32: tx descriptors written but not submitted yet
/** Bit of the kick mask that asks for a receive wake-up of port i is i + this. */
export const KICK_RX_SHIFT = 16;

/** Within a ring record. Addresses are linear; `size` is entries, a power of two. */
export const RING_PRODUCER_OFF = 0;
export const RING_CONSUMER_OFF = 4;
export const RING_FLAGS_OFF = 8;
export const RING_DESC_OFF = 12;
export const RING_SIZE_OFF = 16;

/** xdp_desc (linux/if_xdp.h): u64 addr, u32 len, u32 options. */
export const XDP_DESC_SIZE = 16;
export const XDP_DESC_ADDR_OFF = 0;
export const XDP_DESC_LEN_OFF = 8;
export const XDP_DESC_OPTIONS_OFF = 12;
export const XDP_RING_NEED_WAKEUP = 1;

/** Frames per burst at most. */
export const BURST_MAX = 256;

/** Where a port keeps a ring that no kernel maps: offsets from the ring's start. */
export const PLAIN_RING_PRODUCER_OFF = 0;
export const PLAIN_RING_CONSUMER_OFF = 64;
export const PLAIN_RING_FLAGS_OFF = 128;
export const PLAIN_RING_DESC_OFF = 192;

/** virtio_net_hdr (linux/virtio_net.h): u8 flags, u8 gso_type, 4 x u16. */
export const VNET_HLEN = 10;
export const VNET_F_NEEDS_CSUM = 1;

/** Where received frames begin in their UMEM frame at the latest: room to grow in front. */
export const FRAME_HEADROOM = 256;

// ---- Batches of an embedder: `processBatch` over descriptors --------------------------

/** u32: linear address of the Ethernet header; afterwards, where it is then. */
export const FRAME_PTR_OFF = 0;
/** u32: bytes of the frame; afterwards, as it is then. */
export const FRAME_LEN_OFF = 4;
/** u32: ifindex of the link the frame came from. Read only. */
export const FRAME_IN_IFINDEX_OFF = 8;
/** u32, written: ifindex of the link it leaves by. */
export const FRAME_OUT_IFINDEX_OFF = 12;
/** u8 Verdict, u8 Drop, u8 Action, u8 0, written. */
export const FRAME_VERDICT_OFF = 16;
export const FRAME_DROP_OFF = 17;
export const FRAME_ACTION_OFF = 18;
/** u32, written: linear address of the flow row that was used or made; 0 = none. */
export const FRAME_ROW_OFF = 20;
export const FRAME_DESC_SIZE = 24;

// ---- Pkt: one frame in flight ---------------------------------------------------------

export const PKT_SIZE = 160;
export const PKT_FRAME_OFF = 0; // u32 linear address of the Ethernet header
export const PKT_LEN_OFF = 4; // u32 frame bytes
export const PKT_IN_IFINDEX_OFF = 8; // u32
export const PKT_OUT_IFINDEX_OFF = 12; // u32
export const PKT_L3_OFF = 16; // u16 offset of the IP or ARP header
export const PKT_L4_OFF = 18; // u16 offset of the transport header; 0 = none parsed
export const PKT_ETHER_TYPE_OFF = 20; // u16 host order, after 802.1Q
export const PKT_PROTO_OFF = 22; // u8
export const PKT_TCP_FLAGS_OFF = 23; // u8
export const PKT_FLAGS_OFF = 24; // u16 PKT_F_*
export const PKT_ACTION_OFF = 26; // u8 Action
export const PKT_DROP_OFF = 27; // u8 Drop
export const PKT_PORTS_OFF = 28; // u32 as FLOW_PORTS
export const PKT_SRC_OFF = 32; // 16 bytes, IPv4 mapped
export const PKT_DST_OFF = 48; // 16 bytes, IPv4 mapped
export const PKT_ROW_OFF = 64; // u32 address of the flow row; 0 = none
export const PKT_TALLY_OFF = 68; // u32 address of its tally
export const PKT_LINK_OFF = 72; // u32 address of the ingress LINK row
export const PKT_PORT_OFF = 76; // u32 address of the I/O port it came by; 0 = embedder
export const PKT_SERVICE_OFF = 80; // u32 row of SERVICES; PKT_NO_SERVICE = none
export const PKT_BACKEND_OFF = 84; // u32 row of BACKENDS
export const PKT_NEW_SRC_OFF = 88; // 16 bytes, IPv4 mapped
export const PKT_NEW_DST_OFF = 104; // 16 bytes
export const PKT_NEW_PORTS_OFF = 120; // u32
/** u32 address of the next hop's two MACs, destination first; 0 = the kernel knows them. */
export const PKT_MACS_OFF = 124;
export const PKT_FRONTEND_OFF = 128; // u8 FrontendKind
export const PKT_ORIGIN_OFF = 129; // u8 Origin
/** u8: not 0 = the flow is to be masqueraded. */
export const PKT_MASQUERADE_OFF = 130;
/** u8: not 0 = the service says no, and aloud. */
export const PKT_REJECTED_OFF = 131;
/** u32: FRAGMENTS row of the datagram; 0 = none. */
export const PKT_DATAGRAM_OFF = 132;
/** u32: identification of the datagram a fragment is of, as it lies in the packet. */
export const PKT_FRAGMENT_ID_OFF = 136;
/** u32: address of the ROUTE row; 0 = none was asked for. */
export const PKT_ROUTE_OFF = 140;
/** u16: bit t set = an SCTP chunk of type t begins the packet, or follows one that does. */
export const PKT_SCTP_CHUNKS_OFF = 144;
/** u16: source port, as sent, of the connection that this packet begins anew; 0 = none. */
export const PKT_KEPT_PORT_OFF = 146;
export const PKT_NO_SERVICE = 0xffffffff;

/** Who sent a packet, as kube-proxy tells them apart. */
export enum Origin {
  OUTSIDE = 0,
  POD = 1,
  NODE = 2,
}

export const PKT_F_IPV4 = 1;
export const PKT_F_IPV6 = 2;
/** Any fragment of a datagram; ports are valid only in the first. */
export const PKT_F_FRAGMENT = 4;
export const PKT_F_LATER_FRAGMENT = 8;
/** The transport checksum field holds the pseudo-header sum only. */
export const PKT_F_PARTIAL_CSUM = 16;
export const PKT_F_GSO = 32;
/** ICMP echo request or reply: its identifier stands for both ports. */
export const PKT_F_ECHO = 64;
/** The packet travels in the reply direction of its flow. */
export const PKT_F_REPLY = 128;
/** An ICMP error about another packet. */
export const PKT_F_ICMP_ERROR = 256;
/** The answer to a question the core was asked: ARP, NDP. */
export const PKT_F_ANSWER = 512;
