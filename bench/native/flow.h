/**
 * The IPv4 flow table in C: the rows of assembly/abi.ts (through its generated header), the NH
 * hash and the probe rule of the core. What differs from the core is the language and nothing
 * else; both sides print a digest to prove it.
 */
#pragma once
#include "pkt.h"

static uint8_t *flows, *tallies;
static uint32_t flow_mask;
static uint32_t hash_keys[HASH_KEYS];

/** HC' = ~(~HC + delta): RFC 1624 eqn. 3. */
static inline uint16_t apply_delta(uint16_t checksum, uint16_t delta) {
  return (uint16_t)~fold((uint64_t)(uint16_t)~checksum + delta);
}

static inline uint16_t delta32(uint32_t from, uint32_t to) {
  return fold((uint64_t)to + (uint32_t)~from);
}

/** NH over four words (RFC 4418 5.2) and the core's finisher. */
static inline uint32_t hash_tuple(uint32_t src, uint32_t dst, uint32_t ports, uint32_t kind) {
  uint64_t h = (uint64_t)(src + hash_keys[0]) * (uint32_t)(dst + hash_keys[1]) +
               (uint64_t)(ports + hash_keys[2]) * (uint32_t)(kind + hash_keys[3]);
  h ^= h >> 32;
  h *= 0x9e3779b97f4a7c15u;
  h ^= h >> 29;
  return (uint32_t)(h >> 16);
}

/** Address of the live row with this tuple, or NULL. */
static inline uint8_t *find_flow(uint32_t src, uint32_t dst, uint32_t ports, uint32_t kind) {
  uint32_t slot = hash_tuple(src, dst, ports, kind);
  for (int i = 0; i < FLOW_PROBE_MAX; i++, slot++) {
    uint8_t *row = flows + ((size_t)(slot & flow_mask) << FLOW4_SHIFT);
    uint32_t seq = __atomic_load_n((const uint32_t *)(row + FLOW_SEQ_OFF), __ATOMIC_SEQ_CST);
    if (seq == 0) return NULL;
    if (!(seq & 1) && load32(row + FLOW_PORTS_OFF) == ports &&
        load16(row + FLOW_PROTO_OFF) == kind && load32(row + FLOW4_SRC_OFF) == src &&
        load32(row + FLOW4_DST_OFF) == dst)
      return row;
  }
  return NULL;
}

static inline uint8_t *tally_of(const uint8_t *row) {
  return tallies + ((size_t)(row - flows) >> FLOW4_SHIFT << TALLY_SHIFT);
}
