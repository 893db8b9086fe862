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
  if (action == ACTION_POD) return to_pod(skb, ifindex);
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
