/**
 * Is a packet that no row knows the lane's business at all?
 *
 * On an uplink almost everything is the host's. Asked only after a miss.
 */
#pragma once

#include "flow.h"

#define IPPROTO_NEEDS_PORTS(proto) \
  ((proto) == IPPROTO_TCP || (proto) == IPPROTO_UDP || (proto) == IPPROTO_SCTP)
#define IPV4_IHL_MASK 0x0f
/** ::ffff:0:0/96, the second half of an IPv4-mapped address as it lies in memory. */
#define IPV4_MAPPED 0xffff0000ULL
#define L4_DST_PORT_OFF 2
/** First octet of an address, and the one that means "this host" (RFC 1122 3.2.1.3). */
#define IPV4_NET_MASK_LE 0xff
#define IPV4_LOOPBACK_NET_LE 127
// ICMP errors quote the packet they are about, behind 8 bytes (RFC 792, RFC 4443).
#define ICMP_HLEN 8
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMPV6_ERROR_MAX 4

/** Destination port in network order, 0 when the packet has none in reach. */
INLINE __u32 dst_port(const void *frame, const void *end, const bool v6, const struct packet *p) {
  const void *l4 = frame + l4_off(v6);
  if (!IPPROTO_NEEDS_PORTS(p->proto)) return 0;
  if (!v6) {
    const void *ip = frame + ETH_HLEN;
    if (load16(ip, IPV4_FRAGMENT_OFF) & IPV4_FRAGMENT_OFFSET_MASK_LE) return 0;
    l4 = ip + (load8(ip, IPV4_VERSION_IHL_OFF) & IPV4_IHL_MASK) * 4;
  }
  if (l4 + UDP_HLEN > end) return 0;
  return load16(l4, L4_DST_PORT_OFF);
}

/** Look up what `ours` says of the packet's destination. @param port 0: see `ours` in maps.h */
INLINE bool in_ours(const bool v6, const struct packet *p, __u32 port, __u32 proto) {
  const struct ours_key key = {
      .addr_high = v6 ? p->addr[2] : 0,
      .addr_low = v6 ? p->addr[3] : (__u64)word(p, 1) << 32 | IPV4_MAPPED,
      .port_and_proto = port | proto << 16,
  };
  return bpf_map_lookup_elem(&ours, &key);
}

/** Protocol of the datagram a packet is a fragment of, 0 = it is none. */
INLINE __u32 fragment_proto(const void *frame, const bool v6, const struct packet *p) {
  if (v6) {
    if (p->proto != IPV6_FRAGMENT) return 0;
    return load8(frame, l4_off(v6) + IPV6_FRAGMENT_NEXT_HEADER_OFF);
  }
  return load16(frame, ETH_HLEN + IPV4_FRAGMENT_OFF) & IPV4_FRAGMENT_MASK_LE ? p->proto : 0;
}

/**
 * Is the packet to one of our frontends, or a fragment that may be?
 *
 * All fragments of a protocol to a frontend's address go one way: which port they are for only the
 * first one says.
 */
INLINE bool is_frontend(const void *frame, const void *end, const bool v6, const struct packet *p) {
  const __u32 port = dst_port(frame, end, v6, p);
  if (port && in_ours(v6, p, port, p->proto)) return true;
  const __u32 proto = fragment_proto(frame, v6, p);
  return proto && in_ours(v6, p, 0, proto);
}

/** Nobody outside speaks with 127.0.0.0/8 (RFC 1122 3.2.1.3), whatever of it is a frontend. */
INLINE bool is_to_loopback(const bool v6, const struct packet *p) {
  return !v6 && (word(p, 1) & IPV4_NET_MASK_LE) == IPV4_LOOPBACK_NET_LE;
}

/** What comes from outside for a frontend, or to an address that is ours as a whole. */
INLINE bool is_ours(const void *frame, const void *end, const bool v6, const struct packet *p) {
  if (is_to_loopback(v6, p)) return false;
  return is_frontend(frame, end, v6, p) || in_ours(v6, p, 0, 0);
}

INLINE bool is_icmp_error(const void *l4, const bool v6) {
  const __u8 type = load8(l4, ICMP_TYPE_CODE_OFF);
  if (v6) return type >= 1 && type <= ICMPV6_ERROR_MAX;
  return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

/** An ICMP error about a packet of a flow we have translated: the host would not know it. */
INLINE bool quotes_flow(const void *ctl, const void *frame, const void *end, const bool v6,
                        const struct packet *p) {
  if (p->proto != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) return false;
  const void *l4 = frame + l4_off(v6);
  if (!is_icmp_error(l4, v6)) return false;
  // Parsed as if an Ethernet header preceded it.
  const void *quoted = l4 + ICMP_HLEN - ETH_HLEN;
  if (quoted + l4_off(v6) + UDP_HLEN > end) return false;
  struct packet q = {};
  if (v6) {
    q.addr[0] = load64(quoted, ETH_HLEN + IPV6_DST_OFF);
    q.addr[1] = load64(quoted, ETH_HLEN + IPV6_DST_OFF + 8);
    q.addr[2] = load64(quoted, ETH_HLEN + IPV6_SRC_OFF);
    q.addr[3] = load64(quoted, ETH_HLEN + IPV6_SRC_OFF + 8);
    q.proto = load8(quoted, ETH_HLEN + IPV6_NEXT_HEADER_OFF);
  } else {
    const __u64 addr = load64(quoted, ETH_HLEN + IPV4_SRC_OFF);
    q.addr[0] = addr << 32 | addr >> 32;
    q.proto = load8(quoted, ETH_HLEN + IPV4_PROTO_OFF);
    if (load8(quoted, ETH_HLEN) != IPV4_PLAIN) return false;
  }
  if (IPPROTO_NEEDS_PORTS(q.proto)) {
    const __u32 ports = load32(quoted, l4_off(v6));
    q.ports = ports << 16 | ports >> 16;
  } else if (q.proto == p->proto) {
    // An echo request or reply; of anything else no flow has these numbers.
    const __u32 id = load16(quoted, l4_off(v6) + ICMP_ID_OFF);
    q.ports = id | id << 16;
  } else {
    return false;
  }
  __u32 idx, seq;
  return flow_find(ctl, v6, &q, &idx, &seq);
}
