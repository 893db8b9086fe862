/**
 * host: TC egress of the loopback, of every uplink and of the host's side of every pod link, for
 * what the host's own stack sends.
 *
 * Service addresses are routed at the trunk, but not those the host shares with its services: its
 * own addresses with node ports, external ones somebody else may route. And a process of the host
 * that is a backend answers with its own address. What is to a frontend of ours or of a flow that a
 * row knows is sent by the trunk; all else goes on untouched.
 *
 * So is what the host forwards to a pod from somewhere else (another bridge, a port that iptables
 * leads there): the lane remembers where it came from, so that the pod's answers go back to the
 * host's stack instead of outside in their own right.
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

enum known { UNKNOWN, KNOWN, KNOWN_ON_TRUNK };

/** Does a row know this packet, and say what becomes of it once it is on the trunk? */
INLINE enum known row_of(const void *ctl, const bool v6, __u32 trunk, const struct packet *p) {
  __u32 idx, seq;
  const void *row = flow_find(ctl, v6, p, &idx, &seq);
  if (!row) return UNKNOWN;
  return load32(row, FLOW_IN_IFINDEX_OFF) == trunk ? KNOWN_ON_TRUNK : KNOWN;
}

/** Does the host pass on to a pod what it was sent by others? */
INLINE bool is_forwarded_to_pod(const struct __sk_buff *skb) {
  if (!skb->ingress_ifindex) return false;
  __u32 to = skb->ifindex;
  return bpf_map_lookup_elem(&links, &to);
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
  const enum known known = parse(frame, end, v6, &p) ? row_of(ctl, v6, trunk, &p) : UNKNOWN;
  if (known == KNOWN_ON_TRUNK) return by_trunk(skb, trunk);
  // Answers to what a pod has sent by way of the host have a row, and need no other way.
  const bool is_news = known == UNKNOWN && is_forwarded_to_pod(skb);
  if (!is_news && !is_frontend(frame, end, v6, &p) && !quotes_flow(ctl, frame, end, v6, &p)) {
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
