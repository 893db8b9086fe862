/**
 * The C twin of `core/flow-hit`: parse, look up and rewrite 64-byte UDP frames of FLOWS flows
 * (two rows each) in random order, in place, one pass a sample.
 *
 *   flow-hit FLOWS CAPACITY
 *
 * Flows, rows, their order of insertion and the order of the frames are those of
 * bench/core/flow-hit.bench.ts; the result of a sample is the number of hits, the digest of
 * the rewritten frames is printed once with "ready" after a pass that is not timed.
 */
#include "flow.h"

/** Start of the xorshift that shuffles the frames. */
static const uint32_t ORDER_SEED = 2463534242u;

static uint32_t flow_count;
static uint8_t *frames, *pristine;

/** Store one row in the first slot of its run that was never used; 0 when there is none. */
static int put_row(const Tuple *t, const Tuple *becomes, uint8_t flags, uint32_t out) {
  uint32_t slot = hash_tuple(t->src, t->dst, t->ports, t->kind);
  for (int i = 0; i < FLOW_PROBE_MAX; i++, slot++) {
    uint8_t *row = flows + ((size_t)(slot & flow_mask) << FLOW4_SHIFT);
    if (load32(row + FLOW_SEQ_OFF)) continue;
    store32(row + FLOW_PORTS_OFF, t->ports);
    store16(row + FLOW_PROTO_OFF, (uint16_t)t->kind);
    row[FLOW_ACTION_OFF] = ACTION_UPLINK;
    row[FLOW_FLAGS_OFF] = flags;
    store32(row + FLOW_OUT_IFINDEX_OFF, out);
    store32(row + FLOW_NEW_PORTS_OFF, becomes->ports);
    row[FLOW_DST_MAC_OFF] = row[FLOW_SRC_MAC_OFF] = 2;
    row[FLOW_DST_MAC_OFF + 5] = 2;
    row[FLOW_SRC_MAC_OFF + 5] = 1;
    store16(row + FLOW_ADDR_DELTA_OFF, fold((uint64_t)delta32(t->src, becomes->src) +
                                            delta32(t->dst, becomes->dst)));
    store16(row + FLOW_PORT_DELTA_OFF, delta32(t->ports, becomes->ports));
    store32(row + FLOW4_SRC_OFF, t->src);
    store32(row + FLOW4_DST_OFF, t->dst);
    store32(row + FLOW4_NEW_SRC_OFF, becomes->src);
    store32(row + FLOW4_NEW_DST_OFF, becomes->dst);
    store32(row + FLOW_SEQ_OFF, 2);
    return 1;
  }
  return 0;
}

static uint32_t fill_table(void) {
  uint32_t stored = 0;
  for (uint32_t i = 0; i < flow_count; i++) {
    uint32_t client = client_addr(i), backend = backend_addr(i);
    uint16_t port = client_port(i);
    Tuple sent = {client, service_addr(), ports(port, SERVICE_PORT), IPPROTO_UDP};
    Tuple forwarded = {client, backend, ports(port, BACKEND_PORT), IPPROTO_UDP};
    Tuple reply = {backend, client, ports(BACKEND_PORT, port), IPPROTO_UDP};
    Tuple returned = {service_addr(), client, ports(SERVICE_PORT, port), IPPROTO_UDP};
    stored += put_row(&sent, &forwarded, FLOW_F_NAT | FLOW_F_MACS, 7);
    stored += put_row(&reply, &returned, FLOW_F_NAT | FLOW_F_MACS | FLOW_F_REPLY, 8);
  }
  return stored;
}

/** One frame per flow, in an order drawn by Fisher and Yates. */
static void write_frames(void) {
  uint32_t *order = malloc(flow_count * sizeof *order), state = ORDER_SEED;
  for (uint32_t i = 0; i < flow_count; i++) order[i] = i;
  for (uint32_t i = flow_count - 1; i > 0; i--) {
    uint32_t j = twin_random(&state) % (i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  for (uint32_t i = 0; i < flow_count; i++)
    write_frame(pristine + (size_t)i * FRAME_LEN, order[i]);
  free(order);
}

static void count(uint8_t *tally, uint32_t len, uint32_t now_ms) {
  store64(tally + TALLY_LANE_PACKETS_OFF, load64(tally + TALLY_LANE_PACKETS_OFF) + 1);
  store64(tally + TALLY_LANE_BYTES_OFF, load64(tally + TALLY_LANE_BYTES_OFF) + len);
  store32(tally + TALLY_LANE_SEEN_MS_OFF, now_ms);
}

static int rewrite(uint8_t *f, const Parsed *p, const uint8_t *row) {
  uint8_t *ip = f + p->l3, *l4 = f + p->l4;
  if (ip[8] <= 1) return 0;
  ip[8]--;
  uint16_t checksum = apply_delta(load16(ip + 10), 0xfffe);
  if (row[FLOW_FLAGS_OFF] & FLOW_F_NAT) {
    uint16_t addrs = load16(row + FLOW_ADDR_DELTA_OFF);
    uint16_t both = fold((uint64_t)addrs + load16(row + FLOW_PORT_DELTA_OFF));
    checksum = apply_delta(checksum, addrs);
    store32(ip + 12, load32(row + FLOW4_NEW_SRC_OFF));
    store32(ip + 16, load32(row + FLOW4_NEW_DST_OFF));
    store32(l4, load32(row + FLOW_NEW_PORTS_OFF));
    uint16_t udp = load16(l4 + 6);
    if (udp) {
      udp = apply_delta(udp, both);
      store16(l4 + 6, udp ? udp : 0xffff);
    }
  }
  store16(ip + 10, checksum);
  if (row[FLOW_FLAGS_OFF] & FLOW_F_MACS) memcpy(f, row + FLOW_DST_MAC_OFF, 12);
  return 1;
}

static uint32_t pass(uint32_t now_ms) {
  uint32_t hits = 0;
  for (uint32_t i = 0; i < flow_count; i++) {
    uint8_t *f = frames + (size_t)i * FRAME_LEN;
    Parsed p;
    if (!parse(f, FRAME_LEN, &p)) continue;
    uint32_t idx = find_flow(&p.tuple);
    if (idx == UINT32_MAX) continue;
    uint8_t *tally = tallies + ((size_t)idx << TALLY_SHIFT);
    if (tally[TALLY_FLAGS_OFF] & TALLY_F_REPLY) continue;
    count(tally, FRAME_LEN, now_ms);
    hits += (uint32_t)rewrite(f, &p, flows + ((size_t)idx << FLOW4_SHIFT));
  }
  return hits;
}

static Sample run(void) {
  static uint32_t now_ms = 1;
  memcpy(frames, pristine, (size_t)flow_count * FRAME_LEN);
  uint64_t begin = twin_now_ns();
  uint32_t hits = pass(now_ms++);
  Sample s = {(double)(twin_now_ns() - begin) / flow_count, hits};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  flow_count = (uint32_t)atoi(argv[1]);
  uint32_t capacity = (uint32_t)atoi(argv[2]);
  flow_mask = capacity - 1;
  for (uint32_t i = 0; i < HASH_KEYS; i++) hash_keys[i] = 0x9e3779b9u * (i + 1);
  flows = twin_pages((size_t)capacity * FLOW4_SIZE);
  tallies = twin_pages((size_t)capacity * TALLY_SIZE);
  memset(tallies, 0, (size_t)capacity * TALLY_SIZE);
  frames = twin_pages((size_t)flow_count * FRAME_LEN);
  pristine = twin_pages((size_t)flow_count * FRAME_LEN);
  uint32_t stored = fill_table();
  fprintf(stderr, "flow-hit: %u rows of %u stored\n", stored, 2 * flow_count);
  write_frames();
  run();
  return twin_serve(twin_digest(frames, (size_t)flow_count * FRAME_LEN), run);
}
