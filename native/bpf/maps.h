/**
 * The maps, and what is read from CONTROL and written to COUNTERS.
 *
 * Sizes stand here only so that the file loads by itself: `src/kernel/programs.ts` creates every
 * map with the size the configuration asks for and hands in its descriptor by name.
 */
#pragma once

#include "bytes.h"

#define MAP_ARRAY(NAME, ROW_BYTES, ROWS) \
  struct {                               \
    __uint(type, BPF_MAP_TYPE_ARRAY);    \
    __uint(map_flags, BPF_F_MMAPABLE);   \
    __uint(max_entries, ROWS);           \
    __uint(key_size, sizeof(__u32));     \
    __uint(value_size, ROW_BYTES);       \
  } NAME SEC(".maps")

#define MAP_HASH(NAME, KEY_BYTES, VALUE_BYTES, ROWS) \
  struct {                                           \
    __uint(type, BPF_MAP_TYPE_HASH);                 \
    __uint(max_entries, ROWS);                       \
    __uint(key_size, KEY_BYTES);                     \
    __uint(value_size, VALUE_BYTES);                 \
  } NAME SEC(".maps")

MAP_ARRAY(control, CONTROL_BYTES, 1);
MAP_ARRAY(counters, COUNTERS_BYTES, 1);
MAP_ARRAY(flows4, FLOW4_SIZE, 65536);
MAP_ARRAY(tally4, TALLY_SIZE, 65536);
MAP_ARRAY(flows6, FLOW6_SIZE, 65536);
MAP_ARRAY(tally6, TALLY_SIZE, 65536);

/**
 * Who may speak on a link: ifindex → address4 (4 bytes), LINK_F_*, address6 (16 bytes), MAC address
 * (6 bytes, 0 = any) and two zeros.
 */
#define LINKS_ADDR4_OFF 0
#define LINKS_FLAGS_OFF 4
#define LINKS_ADDR6_OFF 8
#define LINKS_MAC_OFF 24
#define LINKS_VALUE_SIZE 32
MAP_HASH(links, sizeof(__u32), LINKS_VALUE_SIZE, 4096);

/**
 * What an uplink sends to the lane: address (16 bytes, IPv4 mapped), port, protocol, zeros.
 * Port 0: fragments of that protocol to the address. Port and protocol 0: everything to it.
 */
struct ours_key {
  __u64 addr_high;
  __u64 addr_low;
  __u64 port_and_proto;
};
MAP_HASH(ours, sizeof(struct ours_key), sizeof(__u32), 65536);

/** The AF_XDP sockets of one device by queue; every device has its own instance. */
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} xsks SEC(".maps");

/** The MAC address of one device, 0 = take every frame; every device has its own instance. */
#define DEVICE_VALUE_SIZE 8
MAP_ARRAY(device, DEVICE_VALUE_SIZE, 1);

#define NS_PER_MS 1000000ULL

/** The CONTROL page; NULL never happens but the verifier wants to be told. */
INLINE const void *control_page(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&control, &zero);
}

/** The lane has turned within its allowance. Costs one helper call: not for the hit path. */
INLINE bool lane_alive(const void *ctl) {
  const __u64 stale_ns = load32(ctl, CONTROL_STALE_MS_OFF) * NS_PER_MS;
  return load64(ctl, CONTROL_HEARTBEAT_NS_OFF) + stale_ns >= bpf_ktime_get_coarse_ns();
}

INLINE bool fail_closed(const void *ctl) {
  return load32(ctl, CONTROL_FAIL_MODE_OFF) == FAIL_MODE_CLOSED;
}

/** Add one to a KERNEL_COUNTER_ word; atomic, so for misses and drops only. */
INLINE void count(__u32 counter) {
  __u32 zero = 0;
  __u64 *words = bpf_map_lookup_elem(&counters, &zero);
  if (words) __sync_fetch_and_add(&words[COUNTER_KERNEL_BASE + counter], 1);
}
