/**
 * The C twin of `core/flow-hit`: parse, look up and rewrite 64-byte UDP frames of FLOWS flows
 * (two rows each) in random order, in place, one pass a sample.
 *
 *   flow-hit FLOWS CAPACITY
 *   flow-hit FLOWS CAPACITY forward|nat FRAMES REPEATS
 *
 * The second form does the same with copies of FRAMES frames, as `benchForward` and `benchNat` do:
 * the copy is inside the clock, in 64 places in turn.
 *
 * Flows, rows, their order of insertion and the order of the frames are those of
 * bench/core/flow-hit.bench.ts; the result of a sample is the number of hits, the digest of
 * the rewritten frames is printed once with "ready" after a pass that is not timed.
 */
#include "nat.h"

/** Start of the xorshift that shuffles the frames. */
static const uint32_t ORDER_SEED = 2463534242u;

/** Places for copies; ROOMS of assembly/bench-tables.ts. */
enum { ROOMS = 64 };

static uint32_t flow_count, frame_count, repeats;
static uint8_t *frames, *pristine;

typedef struct {
  uint32_t src, dst, ports, kind;
} Tuple;

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
    store16(row + FLOW_ADDR_DELTA_OFF,
            fold((uint64_t)delta32(t->src, becomes->src) + delta32(t->dst, becomes->dst)));
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

/** Frames of all flows in turn, in an order drawn by Fisher and Yates. */
static void write_frames(void) {
  uint32_t *order = malloc(flow_count * sizeof *order), state = ORDER_SEED;
  for (uint32_t i = 0; i < flow_count; i++) order[i] = i;
  for (uint32_t i = flow_count - 1; i > 0; i--) {
    uint32_t j = twin_random(&state) % (i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  for (uint32_t i = 0; i < frame_count; i++)
    write_frame(pristine + (size_t)i * FRAME_LEN, order[i % flow_count]);
  free(order);
}

/** assembly/stage/flow-lookup.ts, for what is not TCP. */
static bool flow_lookup(Pkt *p, uint32_t now_ms) {
  p->row = NULL;
  if (p->flags & PKT_F_FRAGMENT) return true;
  if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) return true;
  uint8_t *row =
      find_flow((uint32_t)(p->src_lo >> 32), (uint32_t)(p->dst_lo >> 32), p->ports, p->proto);
  if (!row) return true;
  uint32_t from = load32(row + FLOW_IN_IFINDEX_OFF);
  if (from != 0 && from != p->in_ifindex) return true;
  uint8_t *tally = tally_of(row);
  if (tally[TALLY_FLAGS_OFF] & TALLY_F_REPLY) p->flags |= PKT_F_REPLY;
  p->row = row;
  store64(tally + TALLY_LANE_PACKETS_OFF, load64(tally + TALLY_LANE_PACKETS_OFF) + 1);
  store64(tally + TALLY_LANE_BYTES_OFF, load64(tally + TALLY_LANE_BYTES_OFF) + p->len);
  store32(tally + TALLY_LANE_SEEN_MS_OFF, now_ms);
  p->tally = tally;
  return true;
}

static uint32_t pass(uint32_t now_ms) {
  uint32_t hits = 0;
  for (uint32_t i = 0; i < flow_count; i++) {
    Pkt *p = begin_pkt(frames + (size_t)i * FRAME_LEN, FRAME_LEN, 1);
    if (!parse(p) || !flow_lookup(p, now_ms) || !p->row) continue;
    if (!nat(p)) continue;
    memcpy(p->frame, p->macs, 12);
    hits++;
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

static uint32_t forward_all(uint32_t now_ms) {
  uint32_t sent = 0;
  for (uint32_t i = 0; i < frame_count; i++) {
    uint8_t *room = frames + (i & (ROOMS - 1)) * FRAME_LEN;
    memcpy(room, pristine + (size_t)i * FRAME_LEN, FRAME_LEN);
    Pkt *p = begin_pkt(room, FRAME_LEN, 1);
    if (!parse(p) || !flow_lookup(p, now_ms) || !p->row || !nat(p)) continue;
    memcpy(p->frame, p->macs, 12);
    sent++;
  }
  return sent;
}

static uint32_t nat_all(uint32_t now_ms) {
  Pkt *p = begin_pkt(pristine, FRAME_LEN, 1);
  if (!parse(p) || !flow_lookup(p, now_ms) || !p->row) return 0;
  uint32_t sent = 0;
  for (uint32_t i = 0; i < frame_count; i++) {
    uint8_t *room = frames + (i & (ROOMS - 1)) * FRAME_LEN;
    memcpy(room, pristine + (size_t)i * FRAME_LEN, FRAME_LEN);
    p->frame = room;
    if (!nat(p)) continue;
    memcpy(p->frame, p->macs, 12);
    sent++;
  }
  return sent;
}

static uint32_t (*loop)(uint32_t now_ms);

static Sample run_copies(void) {
  static uint32_t now_ms = 1;
  uint32_t sent = 0;
  uint64_t begin = twin_now_ns();
  for (uint32_t r = 0; r < repeats; r++) sent = loop(now_ms++);
  Sample s = {(double)(twin_now_ns() - begin) / repeats / frame_count, sent};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 6) return 2;
  flow_count = frame_count = (uint32_t)atoi(argv[1]);
  if (argc == 6) {
    loop = !strcmp(argv[3], "forward") ? forward_all : nat_all;
    frame_count = (uint32_t)atoi(argv[4]);
    repeats = (uint32_t)atoi(argv[5]);
  }
  uint32_t capacity = (uint32_t)atoi(argv[2]);
  flow_mask = capacity - 1;
  for (uint32_t i = 0; i < HASH_KEYS; i++) hash_keys[i] = 0x9e3779b9u * (i + 1);
  flows = twin_pages((size_t)capacity * FLOW4_SIZE);
  tallies = twin_pages((size_t)capacity * TALLY_SIZE);
  memset(tallies, 0, (size_t)capacity * TALLY_SIZE);
  frames = twin_pages((size_t)(loop ? ROOMS : frame_count) * FRAME_LEN);
  pristine = twin_pages((size_t)frame_count * FRAME_LEN);
  uint32_t stored = fill_table();
  if (!loop) fprintf(stderr, "flow-hit: %u rows of %u stored\n", stored, 2 * flow_count);
  write_frames();
  if (loop) {
    loop(0);
    return twin_serve(twin_digest(frames, ROOMS * FRAME_LEN), run_copies);
  }
  run();
  return twin_serve(twin_digest(frames, (size_t)flow_count * FRAME_LEN), run);
}
