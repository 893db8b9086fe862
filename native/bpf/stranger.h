/**
 * Tunnels: what comes in one is taken for other nodes' (RFC 7348 7: a VTEP has to know who may
 * send). The nodes' addresses are in `ours`, told apart from what packets are to by a mark. So are
 * the host's own: what it passes on is none of its tunnels' business.
 */
#pragma once

#include "ours.h"

// RFC 7348 5: three bytes of network identifier, then one that is reserved.
#define VXLAN_VNI_OFF 4
#define VXLAN_HLEN 8
#define VXLAN_VNI_MASK_LE 0x00ffffff
/** Above port and protocol in a key of `ours`: the address is a node's that may send tunnel
 * packets. */
#define OURS_TUNNEL_PEER (1ULL << 24)
/** Likewise: the address is one of this host's. */
#define OURS_TUNNEL_HERE (2ULL << 24)

/** Of the network of our tunnel, as far as can be seen. */
INLINE bool has_our_vni(const void *ctl, const void *frame, const void *end, const bool v6) {
  const void *vxlan = frame + l4_off(v6) + UDP_HLEN;
  if (!v6) {
    const void *ip = frame + ETH_HLEN;
    vxlan = ip + (load8(ip, IPV4_VERSION_IHL_OFF) & IPV4_IHL_MASK) * 4 + UDP_HLEN;
  }
  if (vxlan + VXLAN_HLEN > end) return true;
  const __u32 vni = load32(vxlan, VXLAN_VNI_OFF) & VXLAN_VNI_MASK_LE;
  return vni == load32(ctl, CONTROL_TUNNEL_VNI_OFF);
}

/**
 * For our tunnel, but from nobody we know? Asked before anything else that a row does not know: the
 * first fragment of a packet would else go by the lane to the host, which puts it together.
 */
INLINE bool is_stranger(const void *ctl, const void *frame, const void *end, const bool v6,
                        const struct packet *p) {
  const __u32 port = load32(ctl, CONTROL_TUNNEL_PORT_OFF);
  if (likely(!port) || p->proto != IPPROTO_UDP || dst_port(frame, end, v6, p) != port) return false;
  if (!has_our_vni(ctl, frame, end, v6)) return false;
  const __u64 port_and_proto = port | IPPROTO_UDP << 16;
  const struct ours_key from = {
      .addr_high = v6 ? p->addr[0] : 0,
      .addr_low = v6 ? p->addr[1] : (__u64)word(p, 0) << 32 | IPV4_MAPPED,
      .port_and_proto = port_and_proto | OURS_TUNNEL_PEER,
  };
  if (bpf_map_lookup_elem(&ours, &from)) return false;
  const struct ours_key to = {
      .addr_high = v6 ? p->addr[2] : 0,
      .addr_low = v6 ? p->addr[3] : (__u64)word(p, 1) << 32 | IPV4_MAPPED,
      .port_and_proto = port_and_proto | OURS_TUNNEL_HERE,
  };
  return bpf_map_lookup_elem(&ours, &to);
}
