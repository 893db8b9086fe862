/**
 * The C twin of `core/new-flow`: the first packets of UDP flows over IPv4 from a pod to services,
 * through every stage that assembly/engine.ts has for them, two rows each, over the tables of a
 * core whose memory is in a file.
 *
 *   new-flow MEMORY FRAMES COUNT IFINDEX
 *
 * FRAMES is the address of COUNT frames of 64 bytes in that memory.
 */
#include "nat.h"
#include "stages.h"

enum { NO_ROW = -1, IS_HEAD = 0x80000000, DNS_PORT_BE = 0x3500, NEXT_HOP = 12 };

static uint8_t *frames, *pristine, *the_route;
static uint32_t frame_count, ifindex, now_ms;
static uint64_t counted[3];

/** assembly/stage/dns.ts: whether the core's own names answer here. */
static bool is_answered(const Pkt *p) {
  if (p->proto != IPPROTO_UDP || p->ports >> 16 != DNS_PORT_BE) return false;
  const uint8_t *frontend = find_frontend(p->dst_hi, p->dst_lo, DNS_PORT_BE, p->proto);
  if (!frontend || frontend[FRONTEND_KIND_OFF] == FRONTEND_KIND_LOAD_BALANCER) return false;
  return load32(service_at(frontend_service(frontend)) + SERVICE_LISTENER_OFF) != 0;
}

static bool route(Pkt *p) {
  the_route = lpm_find(way.dst_hi, way.dst_lo);
  if (!the_route) return drop(p, DROP_NO_ROUTE);
  const uint8_t *macs = the_route + ROUTE_DST_MAC_OFF;
  p->action = the_route[ROUTE_ACTION_OFF];
  p->out_ifindex = load32(the_route + ROUTE_IFINDEX_OFF);
  p->macs = load32(macs) | load16(macs + 4) ? macs : NULL;
  if (the_route[ROUTE_FLAGS_OFF] & ROUTE_F_SERVICE) return drop(p, DROP_SERVICE_ADDRESS_UNKNOWN);
  if (p->action == ACTION_NONE || p->action == ACTION_LANE) return drop(p, DROP_NO_ROUTE);
  bool from_host = the_link[LINK_KIND_OFF] == LINK_KIND_HOST;
  return !(p->action == ACTION_HOST && from_host && !way.is_service) || drop(p, DROP_NO_ROUTE);
}

/** assembly/stage/masquerade.ts; whoever would be hidden is not in the bench. */
static bool is_hidden(const Pkt *p) {
  uint8_t kind = the_link[LINK_KIND_OFF], flags = the_route[ROUTE_FLAGS_OFF];
  if (p->action == ACTION_HOST && kind == LINK_KIND_HOST) return true;
  bool hairpin = p->src_hi == way.dst_hi && p->src_lo == way.dst_lo;
  if (flags & ROUTE_F_TUNNEL) return way.masquerade || kind == LINK_KIND_HOST;
  if (hairpin || (way.masquerade && !(flags & ROUTE_F_OWN))) return true;
  return kind == LINK_KIND_POD && flags & ROUTE_F_OUTSIDE;
}

/** A slot that readers are kept out of, with its tuple; NULL: there is none. */
static uint8_t *take_row(uint32_t src, uint32_t dst, uint32_t ports, uint32_t kind) {
  uint32_t slot = hash_tuple(src, dst, ports, kind);
  for (int i = 0; i < FLOW_PROBE_MAX; i++, slot++) {
    uint8_t *row = flows + ((size_t)(slot & flow_mask) << FLOW4_SHIFT);
    uint32_t seq = load32(row + FLOW_SEQ_OFF);
    if (seq != 0 && !(seq & 1)) continue;
    uint8_t *tally = tally_of(row);
    __atomic_store_n((uint32_t *)(row + FLOW_SEQ_OFF), 1, __ATOMIC_SEQ_CST);
    memset(tally, 0, TALLY_SIZE);
    store32(tally + TALLY_PARTNER_OFF, (uint32_t)NO_ROW);
    store32(row + FLOW_PORTS_OFF, ports);
    store16(row + FLOW_PROTO_OFF, (uint16_t)kind);
    store32(row + FLOW4_SRC_OFF, src);
    store32(row + FLOW4_DST_OFF, dst);
    store32(tally + TALLY_CREATED_MS_OFF, now_ms);
    store32(tally + TALLY_LANE_SEEN_MS_OFF, now_ms);
    return row;
  }
  return NULL;
}

static void publish(uint8_t *row) {
  uint8_t *last = memory + CONTROL_BASE + CONTROL_LAST_SEQ_OFF;
  uint8_t *live = memory + CONTROL_BASE + CONTROL_FLOWS4_LIVE_OFF;
  uint32_t seq = load32(last) + 2;
  if (seq == 0) seq = 2;
  store32(last, seq);
  __atomic_store_n((uint32_t *)(row + FLOW_SEQ_OFF), seq, __ATOMIC_SEQ_CST);
  store32(live, load32(live) + 1);
}

static void becomes(uint8_t *row, uint32_t new_src, uint32_t new_dst, uint32_t new_ports) {
  uint32_t src = load32(row + FLOW4_SRC_OFF), dst = load32(row + FLOW4_DST_OFF);
  uint32_t ports = load32(row + FLOW_PORTS_OFF);
  bool same = src == new_src && dst == new_dst && ports == new_ports;
  store32(row + FLOW4_NEW_SRC_OFF, new_src);
  store32(row + FLOW4_NEW_DST_OFF, new_dst);
  store32(row + FLOW_NEW_PORTS_OFF, new_ports);
  row[FLOW_FLAGS_OFF] = same ? 0 : FLOW_F_NAT;
  store16(row + FLOW_ADDR_DELTA_OFF, fold((uint64_t)delta32(src, new_src) + delta32(dst, new_dst)));
  store16(row + FLOW_PORT_DELTA_OFF, delta32(ports, new_ports));
}

static void next_hop(uint8_t *row, const uint8_t *macs) {
  if (!macs) return;
  memcpy(row + FLOW_DST_MAC_OFF, macs, NEXT_HOP);
  row[FLOW_FLAGS_OFF] |= FLOW_F_MACS;
}

static void to_pod(uint8_t *row, const uint8_t *link) {
  if (!link) return;
  next_hop(row, link + LINK_MAC_OFF);
  if (link[LINK_FLAGS_OFF] & LINK_F_SHAPED) row[FLOW_FLAGS_OFF] |= FLOW_F_SHAPED;
}

static void set_mtu(uint8_t *row, const uint8_t *by) {
  uint32_t mtu = 0;
  if (row[FLOW_ACTION_OFF] != ACTION_HOST) {
    mtu = by ? load32(by + ROUTE_MTU_OFF) : 0;
    if (mtu == 0) {
      const uint8_t *link = find_link(load32(row + FLOW_OUT_IFINDEX_OFF));
      mtu = link ? load32(link + LINK_MTU_OFF) : 0;
    }
  }
  store16(row + FLOW4_MTU_OFF, mtu > 0xffff ? 0 : (uint16_t)mtu);
}

static inline uint32_t swapped(uint32_t ports) { return ports >> 16 | ports << 16; }

static uint8_t *reply_row(Pkt *p) {
  uint8_t *row = take_row(addr4(way.dst_lo), addr4(way.src_lo), swapped(way.ports), p->proto);
  if (!row) return NULL;
  becomes(row, addr4(p->dst_lo), addr4(p->src_lo), swapped(p->ports));
  row[FLOW_FLAGS_OFF] |= FLOW_F_REPLY;
  tally_of(row)[TALLY_FLAGS_OFF] = TALLY_F_REPLY;
  store32(row + FLOW_IN_IFINDEX_OFF, p->action == ACTION_UPLINK ? 0 : p->out_ifindex);
  store32(row + FLOW_OUT_IFINDEX_OFF, p->in_ifindex);
  if (the_link[LINK_KIND_OFF] != LINK_KIND_POD) return NULL;
  row[FLOW_ACTION_OFF] = ACTION_POD;
  to_pod(row, the_link);
  set_mtu(row, NULL);
  return row;
}

static uint8_t *original_row(Pkt *p) {
  uint8_t *row = take_row(addr4(p->src_lo), addr4(p->dst_lo), p->ports, p->proto);
  if (!row) return NULL;
  becomes(row, addr4(way.src_lo), addr4(way.dst_lo), way.ports);
  store32(row + FLOW_IN_IFINDEX_OFF, p->in_ifindex);
  row[FLOW_ACTION_OFF] = p->action;
  store32(row + FLOW_OUT_IFINDEX_OFF, p->out_ifindex);
  set_mtu(row, the_route);
  if (p->action == ACTION_POD)
    to_pod(row, find_link(p->out_ifindex));
  else
    next_hop(row, p->macs);
  if (the_route[ROUTE_FLAGS_OFF] & ROUTE_F_TUNNEL) row[FLOW_FLAGS_OFF] |= FLOW_F_TUNNEL;
  uint8_t *tally = tally_of(row);
  const uint8_t *service = service_at(p->service);
  store32(tally + TALLY_SERVICE_ID_OFF, load32(service + SERVICE_ID_OFF));
  store32(tally + TALLY_BACKEND_ID_OFF, load32(backend_at(way.backend) + BACKEND_ID_OFF));
  if (p->proto == IPPROTO_UDP && load32(service + SERVICE_LISTENER_OFF))
    row[FLOW_FLAGS_OFF] |= FLOW_F_CLIMB;
  return row;
}

static uint32_t row_idx(const uint8_t *row) {
  return (uint32_t)((size_t)(row - flows) >> FLOW4_SHIFT);
}

/** assembly/flow/chain.ts: the reply rows of a backend, newest first. */
static void chain(const uint8_t *back, uint32_t key) {
  uint32_t half = (regions[REGION_ID_FLOW_HEADS].mask + 1) >> 1;
  uint32_t head = mix32(key) & (half - 1);
  uint8_t *at = regions[REGION_ID_FLOW_HEADS].base + (size_t)head * 4, *tally = tally_of(back);
  uint32_t first = load32(at), own = row_idx(back) + 1;
  store32(tally + TALLY_NEXT_OFF, first);
  store32(tally + TALLY_PREVIOUS_OFF, head | (uint32_t)IS_HEAD);
  if (first) store32(tallies + ((size_t)(first - 1) << TALLY_SHIFT) + TALLY_PREVIOUS_OFF, own);
  store32(at, own);
}

/** assembly/stage/flow-create.ts */
static bool create(Pkt *p) {
  if (way.src_hi != p->src_hi || way.src_lo != p->src_lo) return false;
  if (find_flow(addr4(way.dst_lo), addr4(way.src_lo), swapped(way.ports), p->proto)) return false;
  uint8_t *back = reply_row(p);
  if (!back) return drop(p, DROP_FLOW_TABLE_FULL);
  publish(back);
  uint8_t *there = original_row(p);
  if (!there) return drop(p, DROP_FLOW_TABLE_FULL);
  store32(tally_of(there) + TALLY_PARTNER_OFF, row_idx(back));
  store32(tally_of(back) + TALLY_PARTNER_OFF, row_idx(there));
  publish(there);
  chain(back, load32(backend_at(way.backend) + BACKEND_ID_OFF));
  p->row = there;
  p->tally = tally_of(there);
  store64(p->tally + TALLY_LANE_PACKETS_OFF, 1);
  store64(p->tally + TALLY_LANE_BYTES_OFF, p->len);
  counted[0]++;
  return true;
}

/** A few tuples come twice: the second packet finds the rows of the first. */
static bool look_up(Pkt *p) {
  p->row = find_flow(addr4(p->src_lo), addr4(p->dst_lo), p->ports, p->proto);
  if (!p->row) return false;
  uint8_t *tally = p->tally = tally_of(p->row);
  store64(tally + TALLY_LANE_PACKETS_OFF, load64(tally + TALLY_LANE_PACKETS_OFF) + 1);
  store64(tally + TALLY_LANE_BYTES_OFF, load64(tally + TALLY_LANE_BYTES_OFF) + p->len);
  store32(tally + TALLY_LANE_SEEN_MS_OFF, now_ms);
  return true;
}

static bool process(Pkt *p) {
  if (!parse(p) || !classify(p) || is_answered(p)) return false;
  if (!look_up(p) && (!service(p) || !route(p) || is_hidden(p) || !create(p))) return false;
  if (!nat(p)) return false;
  if (p->macs) memcpy(p->frame, p->macs, NEXT_HOP);
  counted[1]++;
  counted[2] += p->len;
  return true;
}

static Sample run(void) {
  memcpy(frames, pristine, (size_t)frame_count * FRAME_LEN);
  memset(flows, 0, ((size_t)flow_mask + 1) * FLOW4_SIZE);
  memset(tallies, 0, ((size_t)flow_mask + 1) * TALLY_SIZE);
  now_ms++;
  uint32_t sent = 0;
  uint64_t begin = twin_now_ns();
  for (uint32_t i = 0; i < frame_count; i++)
    sent += process(begin_pkt(frames + (size_t)i * FRAME_LEN, FRAME_LEN, ifindex));
  Sample s = {(double)(twin_now_ns() - begin) / frame_count, sent};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  read_memory(argv[1]);
  frames = memory + strtoul(argv[2], NULL, 10);
  frame_count = (uint32_t)strtoul(argv[3], NULL, 10);
  ifindex = (uint32_t)strtoul(argv[4], NULL, 10);
  pristine = twin_pages((size_t)frame_count * FRAME_LEN);
  memcpy(pristine, frames, (size_t)frame_count * FRAME_LEN);
  run();
  return twin_serve(twin_digest(frames, (size_t)frame_count * FRAME_LEN), run);
}
