/**
 * Flow rows: find the one of a packet and judge whether it may be executed here.
 *
 * The hash, the probing and the row are those of assembly/flow; both sides compute on words as
 * they lie in the packet. A row is guarded by its sequence word (0 never used, odd being written
 * or deleted): it is read before the key and again after the action has been copied. The order
 * of these loads is the compiler's business here (`barrier`) and x86's by nature; a machine with
 * weaker ordering may, in the instant a row is being reused, execute half of it.
 */
#pragma once

#include "maps.h"
#include "packet.h"

#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL

// Pairs of fields that are loaded as one.
_Static_assert(FLOW_SCOPE_OFF == FLOW_PROTO_OFF + 1, "protocol and scope");
_Static_assert(FLOW4_DST_OFF == FLOW4_SRC_OFF + 4, "IPv4 addresses of the key");
_Static_assert(FLOW4_NEW_DST_OFF == FLOW4_NEW_SRC_OFF + 4, "new IPv4 addresses");
_Static_assert(FLOW6_DST_OFF == FLOW6_SRC_OFF + 16, "IPv6 addresses of the key");
_Static_assert(FLOW6_NEW_DST_OFF == FLOW6_NEW_SRC_OFF + 16, "new IPv6 addresses");
_Static_assert(FLOW_SRC_MAC_OFF == FLOW_DST_MAC_OFF + 6, "MAC addresses as in a frame");

/** Where a program runs: what it can do with a packet depends on it. A constant everywhere. */
enum hook { HOOK_POD, HOOK_TRUNK, HOOK_UPLINK, HOOK_UPLINK_XDP };

enum match {
  /** No row says anything about this packet on this link. */
  MATCH_NONE,
  /** A row knows the flow, but this packet of it is for the lane. */
  MATCH_CLIMB,
  /** `struct action` says what to do. */
  MATCH_EXECUTE,
};

/** The action of a row, copied. */
struct action {
  __u64 new_addr[4];
  __u64 macs;
  __u32 macs_tail;
  __u32 new_ports;
  __u32 out_ifindex;
  /** Index of the row, and of its tally. */
  __u32 idx;
  __u16 addr_delta;
  __u16 port_delta;
  /** Longest IP packet the way out takes; 0 = no need to look. */
  __u16 mtu;
  __u8 action;
  __u8 flags;
};

INLINE __u32 word(const struct packet *p, __u32 i) { return p->addr[i >> 1] >> (i & 1) * 32; }

INLINE __u32 hash_key(const void *ctl, __u32 i) {
  return load32(ctl, CONTROL_HASH_KEYS_OFF + 4 * i);
}

/** Two words and their keys: one term of NH (RFC 4418 5.2). */
INLINE __u64 nh(__u32 a, __u32 key_a, __u32 b, __u32 key_b) {
  return (__u64)(__u32)(a + key_a) * (__u32)(b + key_b);
}

/** Where probing begins, before the mask. */
INLINE __u32 flow_hash(const void *ctl, const bool v6, const struct packet *p) {
  const __u32 n = v6 ? 8 : 2;
  __u64 h = nh(p->ports, hash_key(ctl, n), p->proto, hash_key(ctl, n + 1));
#pragma unroll
  for (__u32 i = 0; i < n; i += 2) {
    h += nh(word(p, i), hash_key(ctl, i), word(p, i + 1), hash_key(ctl, i + 1));
  }
  h ^= h >> 32;
  h *= HASH_MULTIPLIER;
  h ^= h >> 29;
  return h >> 16;
}

INLINE bool same_key(const void *row, const bool v6, const struct packet *p) {
  if (load32(row, FLOW_PORTS_OFF) != p->ports) return false;
  if (load16(row, FLOW_PROTO_OFF) != p->proto) return false;
  if (load64(row, FLOW4_SRC_OFF) != p->addr[0]) return false;
  return !v6 ||
         (load64(row, FLOW6_SRC_OFF + 8) == p->addr[1] &&
          load64(row, FLOW6_DST_OFF) == p->addr[2] && load64(row, FLOW6_DST_OFF + 8) == p->addr[3]);
}

/**
 * The row of a packet, or NULL.
 *
 * @param idx  becomes the row's index
 * @param seq  becomes the sequence word under which the key was compared
 */
INLINE const void *flow_find(const void *ctl, const bool v6, const struct packet *p, __u32 *idx,
                             __u32 *seq) {
  const __u32 mask = load32(ctl, v6 ? CONTROL_FLOWS6_MASK_OFF : CONTROL_FLOWS4_MASK_OFF);
  const __u32 first = flow_hash(ctl, v6, p);
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < FLOW_PROBE_MAX; i++) {
    __u32 at = (first + i) & mask;
    const void *row = v6 ? bpf_map_lookup_elem(&flows6, &at) : bpf_map_lookup_elem(&flows4, &at);
    if (!row) return NULL;
    const __u32 now = load32_once(row, FLOW_SEQ_OFF);
    if (now == 0) return NULL;
    barrier();
    if ((now & 1) == 0 && same_key(row, v6, p)) {
      *idx = at;
      *seq = now;
      return row;
    }
  }
  return NULL;
}

/** Whether `hook` has the means to do what a row says. */
INLINE bool can_execute(const enum hook hook, const struct action *a) {
  const bool macs = a->flags & FLOW_F_MACS;
  switch (a->action) {
    case ACTION_POD:
      // XDP goes past every queueing discipline.
      if (hook == HOOK_UPLINK_XDP && a->flags & FLOW_F_SHAPED) return false;
      // Redirection to a peer exists on TC ingress only.
      return hook == HOOK_POD || hook == HOOK_UPLINK || macs;
    case ACTION_UPLINK:
      // Nor does a tunnel take frames from there.
      return hook != HOOK_UPLINK_XDP || (macs && !(a->flags & FLOW_F_TUNNEL));
    case ACTION_HOST:
      // XDP can only pass a packet up where it is.
      return hook != HOOK_UPLINK_XDP || !(a->flags & FLOW_F_TRUNK);
    default:
      return false;
  }
}

/**
 * Look a packet up and copy what its row says.
 *
 * @param ifindex  of the link the packet came by
 * @param a        valid when the answer is MATCH_EXECUTE
 * Cost            one array lookup per probe; a time stamp only for segments that open a TCP
 * connection
 */
INLINE enum match flow_match(const void *ctl, const bool v6, const enum hook hook, __u32 ifindex,
                             const struct packet *p, struct action *a) {
  __u32 seq;
  const void *row = flow_find(ctl, v6, p, &a->idx, &seq);
  if (!row) return MATCH_NONE;
  const __u32 in_ifindex = load32(row, FLOW_IN_IFINDEX_OFF);
  a->action = load8(row, FLOW_ACTION_OFF);
  a->flags = load8(row, FLOW_FLAGS_OFF);
  a->out_ifindex = load32(row, FLOW_OUT_IFINDEX_OFF);
  a->new_ports = load32(row, FLOW_NEW_PORTS_OFF);
  a->macs = load64(row, FLOW_DST_MAC_OFF);
  a->macs_tail = load32(row, FLOW_DST_MAC_OFF + 8);
  a->addr_delta = load16(row, FLOW_ADDR_DELTA_OFF);
  a->port_delta = load16(row, FLOW_PORT_DELTA_OFF);
  a->mtu = load16(row, v6 ? FLOW6_MTU_OFF : FLOW4_MTU_OFF);
  const __u32 new_addr_off = v6 ? FLOW6_NEW_SRC_OFF : FLOW4_NEW_SRC_OFF;
#pragma unroll
  for (__u32 i = 0; i < (v6 ? 4 : 1); i++) a->new_addr[i] = load64(row, new_addr_off + 8 * i);
  barrier();
  if (load32_once(row, FLOW_SEQ_OFF) != seq) return MATCH_CLIMB;
  // 0 is any uplink; a pod must not pass for what comes from outside.
  if (in_ifindex != ifindex && (in_ifindex != 0 || hook == HOOK_POD || hook == HOOK_TRUNK)) {
    return MATCH_NONE;
  }
  // Its checksum is a CRC over the whole packet, which no delta of a row can follow.
  if (p->proto == IPPROTO_SCTP) return MATCH_CLIMB;
  if (!can_execute(hook, a)) return MATCH_CLIMB;
  if (p->ttl <= 1 && a->action != ACTION_HOST) return MATCH_CLIMB;
  // What the lane wants for itself it gets while it is there. A silent one's rows are executed
  // whatever they are for: the host's routes would send a translated flow on untranslated, and
  // its ends would reset it.
  const bool offload = load32(ctl, CONTROL_FLAGS_OFF) & CONTROL_F_OFFLOAD;
  const bool wanted = p->decisive || !offload || a->flags & FLOW_F_CLIMB;
  if (wanted && lane_alive(ctl)) return MATCH_CLIMB;
  return MATCH_EXECUTE;
}

/** The low bits of a time stamp hold the tick it was taken at: 2^16 ns are not missed. */
#define SEEN_TICK_MASK 0xffff
/** Ticks are 2^5 jiffies: 32 ms to 320 ms, by the kernel's HZ. */
#define SEEN_TICK_SHIFT 5

/**
 * Count a packet of `bytes` in the tally beside its row. Plain adds: two CPUs may lose one.
 *
 * The clock is a call, and a call costs as much as the whole look-up; jiffies are a load. So the
 * clock is read once in a tick, which is far finer than any timeout.
 */
INLINE void flow_tally(const bool v6, __u32 idx, const struct packet *p, __u64 bytes) {
  void *tally = v6 ? bpf_map_lookup_elem(&tally6, &idx) : bpf_map_lookup_elem(&tally4, &idx);
  if (!tally) return;
  store64(tally, TALLY_KERNEL_PACKETS_OFF, load64(tally, TALLY_KERNEL_PACKETS_OFF) + 1);
  store64(tally, TALLY_KERNEL_BYTES_OFF, load64(tally, TALLY_KERNEL_BYTES_OFF) + bytes);
  // What moves a connection's state is written down for the lane, which moves it when it looks.
  if (unlikely(p->tcp_turns)) {
    store8(tally, TALLY_KERNEL_TCP_OFF, load8(tally, TALLY_KERNEL_TCP_OFF) | p->tcp_turns);
  }
  const __u64 tick = bpf_jiffies64() >> SEEN_TICK_SHIFT & SEEN_TICK_MASK;
  if (unlikely((load64(tally, TALLY_KERNEL_SEEN_NS_OFF) & SEEN_TICK_MASK) != tick)) {
    const __u64 now = bpf_ktime_get_coarse_ns() & ~(__u64)SEEN_TICK_MASK;
    store64(tally, TALLY_KERNEL_SEEN_NS_OFF, now | tick);
  }
}
