/**
 * From frame bytes to the tuple the flow table is keyed by.
 *
 * Fixed offsets only: an IPv4 header with options, an IPv6 extension header or a fragment has
 * no tuple here, the lane deals with it. Lengths inside the headers are not judged: a hit
 * rewrites bytes that were proved to lie in the frame, and the receiver judges the rest.
 */
#pragma once

#include "bytes.h"

// RFC 791 3.1
#define IPV4_HLEN 20
#define IPV4_VERSION_IHL_OFF 0
#define IPV4_FRAGMENT_OFF 6
#define IPV4_TTL_OFF 8
#define IPV4_PROTO_OFF 9
#define IPV4_CHECKSUM_OFF 10
#define IPV4_SRC_OFF 12
#define IPV4_DST_OFF 16
#define IPV4_PLAIN 0x45
/** More-fragments flag and fragment offset. */
#define IPV4_FRAGMENT_MASK_LE 0xff3f
#define IPV4_FRAGMENT_OFFSET_MASK_LE 0xff1f

// RFC 8200 3
#define IPV6_HLEN 40
#define IPV6_NEXT_HEADER_OFF 6
#define IPV6_HOP_LIMIT_OFF 7
#define IPV6_SRC_OFF 8
#define IPV6_DST_OFF 24
#define IPV6_VERSION_MASK 0xf0
#define IPV6_VERSION 0x60
#define IPV6_HOP_BY_HOP 0
#define IPV6_FRAGMENT 44
/** Of a fragment header: the protocol of the datagram. */
#define IPV6_FRAGMENT_NEXT_HEADER_OFF 0
// RFC 4291 2.5.6: fe80::/10, as the first u16 of an address is loaded.
#define IPV6_LINK_LOCAL_MASK_LE 0xc0ff
#define IPV6_LINK_LOCAL_LE 0x80fe

// RFC 9293 3.1, RFC 768, RFC 9260 3.1, RFC 792, RFC 4443
#define L4_PORTS_OFF 0
#define TCP_DATA_OFFSET_OFF 12
#define TCP_FLAGS_OFF 13
#define TCP_CHECKSUM_OFF 16
#define TCP_HLEN 20
#define TCP_FIN_SYN_RST 0x07
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define UDP_CHECKSUM_OFF 6
#define UDP_HLEN 8
#define ICMP_TYPE_CODE_OFF 0
#define ICMP_CHECKSUM_OFF 2
#define ICMP_ID_OFF 4
/** Type 0 or 8 with code 0. */
#define ICMP_ECHO_MASK_LE 0xfff7
#define ICMP_ECHO_LE 0
/** Type 128 or 129 with code 0. */
#define ICMPV6_ECHO_MASK_LE 0xfffe
#define ICMPV6_ECHO_LE 128

/** Bytes that must be there before `parse` is asked: the shortest transport header included. */
#define FRAME_MIN4 (ETH_HLEN + IPV4_HLEN + UDP_HLEN)
#define FRAME_MIN6 (ETH_HLEN + IPV6_HLEN + UDP_HLEN)
/** Bytes that any parse looks at. */
#define FRAME_HEADERS_MAX (ETH_HLEN + IPV6_HLEN + TCP_HLEN)

/** One IP packet. After inlining it lives in registers and on the stack. */
struct packet {
  /** IPv4: [0] source, destination. IPv6: [0..1] source, [2..3] destination. */
  __u64 addr[4];
  /** As FLOW_PORTS: both ports, or an echo identifier twice; 0 when there is no tuple. */
  __u32 ports;
  /** Protocol number, scope above it: as the two bytes at FLOW_PROTO. */
  __u32 proto;
  /** Offset of the transport checksum from the start of the frame. */
  __u32 csum_off;
  __u32 ttl;
  /** TCP for the lane to decide: a SYN that opens a connection, or flags that no TCP sends. */
  bool decisive;
  /** FIN, SYN and RST of TCP: what moves a connection's state. */
  __u8 tcp_turns;
};

INLINE __u32 l4_off(const bool v6) { return ETH_HLEN + (v6 ? IPV6_HLEN : IPV4_HLEN); }

/**
 * The transport part of `parse`.
 *
 * @returns false when the protocol has no tuple, or the frame ends within a TCP header
 */
INLINE bool parse_l4(const void *frame, const void *end, const bool v6, struct packet *p) {
  const void *l4 = frame + l4_off(v6);
  p->ports = load32(l4, L4_PORTS_OFF);
  p->decisive = false;
  p->tcp_turns = 0;
  if (p->proto == IPPROTO_TCP) {
    if (l4 + TCP_HLEN > end) return false;
    const __u8 flags = load8(l4, TCP_FLAGS_OFF);
    const __u8 turns = flags & TCP_FIN_SYN_RST;
    p->tcp_turns = turns;
    if (unlikely(turns)) {
      const bool answers = flags & TCP_ACK && (turns == TCP_SYN || turns == TCP_FIN);
      p->decisive = turns != TCP_RST && !answers;
    }
    p->csum_off = l4_off(v6) + TCP_CHECKSUM_OFF;
    return true;
  }
  if (p->proto == IPPROTO_UDP) {
    p->csum_off = l4_off(v6) + UDP_CHECKSUM_OFF;
    return true;
  }
  // A tuple, but never executed: flow_match.
  if (p->proto == IPPROTO_SCTP) return true;
  if (p->proto != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) return false;
  const __u16 kind = load16(l4, ICMP_TYPE_CODE_OFF);
  if (v6 ? (kind & ICMPV6_ECHO_MASK_LE) != ICMPV6_ECHO_LE
         : (kind & ICMP_ECHO_MASK_LE) != ICMP_ECHO_LE) {
    return false;
  }
  const __u32 id = load16(l4, ICMP_ID_OFF);
  p->ports = id | id << 16;
  p->csum_off = l4_off(v6) + ICMP_CHECKSUM_OFF;
  return true;
}

/**
 * Read the tuple of the IP packet in `frame`.
 *
 * @param frame  at least FRAME_MIN4 (FRAME_MIN6) bytes
 * @param v6     a constant: one body for both versions
 * @returns      true when the packet has a tuple; addresses are read in either case
 */
INLINE bool parse(const void *frame, const void *end, const bool v6, struct packet *p) {
  const void *ip = frame + ETH_HLEN;
  if (v6) {
    p->addr[0] = load64(ip, IPV6_SRC_OFF);
    p->addr[1] = load64(ip, IPV6_SRC_OFF + 8);
    p->addr[2] = load64(ip, IPV6_DST_OFF);
    p->addr[3] = load64(ip, IPV6_DST_OFF + 8);
    p->proto = load8(ip, IPV6_NEXT_HEADER_OFF);
    p->ttl = load8(ip, IPV6_HOP_LIMIT_OFF);
    if ((load8(ip, IPV4_VERSION_IHL_OFF) & IPV6_VERSION_MASK) != IPV6_VERSION) return false;
  } else {
    p->addr[0] = load64(ip, IPV4_SRC_OFF);
    p->proto = load8(ip, IPV4_PROTO_OFF);
    p->ttl = load8(ip, IPV4_TTL_OFF);
    if (load8(ip, IPV4_VERSION_IHL_OFF) != IPV4_PLAIN) return false;
    if (load16(ip, IPV4_FRAGMENT_OFF) & IPV4_FRAGMENT_MASK_LE) return false;
  }
  return parse_l4(frame, end, v6, p);
}
