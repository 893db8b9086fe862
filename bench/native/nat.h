/**
 * Rewriting a frame as its row says, in C: assembly/stage/nat.ts for TCP and UDP over IPv4, with
 * every question that it asks on the way. Where a frame of the bench never leads (an answer to a
 * frame that is too long, a checksum that a device is to complete), it gives up.
 */
#pragma once
#include "flow.h"

static inline bool decrement_ttl(uint8_t *ip) {
  if (ip[8] <= 1) return false;
  ip[8]--;
  store16(ip + 10, apply_delta(load16(ip + 10), 0xfffe));
  return true;
}

static inline void translate_udp(uint8_t *udp, const uint8_t *row, uint16_t delta) {
  store32(udp, load32(row + FLOW_NEW_PORTS_OFF));
  uint16_t checksum = load16(udp + 6);
  if (checksum == 0) return;
  checksum = apply_delta(checksum, delta);
  store16(udp + 6, checksum ? checksum : 0xffff);
}

static inline void translate_tcp(uint8_t *tcp, const uint8_t *row, uint16_t delta) {
  store32(tcp, load32(row + FLOW_NEW_PORTS_OFF));
  store16(tcp + 16, apply_delta(load16(tcp + 16), delta));
}

/** False: the packet goes no further, or the bench has none like it. */
static inline bool nat(Pkt *p) {
  const uint8_t *row = p->row;
  uint8_t *ip = p->frame + p->l3, flags = row[FLOW_FLAGS_OFF];
  p->action = row[FLOW_ACTION_OFF];
  p->out_ifindex = load32(row + FLOW_OUT_IFINDEX_OFF);
  p->macs = flags & FLOW_F_MACS ? row + FLOW_DST_MAC_OFF : NULL;
  uint32_t mtu = load16(row + FLOW4_MTU_OFF);
  if (mtu != 0 && p->len - p->l3 > mtu) return false;
  if (p->action != ACTION_HOST && !decrement_ttl(ip)) return false;
  if (!(flags & FLOW_F_NAT)) return true;
  store32(ip + 12, load32(row + FLOW4_NEW_SRC_OFF));
  store32(ip + 16, load32(row + FLOW4_NEW_DST_OFF));
  store16(ip + 10, apply_delta(load16(ip + 10), load16(row + FLOW_ADDR_DELTA_OFF)));
  if (p->flags & PKT_F_LATER_FRAGMENT) return true;
  if (p->flags & PKT_F_PARTIAL_CSUM) return false;
  uint16_t delta =
      fold((uint64_t)load16(row + FLOW_ADDR_DELTA_OFF) + load16(row + FLOW_PORT_DELTA_OFF));
  switch (p->proto) {
    case IPPROTO_TCP:
      translate_tcp(p->frame + p->l4, row, delta);
      return true;
    case IPPROTO_UDP:
      translate_udp(p->frame + p->l4, row, delta);
      return true;
    default:
      return false;
  }
}
