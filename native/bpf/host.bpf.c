/**
 * host: TC egress of the loopback, of every uplink and of the host's side of every pod link, for
 * what the host's own stack sends.
 *
 * Service addresses are routed at the trunk, but not those the host shares with its services: its
 * own addresses with node ports, external ones somebody else may route. And a process of the host
 * that is a backend answers with its own address. What is to a frontend of ours or of a flow that a
 * row knows is sent by the trunk; all else goes on untouched.
 */
#include "ours.h"
#include "tc.h"

/**
 * What Sluice itself has sent goes where it was sent. A frame from the lane or a pod's shows it by
 * where it came in, also when the host forwards it because the lane had nothing to say about it.
 */
INLINE bool is_sent(const struct __sk_buff *skb, __u32 trunk) {
  if (skb->tc_index == TC_INDEX_SENT) return true;
  __u32 from = skb->ingress_ifindex;
  return from && (from == trunk || bpf_map_lookup_elem(&links, &from));
}

/** Does a row say what becomes of this packet once it is on the trunk? */
INLINE bool has_row(const void *ctl, const bool v6, __u32 trunk, const struct packet *p) {
  __u32 idx, seq;
  const void *row = flow_find(ctl, v6, p, &idx, &seq);
  return row && load32(row, FLOW_IN_IFINDEX_OFF) == trunk;
}

INLINE int by_trunk(struct __sk_buff *skb, __u32 trunk) {
  // A pod link's own address begins like a stamp: on the trunk it must not be taken for one. By
  // call, because a program that writes to packets directly has every clone copied, ours or not.
  const __u16 unstamped = 0;
  if (bpf_skb_store_bytes(skb, ETH_SRC_OFF, &unstamped, sizeof unstamped, 0)) return TC_ACT_SHOT;
  return bpf_redirect(trunk, 0);
}

INLINE int host_ip(struct __sk_buff *skb, const bool v6, const void *frame, const void *end) {
  const void *ctl = control_page();
  if (!ctl) return TC_ACT_UNSPEC;
  const __u32 trunk = load32(ctl, CONTROL_TRUNK_IFINDEX_OFF);
  if (!trunk || is_sent(skb, trunk)) return TC_ACT_UNSPEC;
  struct packet p = {};
  if (parse(frame, end, v6, &p) && has_row(ctl, v6, trunk, &p)) return by_trunk(skb, trunk);
  if (!is_frontend(frame, end, v6, &p) && !quotes_flow(ctl, frame, end, v6, &p)) {
    return TC_ACT_UNSPEC;
  }
  return lane_alive(ctl) ? by_trunk(skb, trunk) : TC_ACT_UNSPEC;
}

SEC("tc/egress")
int host_egress(struct __sk_buff *skb) {
  // Another VLAN's packet is none of ours.
  if (skb->vlan_present) return TC_ACT_UNSPEC;
  pull_headers(skb);
  const void *frame = skb_begin(skb);
  const void *end = skb_end(skb);
  if (frame + FRAME_MIN4 > end) return TC_ACT_UNSPEC;
  const __u16 type = load16(frame, ETH_TYPE_OFF);
  if (type == ETH_TYPE_IPV4_LE) return host_ip(skb, false, frame, end);
  if (type != ETH_TYPE_IPV6_LE || frame + FRAME_MIN6 > end) return TC_ACT_UNSPEC;
  return host_ip(skb, true, frame, end);
}

char LICENSE[] SEC("license") = "Apache-2.0";
