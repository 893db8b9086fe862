/**
 * The part of the binary contract that is about DNS: compiled twice, as abi.ts is, and with the same
 * rules. Offsets are bytes; integers are little-endian unless the name ends in `Be`.
 *
 * Names are wire names (RFC 1035 3.1): length-prefixed labels with the root's 0 at the end, 255
 * bytes at most, and in lower case wherever they are keys.
 */

// ---- Fixed part of linear memory: what a query needs while it is answered --------------

export const DNS_BASE = 0x2c000;
export const DNS_BYTES = 0x1000;
export const DNS_COUNTERS_BASE = 0x2d000;
export const DNS_COUNTERS_BYTES = 0x3000;

/** Longest name, its root included (RFC 1035 2.3.4), and most labels but the root. */
export const DNS_NAME_MAX = 255;
export const DNS_LABEL_MAX = 127;
/** Bytes of a header (RFC 1035 4.1.1). */
export const DNS_HLEN = 12;
/** What everybody takes without EDNS(0) (RFC 1035 2.3.4). */
export const DNS_UDP_MIN = 512;
/** What we say we take and, unless a listener says less, send (RFC 6891 6.2.5; DNS flag day 2020). */
export const DNS_UDP_MAX = 1232;
/** Links of a chain of CNAMEs that are followed. */
export const DNS_CHAIN_MAX = 10;

// The record of the query that was answered last, at DNS_BASE. Valid from `dnsAnswer` to
// the next call, whatever it returned, as far as the query was understood.

/** u16 each, host order: QTYPE and QCLASS. 0 when the question could not be read. */
export const DNS_QTYPE_OFF = 0;
export const DNS_QCLASS_OFF = 2;
/** u16: bytes of header and question; 0 = there is none. */
export const DNS_QUESTION_END_OFF = 4;
/** u8: bytes of the name with its root. u8: labels without it. */
export const DNS_NAME_LEN_OFF = 6;
export const DNS_LABELS_OFF = 7;
/** u16: the requestor's UDP payload size; 0 = no OPT record (RFC 6891 6.2.3). */
export const DNS_EDNS_SIZE_OFF = 8;
/** u16: DNS_F_*. */
export const DNS_FLAGS_OFF = 10;
/** u16: RCODE of the reply, with its upper bits (RFC 6891 6.1.3). */
export const DNS_RCODE_OFF = 12;
/** u16: listener. */
export const DNS_LISTENER_OFF = 14;
/** u32: linear address of the cut's value (CUT_*), 0 = no cut covers the name. */
export const DNS_CUT_OFF = 16;
/** u32: hash of the folded name. */
export const DNS_HASH_OFF = 20;
/** u16: offset of the zone's name in the message; labels of the zone's name. */
export const DNS_ZONE_OFF = 28;
export const DNS_ZONE_LABELS_OFF = 30;
/** u32 DnsWhy: who answered, or why it is the host's. */
export const DNS_WHY_OFF = 32;
/** u16: bytes of the query. */
export const DNS_QUERY_LEN_OFF = 36;
/** u16: CACHE_HIT_* of a reply from the wire cache. */
export const DNS_CACHE_HIT_OFF = 44;
/** u32: TTL of its records. */
export const DNS_CACHE_TTL_OFF = 48;
/** u32: linear address of the query's entry in DNS LOG, 0 = it has none. */
export const DNS_SAMPLE_OFF = 52;
/** The name in lower case, 256 bytes, and at least eight zeros behind its end. */
export const DNS_NAME_OFF = 64;

/** The client has set them. */
export const DNS_F_RD = 1;
export const DNS_F_CD = 2;
export const DNS_F_AD = 4;
/** DNSSEC OK (RFC 3225). */
export const DNS_F_DO = 8;
/** By TCP: no limit but the room there is. */
export const DNS_F_TCP = 16;
/** From or to an IPv6 address: for the counters. */
export const DNS_F_IPV6 = 32;
/** Do not count. */
export const DNS_F_UNCOUNTED = 64;

/** What `dnsAnswer` returns besides the length of a reply. */
export const DNS_DROP = 0;
/** The host has to answer; the message is untouched. */
export const DNS_HOST = -1;

export enum DnsWhy {
  NONE = 0,
  /** Not a query, or shorter than a header: no reply. */
  NOT_A_QUERY = 1,
  /** FORMERR, NOTIMP, BADVERS: the message itself. */
  MALFORMED = 2,
  /** REFUSED: no cut covers the name, its class is not IN, or a transfer is asked for. */
  REFUSED = 3,
  /** From the names. */
  ZONE = 4,
  /** Computed: a pod's address in its name. */
  POD = 5,
  /** From the wire cache. */
  CACHE = 6,
  /** RFC 8482. */
  ANY = 7,
  /** The host: a plugin may act on it. */
  HOST_FIRST = 8,
  /** The host: below a cut without names. */
  NO_NAMES = 9,
  /** The host: no such name, and the zone falls through. */
  FALLTHROUGH = 10,
  /** The host: a CNAME leads out of the names. */
  CNAME_OUTSIDE = 11,
  /** The host: not in the wire cache. */
  CACHE_MISS = 12,
}

// ---- NAMES: open addressing over 16-byte rows; the rest of an entry lies in RRSETS ------
//
// A key is (space, name). Spaces 1 to LISTENER_MAX are listeners: their entries are cuts, the zones a
// listener serves; the longest one that ends the name is its server. Spaces from SPACE_FIRST on are
// the names of one zone plugin each.

export const NAME_ROW_SIZE = 16;
/** u32: RowState; u32: hash; u32: offset of the entry in RRSETS, in bytes; u16: space; u8: length. */
export const NAME_STATE_OFF = 0;
export const NAME_HASH_OFF = 4;
export const NAME_ENTRY_OFF = 8;
export const NAME_SPACE_OFF = 12;
export const NAME_LENGTH_OFF = 14;

export const LISTENER_MAX = 31;
export const SPACE_FIRST = 32;

// An entry, in RRSETS and in an update:
//
//    0           2      3            4                    4 + length, to a multiple of 8
//   +-----------+------+------------+--------------------+-------------------------------+
//   | NAME_F_*  | len  | 0          | name               | value                         |
//   +-----------+------+------------+--------------------+-------------------------------+

export const ENTRY_FLAGS_OFF = 0;
export const ENTRY_NAME_LEN_OFF = 2;
export const ENTRY_NAME_OFF = 4;

/** Children whose first label is an address have that address: pods (CoreDNS `pods insecure`). */
export const NAME_F_PODS = 1;

// The value of a name: u16 number of RRsets, u16 0, then the RRsets. A name without any exists all the
// same (an empty non-terminal, RFC 8020). Each RRset, at a multiple of 4:

/** u16, host order. */
export const RRSET_TYPE_OFF = 0;
/** u16: records. */
export const RRSET_COUNT_OFF = 2;
/** 4 bytes as in a packet. */
export const RRSET_TTL_BE_OFF = 4;
/** u32: bytes of the records: each u16 RDLENGTH as in a packet, then RDATA, names in it whole. */
export const RRSET_BYTES_OFF = 8;
/** u32: bytes of glue behind them. */
export const RRSET_GLUE_OFF = 12;
export const RRSET_HLEN = 16;

// Glue, for the Additional section: records whose owner is a name in one of the RRset's records.

/** u16: which record of the RRset; u16: offset of the name from that record's RDATA. */
export const GLUE_RECORD_OFF = 0;
export const GLUE_NAME_OFF = 2;
/**
 * u16: type, host order; then u16 RDLENGTH as in a packet, and RDATA. The TTL is the RRset's. The next
 * one follows at once; they are in the order of the RRset's records.
 */
export const GLUE_TYPE_OFF = 4;
export const GLUE_RDLENGTH_BE_OFF = 6;
export const GLUE_HLEN = 8;

// The value of a cut:

/** u16: the space of its names; 0 = it has none. */
export const CUT_SPACE_OFF = 0;
/** u16 CUT_F_*. */
export const CUT_FLAGS_OFF = 2;
/** 4 bytes as in a packet: TTL of the SOA record of negative answers. */
export const CUT_SOA_TTL_BE_OFF = 4;
/** u16: largest reply by UDP. */
export const CUT_UDP_MAX_OFF = 8;
/** u8: whose counters, below DNS_ZONE_MAX. */
export const CUT_ZONE_OFF = 10;
/** u8 each: bytes of the labels below that begin MNAME and RNAME; both end in the zone's name. */
export const CUT_MNAME_LEN_OFF = 11;
export const CUT_RNAME_LEN_OFF = 12;
/** u16: wire cache of the server block, 0 = none. */
export const CUT_CACHE_OFF = 14;
/** 20 bytes as in a packet: SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM (RFC 1035 3.3.13). */
export const CUT_SOA_OFF = 16;
/** Labels of MNAME, then of RNAME, without the zone's. */
export const CUT_LABELS_OFF = 36;

/** The host decides first, whatever the name. */
export const CUT_F_HOST = 1;
/** What does not exist is for the host to look for. */
export const CUT_F_FALLTHROUGH = 2;
/** RA in replies: somebody behind us resolves. */
export const CUT_F_RA = 4;
/** Addresses in another order each time (loadbalance). */
export const CUT_F_SHUFFLE = 8;
/** Without Authority and Additional in positive answers (minimal). */
export const CUT_F_MINIMAL = 16;
/** ANY is answered by one HINFO (RFC 8482). */
export const CUT_F_ANY = 32;
/** The names are not complete yet: what is not found is SERVFAIL, not NXDOMAIN. */
export const CUT_F_UNSYNCED = 64;
/** The zone is authoritative for nothing: queries are refused. */
export const CUT_F_REFUSE = 128;
/** Questions of class CH are the host's; without it they are refused as those of any other class. */
export const CUT_F_CHAOS = 256;
/**
 * A CNAME to a name of the zone that has no such records is shown in front of the SOA record. CoreDNS
 * hides it: the reply is NODATA as though the name had no records at all.
 */
export const CUT_F_SHOW_CNAME = 512;

// ---- Updates of names: `applyNames` over records in the DELTA mailbox -------------------

/** u32: bytes of the whole record, a multiple of 8. */
export const NAMES_SIZE_OFF = 0;
/** u16 Op. */
export const NAMES_OP_OFF = 4;
/** u16 space. */
export const NAMES_SPACE_OFF = 6;
/** u32 DeltaError, written by the core. */
export const NAMES_RESULT_OFF = 8;
/** The entry; of a deletion up to the end of the name. */
export const NAMES_ENTRY_OFF = 16;

// ---- Batches: `dnsBatch` over descriptors ---------------------------------------------

/** u32 each: address of the message, its length, bytes of room from the address on. */
export const BATCH_MESSAGE_OFF = 0;
export const BATCH_LENGTH_OFF = 4;
export const BATCH_ROOM_OFF = 8;
/** u16 listener, u16 DNS_F_TCP | DNS_F_IPV6. */
export const BATCH_LISTENER_OFF = 12;
export const BATCH_FLAGS_OFF = 14;
/** i32: what `dnsAnswer` returned. */
export const BATCH_RESULT_OFF = 16;
export const BATCH_SIZE = 24;

// ---- Counters: DNS_ZONE_MAX records of u64 words at DNS_COUNTERS_BASE ------------------

export const DNS_ZONE_MAX = 12;
/** The record of what has no zone: malformed messages, and names that no cut covers. */
export const DNS_ZONE_NONE = 0;
export const DNS_ZONE_WORDS = 128;
/** The types that are told apart (those of CoreDNS's coredns_dns_requests_total). */
export enum DnsTypeSlot {
  OTHER = 0,
  A = 1,
  AAAA = 2,
  MX = 3,
  SOA = 4,
  CNAME = 5,
  PTR = 6,
  TXT = 7,
  NS = 8,
  SRV = 9,
  DS = 10,
  DNSKEY = 11,
  RRSIG = 12,
  NSEC = 13,
  NSEC3 = 14,
  HTTPS = 15,
  IXFR = 16,
  AXFR = 17,
  ANY = 18,
}
/** By (type * 2 + IPv6) * 2 + TCP, with types as in DnsTypeSlot. */
export const ZONE_REQUESTS_WORD = 0;
export const DNS_TYPE_SLOTS = 19;
/** Replies by RCODE 0 to 15. */
export const ZONE_REPLIES_WORD = 76;
/** Requests with DO. */
export const ZONE_DO_WORD = 92;
/** Bytes of requests and replies in all. */
export const ZONE_REQUEST_BYTES_WORD = 93;
export const ZONE_REPLY_BYTES_WORD = 94;
/** Left to the host. */
export const ZONE_HOST_WORD = 95;
/**
 * Replies and requests by size, each counted once: in the first slot whose bound it does not exceed,
 * 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3 and 64e3 bytes, or in the last.
 */
export const ZONE_REQUEST_SIZES_WORD = 96;
export const ZONE_REPLY_SIZES_WORD = 110;
export const DNS_SIZE_SLOTS = 14;
/** Requests with octets behind their last record. */
export const ZONE_TRAILING_WORD = 124;

// ---- DNS LOG: a sample of the queries that the core has answered, newest over oldest ------
//
//   0        64          384
//   +--------+-----------+-----------+-----
//   | head   | entry 0   | entry 1   | ...   entry n of all that were written lies at n mod LOG_SLOTS
//   +--------+-----------+-----------+-----

export const DNS_LOG_BASE = 0x3a000;
export const DNS_LOG_BYTES = 0x6000;

/** u32, the host's: one query in so many on average; 0 = none. With it LOG_LEFT is to be set to 0. */
export const LOG_EVERY_OFF = 0;
/** u32: queries to the next entry. */
export const LOG_LEFT_OFF = 4;
/** u32: entries written so far, wraps. */
export const LOG_WRITTEN_OFF = 8;
export const LOG_ENTRIES_OFF = 64;
export const LOG_SLOTS = 64;

export const LOG_ENTRY_SIZE = 320;
/** f64: the time that `dnsAnswer` was given, milliseconds. */
export const LOG_TIME_OFF = 0;
/** u16 each, host order. */
export const LOG_QTYPE_OFF = 8;
export const LOG_RCODE_OFF = 10;
/** u8 DnsWhy. */
export const LOG_WHY_OFF = 12;
/** u8: bytes of the name with its root; 0 = the question could not be read. */
export const LOG_NAME_LEN_OFF = 13;
/** u16. */
export const LOG_LISTENER_OFF = 14;
/** u32: link that the frame came from; 0 = by a socket. */
export const LOG_IFINDEX_OFF = 16;
/** u16 DNS_F_*. */
export const LOG_FLAGS_OFF = 20;
/** u16: bytes of the reply. */
export const LOG_REPLY_LEN_OFF = 22;
/** u32: descriptor of the batch, from 1; 0 = the query was in none. */
export const LOG_BATCH_OFF = 24;
/** 16 bytes, IPv4 mapped: of frames by the core, of sockets by the host; all 0 = not known. */
export const LOG_CLIENT_OFF = 32;
/** As DNS_NAME. */
export const LOG_NAME_OFF = 64;
