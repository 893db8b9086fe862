/**
 * gen: the benchmark's traffic generator, run by BPF_PROG_TEST_RUN with live frames.
 *
 * Writes one UDP header after the other over whatever frame the kernel hands in, and sends it.
 * The whole header each time: the kernel recycles pages without restoring them, so a TTL that
 * somebody decremented would stay decremented. Flows differ by source port; beyond 32768 flows
 * also by the low bits of the source address. Checksums in the template are kept valid.
 */
#include "packet.h"
#include "rewrite.h"

#define GEN_HEADER_MAX 64
/** Source ports 1024 .. 1024 + 32767. */
#define GEN_FIRST_PORT 1024
#define GEN_PORT_BITS 15
#define GEN_PORT_MASK 0x7fff

/**
 * The one entry of `gen_config`.
 *
 * `header` is a whole Ethernet + IPv4 (or IPv6) + UDP header with valid checksums, its source
 * port 0 and the low bits of its source address 0. A UDP checksum of 0 stays 0. `state` is the
 * random sequence's, any value to begin with.
 */
struct gen_config {
  __u32 ifindex;
  __u32 flow_count;
  __u64 state;
  __u8 header[GEN_HEADER_MAX];
};

/** A linear congruential generator in line: the helper would cost more than the header. */
#define GEN_MULTIPLIER 6364136223846793005ULL
#define GEN_INCREMENT 1442695040888963407ULL

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(struct gen_config));
} gen_config SEC(".maps");

/** Write the header of `flow` over the first `len` bytes; constants make two straight lines. */
INLINE void write_flow(void *frame, const struct gen_config *config, const bool v6, __u32 flow) {
  const __u32 len = l4_off(v6) + UDP_HLEN;
  const __u32 csum_off = l4_off(v6) + UDP_CHECKSUM_OFF;
#pragma unroll
  for (__u32 i = 0; i + 8 <= len; i += 8) store64(frame, i, load64(config->header, i));
#pragma unroll
  for (__u32 i = len & ~7; i < len; i += 2) store16(frame, i, load16(config->header, i));
  const __u16 port = __builtin_bswap16(GEN_FIRST_PORT + (flow & GEN_PORT_MASK));
  const __u16 low = __builtin_bswap16(flow >> GEN_PORT_BITS);
  const __u32 addr_end = ETH_HLEN + (v6 ? IPV6_DST_OFF : IPV4_DST_OFF) - 2;
  store16(frame, l4_off(v6), port);
  store16(frame, addr_end, low | load16(config->header, addr_end));
  if (!v6) {
    const __u32 at = ETH_HLEN + IPV4_CHECKSUM_OFF;
    store16(frame, at, csum_add(load16(config->header, at), low));
  }
  const __u16 csum = load16(config->header, csum_off);
  if (csum) store16(frame, csum_off, csum_add(csum, (__u32)low + port) ?: UDP_CHECKSUM_ZERO);
}

SEC("xdp")
int gen_xdp(struct xdp_md *ctx) {
  __u32 zero = 0;
  struct gen_config *config = bpf_map_lookup_elem(&gen_config, &zero);
  void *frame = (void *)(long)ctx->data;
  const void *end = (void *)(long)ctx->data_end;
  if (!config || frame + FRAME_MIN4 > end) return XDP_ABORTED;
  config->state = config->state * GEN_MULTIPLIER + GEN_INCREMENT;
  const __u32 flow = (config->state >> 32) * config->flow_count >> 32;
  if (load16(config->header, ETH_TYPE_OFF) == ETH_TYPE_IPV4_LE) {
    write_flow(frame, config, false, flow);
  } else {
    if (frame + FRAME_MIN6 > end) return XDP_ABORTED;
    write_flow(frame, config, true, flow);
  }
  return bpf_redirect(config->ifindex, 0);
}

char LICENSE[] SEC("license") = "Apache-2.0";
