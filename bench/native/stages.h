/**
 * The stages that decide the first packet of a UDP flow over IPv4, in C: assembly/stage/classify.ts
 * and service.ts step by step, with every question they ask. Where a packet of the bench never
 * leads (affinity, source ranges, turns), it gives up.
 */
#pragma once
#include "tables.h"

enum { NO_BACKEND_IDX = -1, IPV4_GROUP_FIRST = 224 };

/** What `service` finds out; in the core these are fields of the Pkt. */
typedef struct {
  uint64_t src_hi, src_lo, dst_hi, dst_lo;
  uint32_t ports, backend;
  uint8_t frontend, origin;
  bool masquerade, is_service;
} Way;

static uint8_t *the_link;
static Way way;

static inline uint32_t addr4(uint64_t lo) { return (uint32_t)(lo >> 32); }

static inline bool classify(Pkt *p) {
  uint8_t *link = find_link(p->in_ifindex);
  if (!link) return drop(p, DROP_UNKNOWN_LINK);
  the_link = link;
  uint32_t src = addr4(p->src_lo), dst = addr4(p->dst_lo);
  uint8_t kind = link[LINK_KIND_OFF], net = (uint8_t)src;
  if (kind == LINK_KIND_POD && src != load32(link + LINK_ADDR4_OFF))
    return drop(p, DROP_SPOOFED_SOURCE);
  if (kind != LINK_KIND_HOST) {
    if (net == 0 || net == 127 || net >= IPV4_GROUP_FIRST) return drop(p, DROP_MARTIAN_SOURCE);
    if ((uint8_t)dst == 127) return drop(p, DROP_MARTIAN_DESTINATION);
  }
  if ((uint8_t)dst >= IPV4_GROUP_FIRST) return drop(p, DROP_MULTICAST);
  if (kind != LINK_KIND_UPLINK) return true;
  const uint8_t *route = lpm_find(p->src_hi, p->src_lo);
  return !(route && route[ROUTE_ACTION_OFF] == ACTION_POD) || drop(p, DROP_SPOOFED_SOURCE);
}

static inline bool policy(uint32_t flag) {
  return load32(memory + CONTROL_BASE + CONTROL_POLICY_FLAGS_OFF) & flag;
}

static inline bool in_range(const Pkt *p, const uint8_t *range, const uint8_t *mask) {
  return (p->src_hi & load64(mask)) == load64(range) &&
         (p->src_lo & load64(mask + 8)) == load64(range + 8);
}

static inline bool is_pod(const Pkt *p) {
  if (policy(POLICY_F_PODS_BY_LINK) && the_link[LINK_FLAGS_OFF] & LINK_F_POD) return true;
  if (!policy(POLICY_F_PODS_IN_RANGE4)) return false;
  const uint8_t *range = memory + CONTROL_BASE + CONTROL_POD_RANGE4_OFF;
  return in_range(p, range, range + 16);
}

static inline uint8_t origin_of(const Pkt *p) {
  if (is_pod(p)) return ORIGIN_POD;
  const uint8_t *route = lpm_find(p->src_hi, p->src_lo);
  return route && route[ROUTE_FLAGS_OFF] & ROUTE_F_OWN ? ORIGIN_NODE : ORIGIN_OUTSIDE;
}

/** assembly/mem/random.ts */
static inline uint32_t next_random(void) {
  uint8_t *word = memory + CONTROL_BASE + CONTROL_RANDOM_OFF;
  uint32_t turn = load32(word) + 1;
  store32(word, turn);
  return (uint32_t)mix64(load64(memory + CONTROL_BASE + CONTROL_HASH_KEYS_OFF) ^ turn);
}

static inline uint32_t scale(uint32_t bits, uint32_t n) {
  return (uint32_t)((uint64_t)bits * n >> 32);
}

/** assembly/balance/pick.ts; false: no member, or a case that the bench does not have. */
static inline bool choose(Pkt *p, const uint8_t *service, bool local) {
  uint32_t members =
      load32(service + (local ? SERVICE_LOCAL_COUNT_OFF : SERVICE_CLUSTER_COUNT_OFF));
  uint32_t slots =
      load32(service + (local ? SERVICE_LOCAL_MAGLEV_COUNT_OFF : SERVICE_MAGLEV_COUNT_OFF));
  if (members == 0 || load32(service + SERVICE_AFFINITY_SEC_OFF)) return false;
  uint32_t member;
  if (slots != 0) {
    uint32_t table = load32(service + (local ? SERVICE_LOCAL_MAGLEV_OFF : SERVICE_MAGLEV_OFF));
    member = maglev_pick(regions[REGION_ID_MAGLEV].base + (size_t)table * MAGLEV_ENTRY_SIZE, slots,
                         pick_hash(p));
    if (member >= members) member = scale(next_random(), members);
  } else {
    if (load32(service + SERVICE_FLAGS_OFF) & SERVICE_F_ROUND_ROBIN) return false;
    member = scale(next_random(), members);
  }
  uint32_t first = local ? 0 : load32(service + SERVICE_CLUSTER_FIRST_OFF);
  uint32_t run = load32(service + SERVICE_SET_OFF);
  way.backend = load32(regions[REGION_ID_SETS].base + (size_t)(run + first + member) * 4);
  const uint8_t *backend = backend_at(way.backend);
  way.dst_hi = load64(backend + BACKEND_ADDR_OFF);
  way.dst_lo = load64(backend + BACKEND_ADDR_OFF + 8);
  way.ports = (p->ports & 0xffff) | (uint32_t)load16(backend + BACKEND_PORT_OFF) << 16;
  return true;
}

static inline bool service(Pkt *p) {
  way = (Way){p->src_hi, p->src_lo, p->dst_hi, p->dst_lo, p->ports, (uint32_t)NO_BACKEND_IDX,
              0,         0,         false,     false};
  const uint8_t *frontend =
      find_frontend(p->dst_hi, p->dst_lo, (uint16_t)(p->ports >> 16), p->proto);
  if (!frontend) return false;
  p->service = frontend_service(frontend);
  way.is_service = true;
  way.frontend = frontend[FRONTEND_KIND_OFF];
  const uint8_t *chosen = service_at(p->service);
  if (way.frontend == FRONTEND_KIND_LOAD_BALANCER) return false;
  way.origin = origin_of(p);
  uint32_t flags = load32(chosen + SERVICE_FLAGS_OFF);
  bool knows_pods = policy(POLICY_F_PODS_BY_LINK) || policy(POLICY_F_PODS_IN_RANGE4);
  bool is_cluster_ip = way.frontend == FRONTEND_KIND_CLUSTER_IP;
  way.masquerade = is_cluster_ip
                       ? policy(POLICY_F_MASQUERADE_ALL) || (knows_pods && way.origin != ORIGIN_POD)
                       : !(flags & SERVICE_F_EXTERNAL_LOCAL) || way.origin == ORIGIN_NODE;
  bool local = is_cluster_ip ? flags & SERVICE_F_INTERNAL_LOCAL
                             : flags & SERVICE_F_EXTERNAL_LOCAL && way.origin == ORIGIN_OUTSIDE;
  return choose(p, chosen, local);
}
