/**
 * What the TC programs share: headers in reach, execution of a row, the way up to the lane.
 */
#pragma once

#include "rewrite.h"

/** The first two bytes of a stamped address, as a load yields them. */
#define STAMP_PREFIX_LE (STAMP_PREFIX_0 | STAMP_PREFIX_1 << 8)

/** Length of a TCP header in its high four bits, in words of 4 bytes (RFC 9293 3.1). */
#define TCP_DATA_OFFSET_MASK 0xf0
#define TCP_DATA_OFFSET_SHIFT 2

INLINE void *skb_begin(const struct __sk_buff *skb) { return (void *)(long)skb->data; }
INLINE void *skb_end(const struct __sk_buff *skb) { return (void *)(long)skb->data_end; }

/** Bring the headers into the linear part. Only small packets and odd drivers pay for the call. */
INLINE void pull_headers(struct __sk_buff *skb) {
  const void *begin = skb_begin(skb);
  const void *end = skb_end(skb);
  if (likely(begin + FRAME_HEADERS_MAX <= end)) return;
  if (skb->len > end - begin) {
    bpf_skb_pull_data(skb, skb->len < FRAME_HEADERS_MAX ? skb->len : FRAME_HEADERS_MAX);
  }
}

/**
 * Mark of a packet that Sluice sends on its way, for the egress hooks it meets there. skb->tc_index
 * belongs to nobody else: classifiers that used it left the kernel with 6.3.
 */
#define TC_INDEX_SENT 0x5343

/** Deliver into the pod behind a link. The peer's stack takes only what is addressed to it. */
INLINE int to_pod(struct __sk_buff *skb, __u32 ifindex) {
  if (unlikely(skb->pkt_type != PACKET_HOST)) bpf_skb_change_type(skb, PACKET_HOST);
  return bpf_redirect_peer(ifindex, 0);
}

/** Deliver to the host as the lane would: what slc0 receives and is stamped so is the host's. */
INLINE int to_host_by_trunk(struct __sk_buff *skb, const void *ctl) {
  const __u32 trunk = load32(ctl, CONTROL_TRUNK_IFINDEX_OFF);
  void *frame = skb_begin(skb);
  if (frame + ETH_HLEN > skb_end(skb)) return TC_ACT_SHOT;
  store16(frame, ETH_DST_OFF, STAMP_PREFIX_LE);
  store32(frame, ETH_DST_OFF + 2, trunk);
  store16(frame, ETH_SRC_OFF, STAMP_PREFIX_LE);
  store32(frame, ETH_SRC_OFF + 2, ACTION_HOST);
  return bpf_redirect(trunk, BPF_F_INGRESS);
}

/** Bytes of the longest IP packet that an skb becomes on the wire. */
INLINE __u32 wire_len(const struct __sk_buff *skb, const void *frame, const void *end,
                      const bool v6, const struct packet *p) {
  if (!skb->gso_size) return skb->len - ETH_HLEN;
  __u32 header = UDP_HLEN;
  if (p->proto == IPPROTO_TCP && frame + l4_off(v6) + TCP_HLEN <= end) {
    header = (load8(frame, l4_off(v6) + TCP_DATA_OFFSET_OFF) & TCP_DATA_OFFSET_MASK) >>
             TCP_DATA_OFFSET_SHIFT;
  }
  return l4_off(v6) - ETH_HLEN + header + skb->gso_size;
}

/** `flow_match`, and whether the way out takes a packet that long: if not, the lane says so. */
INLINE enum match skb_match(const struct __sk_buff *skb, const void *ctl, const bool v6,
                            const enum hook hook, const void *frame, const void *end,
                            const struct packet *p, struct action *a) {
  const enum match match = flow_match(ctl, v6, hook, skb->ifindex, p, a);
  if (match != MATCH_EXECUTE || likely(!a->mtu) || !forwards(a)) return match;
  return wire_len(skb, frame, end, v6, p) > a->mtu ? MATCH_CLIMB : match;
}

/** Rewrite a packet and send it where its row says. Voids packet pointers. */
INLINE int skb_execute(struct __sk_buff *skb, const void *ctl, const bool v6, const enum hook hook,
                       const struct packet *p, const struct action *a) {
  flow_tally(v6, a->idx, p, skb->len);
  if (a->flags & FLOW_F_NAT) skb_l4_csum(skb, v6, p, a);
  void *frame = skb_begin(skb);
  if (frame + l4_off(v6) + UDP_HLEN > skb_end(skb)) return TC_ACT_SHOT;
  write_headers(frame, v6, p, a);
  if (a->action == ACTION_HOST) {
    const bool by_trunk = hook == HOOK_TRUNK || a->flags & FLOW_F_TRUNK;
    return by_trunk ? to_host_by_trunk(skb, ctl) : TC_ACT_OK;
  }
  skb->tc_index = TC_INDEX_SENT;
  // A shaped one goes out of our end like any packet, where a queueing discipline waits for it.
  const bool by_peer = hook != HOOK_TRUNK && !(a->flags & FLOW_F_SHAPED);
  if (a->action == ACTION_POD && by_peer) return to_pod(skb, a->out_ifindex);
  if (a->flags & FLOW_F_MACS) return bpf_redirect(a->out_ifindex, 0);
  return bpf_redirect_neigh(a->out_ifindex, NULL, 0, 0);
}

/** Write the link a frame came by where it survives the way to the lane: in its source MAC. */
INLINE bool stamp(struct __sk_buff *skb, __u32 ifindex) {
  void *frame = skb_begin(skb);
  if (frame + ETH_HLEN > skb_end(skb)) return false;
  store16(frame, ETH_SRC_OFF, STAMP_PREFIX_LE);
  store32(frame, ETH_SRC_OFF + 2, ifindex);
  return true;
}

/** Nobody decides: the host's own routes do, or nothing. */
INLINE int lane_silent(const void *ctl) {
  const bool closed = fail_closed(ctl);
  count(closed ? KERNEL_COUNTER_LANE_SILENT_DROP : KERNEL_COUNTER_LANE_SILENT_PASS);
  return closed ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/** Send a frame up to a lane that is alive. Without a trunk there is no way to it. */
INLINE int climb(struct __sk_buff *skb, const void *ctl, __u32 counter) {
  const __u32 trunk = load32(ctl, CONTROL_TRUNK_IFINDEX_OFF);
  if (!trunk) return lane_silent(ctl);
  if (!stamp(skb, skb->ifindex)) return TC_ACT_SHOT;
  count(counter);
  return bpf_redirect(trunk, 0);
}

INLINE int climb_or_fail(struct __sk_buff *skb, const void *ctl, __u32 counter) {
  return lane_alive(ctl) ? climb(skb, ctl, counter) : lane_silent(ctl);
}
