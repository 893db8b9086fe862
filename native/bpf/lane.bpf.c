/**
 * lane: XDP on slc1, the lane's side of the trunk. Every frame goes to the socket of its queue.
 */
#include "maps.h"

SEC("xdp")
int lane_xdp(struct xdp_md *ctx) { return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_DROP); }

char LICENSE[] SEC("license") = "Apache-2.0";
