/**
 * uplink: a device to the outside, as XDP where the driver can, else as TC ingress.
 *
 * A packet with a row is executed. Without one it is the host's, untouched, unless it is ours:
 * taking a node offline by swallowing its traffic is the one unforgivable bug.
 */
#include "stranger.h"
#include "tc.h"

INLINE bool for_lane(const void *ctl, const void *frame, const void *end, const bool v6,
                     const struct packet *p) {
  return is_ours(frame, end, v6, p) || quotes_flow(ctl, frame, end, v6, p);
}

// ---- XDP ----

INLINE int xdp_climb(struct xdp_md *ctx, const void *ctl) {
  if (lane_alive(ctl)) {
    count(KERNEL_COUNTER_UPLINK_CLIMB);
    return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
  }
  return lane_silent(ctl) == TC_ACT_SHOT ? XDP_DROP : XDP_PASS;
}

INLINE int xdp_execute(void *frame, const void *end, const bool v6, const struct packet *p,
                       const struct action *a) {
  flow_tally(v6, a->idx, p, end - (const void *)frame);
  if (a->flags & FLOW_F_NAT) write_l4_csum(frame, v6, p, a);
  write_headers(frame, v6, p, a);
  if (a->action == ACTION_HOST) return XDP_PASS;
  return bpf_redirect(a->out_ifindex, 0);
}

/** XDP sees no super-frames: the frame is what will be on the wire. */
INLINE bool xdp_too_long(const void *frame, const void *end, const struct action *a) {
  return unlikely(a->mtu) && forwards(a) && end - frame - ETH_HLEN > a->mtu;
}

INLINE int xdp_ip(struct xdp_md *ctx, const bool v6, void *frame, const void *end) {
  const void *ctl = control_page();
  if (!ctl) return XDP_PASS;
  struct packet p = {};
  struct action a;
  if (parse(frame, end, v6, &p)) {
    const enum match match = flow_match(ctl, v6, HOOK_UPLINK_XDP, ctx->ingress_ifindex, &p, &a);
    if (match == MATCH_EXECUTE && !xdp_too_long(frame, end, &a)) {
      return xdp_execute(frame, end, v6, &p, &a);
    }
    if (match != MATCH_NONE) return xdp_climb(ctx, ctl);
  }
  if (unlikely(is_stranger(ctl, frame, end, v6, &p))) {
    count(KERNEL_COUNTER_TUNNEL_STRANGER);
    return XDP_DROP;
  }
  return for_lane(ctl, frame, end, v6, &p) ? xdp_climb(ctx, ctl) : XDP_PASS;
}

/**
 * Before XDP nobody has looked whom a frame is for: a device that is promiscuous, or a veth, shows
 * what is meant for others. TC tells by the packet type.
 */
INLINE bool is_for_device(const void *frame) {
  __u32 zero = 0;
  const void *own = bpf_map_lookup_elem(&device, &zero);
  if (!own || load64(own, 0) == 0) return true;
  return load32(frame, ETH_DST_OFF) == load32(own, 0) &&
         load16(frame, ETH_DST_OFF + 4) == load16(own, 4);
}

SEC("xdp")
int uplink_xdp(struct xdp_md *ctx) {
  void *frame = (void *)(long)ctx->data;
  const void *end = (void *)(long)ctx->data_end;
  if (frame + FRAME_MIN4 > end) return XDP_PASS;
  if (!is_for_device(frame)) return XDP_PASS;
  const __u16 type = load16(frame, ETH_TYPE_OFF);
  if (type == ETH_TYPE_IPV4_LE) return xdp_ip(ctx, false, frame, end);
  if (type != ETH_TYPE_IPV6_LE || frame + FRAME_MIN6 > end) return XDP_PASS;
  return xdp_ip(ctx, true, frame, end);
}

// ---- TC ----

INLINE int tc_ip(struct __sk_buff *skb, const bool v6, const void *frame, const void *end) {
  const void *ctl = control_page();
  if (!ctl) return TC_ACT_UNSPEC;
  struct packet p = {};
  struct action a;
  enum match match = MATCH_NONE;
  if (parse(frame, end, v6, &p)) {
    match = skb_match(skb, ctl, v6, HOOK_UPLINK, frame, end, &p, &a);
    if (match == MATCH_EXECUTE) return skb_execute(skb, ctl, v6, HOOK_UPLINK, &p, &a);
  }
  if (match == MATCH_NONE) {
    if (unlikely(is_stranger(ctl, frame, end, v6, &p))) {
      count(KERNEL_COUNTER_TUNNEL_STRANGER);
      return TC_ACT_SHOT;
    }
    if (!for_lane(ctl, frame, end, v6, &p)) return TC_ACT_UNSPEC;
  }
  return climb_or_fail(skb, ctl, KERNEL_COUNTER_UPLINK_CLIMB);
}

SEC("tc/ingress")
int uplink_ingress(struct __sk_buff *skb) {
  // Another VLAN's packet, or one that only a promiscuous device sees, is none of ours.
  if (skb->vlan_present || skb->pkt_type == PACKET_OTHERHOST) return TC_ACT_UNSPEC;
  pull_headers(skb);
  const void *frame = skb_begin(skb);
  const void *end = skb_end(skb);
  if (frame + FRAME_MIN4 > end) return TC_ACT_UNSPEC;
  const __u16 type = load16(frame, ETH_TYPE_OFF);
  if (type == ETH_TYPE_IPV4_LE) return tc_ip(skb, false, frame, end);
  if (type != ETH_TYPE_IPV6_LE || frame + FRAME_MIN6 > end) return TC_ACT_UNSPEC;
  return tc_ip(skb, true, frame, end);
}

char LICENSE[] SEC("license") = "Apache-2.0";
