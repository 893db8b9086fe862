/**
 * The record of a frame in flight and the parser that fills it: assembly/pkt.ts and
 * assembly/stage/parse.ts, step by step, as far as IPv4 goes.
 */
#pragma once
#include <stdbool.h>

#include "frame.h"

typedef struct {
  uint8_t *frame;
  uint32_t len, in_ifindex, out_ifindex;
  uint16_t l3, l4, ether_type;
  uint8_t proto, tcp_flags;
  uint16_t flags;
  uint8_t action, drop;
  uint32_t ports;
  uint64_t src_hi, src_lo, dst_hi, dst_lo;
  uint8_t *row, *tally;
  uint32_t link, port, service;
  const uint8_t *macs;
} Pkt;

enum {
  ETHERTYPE_IPV4 = 0x0800,
  ETHERTYPE_VLAN = 0x8100,
  VLAN_HLEN = 18,
  IP_MORE_FRAGMENTS = 0x2000,
  IP_OFFSET = 0x1fff,
  TCP_HLEN = 20,
};
static const uint64_t MAPPED_PREFIX = 0xffff0000u;

/** One record, in memory, reused for every frame: as in the core. */
static Pkt the_pkt;

/** The fields that Pkt.begin of assembly/pkt.ts makes fresh. */
static inline Pkt *begin_pkt(uint8_t *frame, uint32_t len, uint32_t in_ifindex) {
  Pkt *p = &the_pkt;
  p->frame = frame;
  p->len = len;
  p->in_ifindex = in_ifindex;
  p->out_ifindex = 0;
  p->l3 = p->l4 = p->ether_type = 0;
  p->proto = p->tcp_flags = 0;
  p->flags = 0;
  p->action = p->drop = 0;
  p->ports = 0;
  p->src_hi = p->src_lo = 0;
  p->row = p->tally = NULL;
  p->link = p->port = 0;
  p->service = PKT_NO_SERVICE;
  p->macs = NULL;
  return p;
}

static inline bool drop(Pkt *p, uint8_t reason) {
  p->drop = reason;
  return false;
}

static inline bool parse_udp(Pkt *p, uint32_t avail) {
  const uint8_t *udp = p->frame + p->l4;
  if (avail < UDP_HLEN) return drop(p, DROP_SHORT_UDP);
  uint32_t length = be16(load16(udp + 4));
  if (length < UDP_HLEN) return drop(p, DROP_BAD_UDP_LENGTH);
  if (!(p->flags & PKT_F_FRAGMENT) && length > avail) return drop(p, DROP_BAD_UDP_LENGTH);
  p->ports = load32(udp);
  return true;
}

static inline bool parse_tcp(Pkt *p, uint32_t avail) {
  const uint8_t *tcp = p->frame + p->l4;
  if (avail < TCP_HLEN) return drop(p, DROP_SHORT_TCP);
  uint32_t offset = (uint32_t)(tcp[12] >> 4) << 2;
  if (offset < TCP_HLEN || offset > avail) return drop(p, DROP_BAD_TCP_OFFSET);
  p->tcp_flags = tcp[13];
  p->ports = load32(tcp);
  return true;
}

static inline bool parse_ipv4(Pkt *p) {
  const uint8_t *ip = p->frame + p->l3;
  uint32_t avail = p->len - p->l3;
  if (avail < IP_HLEN) return drop(p, DROP_SHORT_IPV4);
  if (ip[0] >> 4 != 4) return drop(p, DROP_BAD_IPV4_VERSION);
  uint32_t hlen = (uint32_t)(ip[0] & 15) << 2, total = be16(load16(ip + 2));
  if (hlen < IP_HLEN) return drop(p, DROP_BAD_IPV4_IHL);
  if (hlen > avail) return drop(p, DROP_SHORT_IPV4);
  if (total < hlen || total > avail) return drop(p, DROP_BAD_IPV4_LENGTH);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < hlen; i += 4) sum += load32(ip + i);
  if (fold(sum) != 0xffff) return drop(p, DROP_BAD_IPV4_CHECKSUM);
  p->flags |= PKT_F_IPV4;
  p->src_hi = p->dst_hi = 0;
  p->src_lo = (uint64_t)load32(ip + 12) << 32 | MAPPED_PREFIX;
  p->dst_lo = (uint64_t)load32(ip + 16) << 32 | MAPPED_PREFIX;
  p->proto = ip[9];
  p->l4 = (uint16_t)(p->l3 + hlen);
  uint16_t fragment = be16(load16(ip + 6));
  if (fragment & (IP_MORE_FRAGMENTS | IP_OFFSET)) p->flags |= PKT_F_FRAGMENT;
  if (fragment & IP_OFFSET) {
    p->flags |= PKT_F_LATER_FRAGMENT;
    return true;
  }
  switch (p->proto) {
    case IPPROTO_TCP:
      return parse_tcp(p, total - hlen);
    case IPPROTO_UDP:
      return parse_udp(p, total - hlen);
    default:
      return true;
  }
}

/** False: dropped, with a reason. */
static inline bool parse(Pkt *p) {
  if (p->len < ETH_HLEN) return drop(p, DROP_SHORT_ETHERNET);
  bool tagged = load16(p->frame + 12) == be16(ETHERTYPE_VLAN);
  if (tagged && p->len < VLAN_HLEN) return drop(p, DROP_SHORT_VLAN);
  p->l3 = tagged ? VLAN_HLEN : ETH_HLEN;
  p->ether_type = be16(load16(p->frame + p->l3 - 2));
  if (p->ether_type != ETHERTYPE_IPV4) return drop(p, DROP_UNKNOWN_ETHERTYPE);
  return parse_ipv4(p);
}
