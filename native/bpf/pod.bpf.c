/**
 * pod: TC ingress on the host side of a pod's link, for everything the pod sends.
 *
 * A packet with a row is executed. One without climbs to the lane, if its source addresses are the
 * pod's own; when the lane is silent the fail mode decides. The MAC address is looked at where
 * there is no row: it goes no further than this link, so that one in a row's packet deceives
 * nobody.
 */
#include "tc.h"

// RFC 826: operation "request", network order.
#define ARP_OP_OFF (ETH_HLEN + 6)
#define ARP_REQUEST_LE 0x0100
// RFC 4861, RFC 2710, RFC 3810: neighbour discovery and multicast listener messages.
#define ICMPV6_MLD_FIRST 130
#define ND_NEIGHBOR_SOLICIT 135
#define ND_REDIRECT 137
#define ICMPV6_MLD2_REPORT 143
/** Bytes of the hop-by-hop header that MLD messages carry: router alert (RFC 2711). */
#define MLD_HOP_BY_HOP_LEN 8

// RFC 2131 4.1: source port 68, destination port 67.
#define DHCP_PORTS_LE 0x43004400

enum icmpv6_class { NOT_NEIGHBOUR, NEIGHBOUR_SOLICIT, NEIGHBOUR_OTHER };

INLINE enum icmpv6_class icmpv6_class(const void *frame, const void *end) {
  const void *l4 = frame + ETH_HLEN + IPV6_HLEN;
  __u8 proto = load8(frame, ETH_HLEN + IPV6_NEXT_HEADER_OFF);
  if (proto == IPV6_HOP_BY_HOP) {
    proto = load8(l4, 0);
    l4 += MLD_HOP_BY_HOP_LEN;
    if (l4 + ICMP_CHECKSUM_OFF > end) return NOT_NEIGHBOUR;
  }
  if (proto != IPPROTO_ICMPV6) return NOT_NEIGHBOUR;
  const __u8 type = load8(l4, ICMP_TYPE_CODE_OFF);
  if (type == ND_NEIGHBOR_SOLICIT) return NEIGHBOUR_SOLICIT;
  const bool other =
      (type >= ICMPV6_MLD_FIRST && type <= ND_REDIRECT) || type == ICMPV6_MLD2_REPORT;
  return other ? NEIGHBOUR_OTHER : NOT_NEIGHBOUR;
}

/** May a pod with this MAC address send this frame? */
INLINE bool mac_allowed(const void *link, const void *frame) {
  const __u32 first = load32(link, LINKS_MAC_OFF);
  const __u16 last = load16(link, LINKS_MAC_OFF + 4);
  if (!first && !last) return true;
  return load32(frame, ETH_SRC_OFF) == first && load16(frame, ETH_SRC_OFF + 4) == last;
}

/** What is not IP, or of the link alone, says nothing of a source but its MAC address. */
INLINE bool spoofs_mac(const struct __sk_buff *skb, const void *frame) {
  __u32 ifindex = skb->ifindex;
  const void *link = bpf_map_lookup_elem(&links, &ifindex);
  if (!link || mac_allowed(link, frame)) return false;
  count(KERNEL_COUNTER_SPOOF_MAC);
  return true;
}

/** May a pod with these addresses send a packet with this source? */
INLINE bool source_allowed(const void *link, const bool v6, const struct packet *p) {
  if (v6) {
    if ((p->addr[0] & IPV6_LINK_LOCAL_MASK_LE) == IPV6_LINK_LOCAL_LE) return true;
    if (!p->addr[0] && !p->addr[1]) return true;
    return p->addr[0] == load64(link, LINKS_ADDR6_OFF) &&
           p->addr[1] == load64(link, LINKS_ADDR6_OFF + 8);
  }
  const __u32 src = word(p, 0);
  if (src == 0) return p->proto == IPPROTO_UDP && p->ports == DHCP_PORTS_LE;
  return src == load32(link, LINKS_ADDR4_OFF);
}

/** A packet without a row: check its source, then up. */
INLINE int pod_miss(struct __sk_buff *skb, const void *ctl, const bool v6, const void *frame,
                    const struct packet *p) {
  __u32 ifindex = skb->ifindex;
  const void *link = bpf_map_lookup_elem(&links, &ifindex);
  if (!link) {
    if (!fail_closed(ctl)) return TC_ACT_OK;
    count(KERNEL_COUNTER_UNKNOWN_LINK);
    return TC_ACT_SHOT;
  }
  if (!mac_allowed(link, frame)) {
    count(KERNEL_COUNTER_SPOOF_MAC);
    return TC_ACT_SHOT;
  }
  if (!source_allowed(link, v6, p)) {
    count(v6 ? KERNEL_COUNTER_SPOOF_IPV6 : KERNEL_COUNTER_SPOOF_IPV4);
    return TC_ACT_SHOT;
  }
  return climb_or_fail(skb, ctl, KERNEL_COUNTER_POD_CLIMB);
}

INLINE int pod_ip(struct __sk_buff *skb, const void *ctl, const bool v6, const void *frame,
                  const void *end) {
  struct packet p = {};
  struct action a;
  if (parse(frame, end, v6, &p) &&
      skb_match(skb, ctl, v6, HOOK_POD, frame, end, &p, &a) == MATCH_EXECUTE) {
    return skb_execute(skb, ctl, v6, HOOK_POD, &p, &a);
  }
  return pod_miss(skb, ctl, v6, frame, &p);
}

SEC("tc/ingress")
int pod_ingress(struct __sk_buff *skb) {
  const void *ctl = control_page();
  if (!ctl || skb->vlan_present) return TC_ACT_OK;
  pull_headers(skb);
  const void *frame = skb_begin(skb);
  const void *end = skb_end(skb);
  if (frame + FRAME_MIN4 > end) return TC_ACT_OK;
  const __u16 type = load16(frame, ETH_TYPE_OFF);
  if (type == ETH_TYPE_IPV4_LE) return pod_ip(skb, ctl, false, frame, end);
  if (type == ETH_TYPE_IPV6_LE) {
    if (frame + FRAME_MIN6 > end) return TC_ACT_OK;
    const enum icmpv6_class kind = icmpv6_class(frame, end);
    if (kind == NOT_NEIGHBOUR) return pod_ip(skb, ctl, true, frame, end);
    if (spoofs_mac(skb, frame)) return TC_ACT_SHOT;
    if (kind == NEIGHBOUR_OTHER || !lane_alive(ctl)) return TC_ACT_OK;
    return climb(skb, ctl, KERNEL_COUNTER_POD_CLIMB);
  }
  if (spoofs_mac(skb, frame)) return TC_ACT_SHOT;
  if (type == ETH_TYPE_ARP_LE && load16(frame, ARP_OP_OFF) == ARP_REQUEST_LE && lane_alive(ctl)) {
    return climb(skb, ctl, KERNEL_COUNTER_POD_CLIMB);
  }
  return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Apache-2.0";
