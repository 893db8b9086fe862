/**
 * trunk: TC on slc0, the host side of the trunk.
 *
 * Ingress: frames from the lane, which has decided; their stamp says what is to be done.
 * Egress: frames climbing to the lane pass; what the host sends to services is executed from its
 * row or climbs as well. A route brings it here, or host.bpf.c does.
 */
#include "tc.h"

#define STAMP_IFINDEX_OFF (ETH_DST_OFF + 2)
#define STAMP_ACTION_OFF (ETH_SRC_OFF + 2)

/** Whether packets to the pod behind a link have to pass a queueing discipline on our end. */
INLINE bool is_shaped(__u32 ifindex) {
  const void *link = bpf_map_lookup_elem(&links, &ifindex);
  return link && load32(link, LINKS_FLAGS_OFF) & LINK_F_SHAPED;
}

/** Talk about neighbours, which no route leads to. */
INLINE bool is_to_link_local(struct __sk_buff *skb) {
  const void *frame = skb_begin(skb);
  if (frame + ETH_HLEN + IPV6_HLEN > skb_end(skb)) return false;
  if (load16(frame, ETH_TYPE_OFF) != ETH_TYPE_IPV6_LE) return false;
  const __u16 dst = load16(frame, ETH_HLEN + IPV6_DST_OFF);
  return (dst & IPV6_LINK_LOCAL_MASK_LE) == IPV6_LINK_LOCAL_LE;
}

SEC("tc/ingress")
int trunk_ingress(struct __sk_buff *skb) {
  const void *frame = skb_begin(skb);
  if (frame + ETH_HLEN > skb_end(skb)) return TC_ACT_SHOT;
  const bool stamped = load16(frame, ETH_DST_OFF) == STAMP_PREFIX_LE &&
                       load16(frame, ETH_SRC_OFF) == STAMP_PREFIX_LE;
  const __u32 ifindex = load32(frame, STAMP_IFINDEX_OFF);
  const __u16 type = load16(frame, ETH_TYPE_OFF);
  const bool ip = type == ETH_TYPE_IPV4_LE || type == ETH_TYPE_IPV6_LE;
  const __u8 action = stamped ? load8(frame, STAMP_ACTION_OFF) : ACTION_NONE;
  if (action == ACTION_POD) {
    if (!ip || !is_shaped(ifindex) || is_to_link_local(skb)) return to_pod(skb, ifindex);
    // Out of our end, where a queueing discipline waits; the neighbour there is the pod.
    return bpf_redirect_neigh(ifindex, NULL, 0, 0);
  }
  if (action == ACTION_UPLINK && ip) {
    skb->tc_index = TC_INDEX_SENT;
    return bpf_redirect_neigh(ifindex, NULL, 0, 0);
  }
  if (action == ACTION_HOST) {
    // Its destination MAC is the stamp, so the link took it for somebody else's.
    bpf_skb_change_type(skb, PACKET_HOST);
    return TC_ACT_OK;
  }
  count(KERNEL_COUNTER_BAD_STAMP);
  return TC_ACT_SHOT;
}

INLINE int host_ip(struct __sk_buff *skb, const void *ctl, const bool v6, const void *frame,
                   const void *end) {
  struct packet p = {};
  struct action a;
  // What the host itself sends comes by no link, so rows bound to one do not apply.
  if (parse(frame, end, v6, &p) &&
      skb_match(skb, ctl, v6, HOOK_TRUNK, frame, end, &p, &a) == MATCH_EXECUTE) {
    return skb_execute(skb, ctl, v6, HOOK_TRUNK, &p, &a);
  }
  if (!lane_alive(ctl)) {
    count(KERNEL_COUNTER_LANE_SILENT_DROP);
    return TC_ACT_SHOT;
  }
  if (!stamp(skb, skb->ifindex)) return TC_ACT_SHOT;
  count(KERNEL_COUNTER_TRUNK_CLIMB);
  return TC_ACT_OK;
}

SEC("tc/egress")
int trunk_egress(struct __sk_buff *skb) {
  const void *frame = skb_begin(skb);
  const void *end = skb_end(skb);
  if (frame + ETH_HLEN > end) return TC_ACT_SHOT;
  if (load16(frame, ETH_SRC_OFF) == STAMP_PREFIX_LE) return TC_ACT_OK;
  const void *ctl = control_page();
  if (!ctl) return TC_ACT_SHOT;
  pull_headers(skb);
  frame = skb_begin(skb);
  end = skb_end(skb);
  if (frame + FRAME_MIN4 > end) return TC_ACT_SHOT;
  const __u16 type = load16(frame, ETH_TYPE_OFF);
  if (type == ETH_TYPE_IPV4_LE) return host_ip(skb, ctl, false, frame, end);
  if (type != ETH_TYPE_IPV6_LE || frame + FRAME_MIN6 > end) return TC_ACT_SHOT;
  return host_ip(skb, ctl, true, frame, end);
}

char LICENSE[] SEC("license") = "Apache-2.0";
