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

/** The `ours` map: exact (address, port, protocol), then the address whatever the port. */
INLINE bool is_ours(const void *frame, const void *end, const bool v6, const struct packet *p) {
  struct ours_key key = {
      .addr_high = v6 ? p->addr[2] : 0,
      .addr_low = v6 ? p->addr[3] : (__u64)word(p, 1) << 32 | IPV4_MAPPED,
  };
  const __u32 port = dst_port(frame, end, v6, p);
  if (port) {
    key.port_and_proto = port | p->proto << 16;
    if (bpf_map_lookup_elem(&ours, &key)) return true;
  }
  key.port_and_proto = 0;
  return bpf_map_lookup_elem(&ours, &key);
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
  if (!IPPROTO_NEEDS_PORTS(q.proto)) return false;
  const __u32 ports = load32(quoted, l4_off(v6));
  q.ports = ports << 16 | ports >> 16;
  __u32 idx, seq;
  return flow_find(ctl, v6, &q, &idx, &seq);
}
