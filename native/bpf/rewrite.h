/**
 * Do to a packet what a row says, checksums by the row's precomputed deltas (RFC 1624 eqn. 3).
 */
#pragma once

#include "flow.h"

/** One's-complement -1: what a decremented TTL adds to the IPv4 header's sum. */
#define TTL_DELTA 0xfffe
/** A UDP checksum that computes to 0 is sent so (RFC 768). */
#define UDP_CHECKSUM_ZERO 0xffff

/** Does the packet leave this node's stack, so that its TTL counts? */
INLINE bool forwards(const struct action *a) { return a->action != ACTION_HOST; }

INLINE bool is_echo(const struct packet *p) {
  return p->proto != IPPROTO_UDP && p->proto != IPPROTO_TCP;
}

/** HC' = ~fold(~HC + delta); `delta` is a sum of at most four 16-bit words. */
INLINE __u16 csum_add(__u16 csum, __u32 delta) {
  __u32 sum = (__u16)~csum + delta;
  sum = (sum & 0xffff) + (sum >> 16);
  sum += sum >> 16;
  return ~sum;
}

/** What a row adds to the transport checksum: ICMP over IPv4 has no pseudo header. */
INLINE __u32 l4_delta(const bool v6, const struct packet *p, const struct action *a) {
  return a->port_delta + (!v6 && is_echo(p) ? 0 : a->addr_delta);
}

/**
 * Everything but the transport checksum: addresses, ports, TTL, IPv4 checksum, MACs.
 *
 * @param frame  checked up to 8 bytes of transport header, writable
 */
INLINE void write_headers(void *frame, const bool v6, const struct packet *p,
                          const struct action *a) {
  void *ip = frame + ETH_HLEN;
  __u32 delta = 0;
  if (a->flags & FLOW_F_NAT) {
    delta = a->addr_delta;
#pragma unroll
    for (__u32 i = 0; i < (v6 ? 4 : 1); i++) {
      store64(ip, (v6 ? IPV6_SRC_OFF : IPV4_SRC_OFF) + 8 * i, a->new_addr[i]);
    }
    if (is_echo(p)) {
      store16(frame, l4_off(v6) + ICMP_ID_OFF, a->new_ports);
    } else {
      store32(frame, l4_off(v6) + L4_PORTS_OFF, a->new_ports);
    }
  }
  if (forwards(a)) {
    delta += TTL_DELTA;
    store8(ip, v6 ? IPV6_HOP_LIMIT_OFF : IPV4_TTL_OFF, p->ttl - 1);
    if (a->flags & FLOW_F_MACS) {
      store64(frame, ETH_DST_OFF, a->macs);
      store32(frame, ETH_DST_OFF + 8, a->macs_tail);
    }
  }
  if (!v6) store16(ip, IPV4_CHECKSUM_OFF, csum_add(load16(ip, IPV4_CHECKSUM_OFF), delta));
}

/** Patch a complete transport checksum in place. For XDP, where none is partial. */
INLINE void write_l4_csum(void *frame, const bool v6, const struct packet *p,
                          const struct action *a) {
  const __u16 old = load16(frame, p->csum_off);
  if (p->proto == IPPROTO_UDP && old == 0) return;
  __u16 csum = csum_add(old, l4_delta(v6, p, a));
  if (p->proto == IPPROTO_UDP && csum == 0) csum = UDP_CHECKSUM_ZERO;
  store16(frame, p->csum_off, csum);
}

/**
 * Patch a transport checksum whatever its state: complete, partial or of a super-frame.
 *
 * Only the helper knows which it is. A partial checksum holds the pseudo header's sum alone, so
 * what addresses and ports add is handed over apart. Packet pointers are void afterwards.
 */
INLINE void skb_l4_csum(struct __sk_buff *skb, const bool v6, const struct packet *p,
                        const struct action *a) {
  const __u64 mangled = p->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
  if (a->port_delta) bpf_l4_csum_replace(skb, p->csum_off, 0, a->port_delta, mangled);
  if (!a->addr_delta || (!v6 && is_echo(p))) return;
  const __u64 flags = mangled | BPF_F_PSEUDO_HDR;
  if (v6) {
    // Without the flag a receive checksum over the whole packet would be "corrected" for an
    // address change that IPv6 has already compensated within the packet.
    const long err =
        bpf_l4_csum_replace(skb, p->csum_off, 0, a->addr_delta, flags | L4_CSUM_F_IPV6);
    if (err != -EINVAL) return;
  }
  bpf_l4_csum_replace(skb, p->csum_off, 0, a->addr_delta, flags);
}
