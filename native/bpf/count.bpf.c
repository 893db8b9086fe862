/**
 * count: XDP at the far end of a benchmark. Every frame is counted and dropped.
 *
 * One device with one queue: a plain add, in word 0 of the array `count`.
 */
#include "bytes.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u64));
} count SEC(".maps");

SEC("xdp")
int count_xdp(__attribute__((unused)) struct xdp_md *ctx) {
  __u32 zero = 0;
  __u64 *frames = bpf_map_lookup_elem(&count, &zero);
  if (frames) *frames += 1;
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "Apache-2.0";
