/**
 * The control plane's tables in C, over the very bytes that WebAssembly has: the suite writes its
 * linear memory to a file, and the twin reads that file into ordinary pages. What is compared is
 * the look-ups; nobody's way of filling a table comes into it.
 */
#pragma once
#include "flow.h"

enum { TABLE_PROBE_LIMIT = 128, KEYED_OFF = 8 };

typedef struct {
  uint8_t *base;
  uint32_t row_size, mask;
} Region;

static uint8_t *memory;
static Region regions[REGION_COUNT];

/** Read FILE, the linear memory of a core whose tables are filled. */
static inline void read_memory(const char *file) {
  FILE *f = fopen(file, "rb");
  if (!f || fseek(f, 0, SEEK_END)) {
    perror(file);
    exit(1);
  }
  size_t bytes = (size_t)ftell(f);
  rewind(f);
  memory = twin_pages(bytes);
  if (fread(memory, 1, bytes, f) != bytes) {
    perror(file);
    exit(1);
  }
  fclose(f);
  for (int i = 0; i < REGION_COUNT; i++) {
    const uint8_t *entry = memory + DIRECTORY_BASE + i * DIR_ENTRY_SIZE;
    regions[i].base = memory + load32(entry + DIR_BASE_OFF);
    regions[i].row_size = load32(entry + DIR_ROW_SIZE_OFF);
    regions[i].mask = load32(entry + DIR_CAPACITY_OFF) - 1;
  }
  flows = regions[REGION_ID_FLOWS4].base;
  tallies = regions[REGION_ID_TALLY4].base;
  flow_mask = regions[REGION_ID_FLOWS4].mask;
  for (uint32_t i = 0; i < HASH_KEYS; i++)
    hash_keys[i] = load32(memory + CONTROL_BASE + CONTROL_HASH_KEYS_OFF + 4 * i);
}

static inline uint64_t nh_pair(uint32_t a, uint32_t b, int i) {
  return (uint64_t)(a + hash_keys[i]) * (uint32_t)(b + hash_keys[i + 1]);
}

static inline uint32_t hash_words(uint64_t w0, uint64_t w1, uint64_t w2) {
  uint64_t h = nh_pair((uint32_t)w0, (uint32_t)(w0 >> 32), 0) +
               nh_pair((uint32_t)w1, (uint32_t)(w1 >> 32), 2) +
               nh_pair((uint32_t)w2, (uint32_t)(w2 >> 32), 4);
  h ^= h >> 32;
  h *= 0x9e3779b97f4a7c15u;
  h ^= h >> 29;
  return (uint32_t)(h >> 16);
}

/** assembly/table/hash-table.ts: the live row with a key of one or three words, or NULL. */
static inline uint8_t *table_find(int id, int words, uint64_t w0, uint64_t w1, uint64_t w2) {
  const Region *r = &regions[id];
  uint32_t slot = hash_words(w0, w1, w2);
  for (int i = 0; i < TABLE_PROBE_LIMIT; i++, slot++) {
    uint8_t *row = r->base + (size_t)(slot & r->mask) * r->row_size;
    uint32_t state = load32(row + ROW_STATE_OFF);
    if (state == ROW_STATE_EMPTY) return NULL;
    if (state != ROW_STATE_LIVE || load64(row + KEYED_OFF) != w0) continue;
    if (words == 1 || (load64(row + KEYED_OFF + 8) == w1 && load64(row + KEYED_OFF + 16) == w2))
      return row;
  }
  return NULL;
}

static inline uint64_t prefix_mask(uint32_t bits) {
  return bits == 0 ? 0 : __builtin_bswap64(~0ull << (64 - bits));
}

/** assembly/table/lpm.ts: the most specific route to an address, or NULL. */
static inline uint8_t *lpm_find(uint64_t hi, uint64_t lo) {
  const uint8_t *list = regions[REGION_ID_PREFIXES].base + PREFIX_LIST_OFF;
  for (int i = 0; i < PREFIX_LENGTHS; i++) {
    uint32_t length = list[i];
    if (length == PREFIX_NONE) return NULL;
    uint64_t masked_hi = hi & prefix_mask(length < 64 ? length : 64);
    uint64_t masked_lo = length <= 64 ? 0 : lo & prefix_mask(length - 64);
    uint8_t *row = table_find(REGION_ID_ROUTES, 3, masked_hi, masked_lo, length);
    if (row) return row;
  }
  return NULL;
}

static inline uint8_t *find_link(uint32_t ifindex) {
  return table_find(REGION_ID_LINKS, 1, ifindex, 0, 0);
}

static inline uint8_t *find_frontend(uint64_t hi, uint64_t lo, uint16_t port_be, uint8_t proto) {
  return table_find(REGION_ID_FRONTENDS, 3, hi, lo, port_be | (uint64_t)proto << 16);
}

static inline uint32_t frontend_service(const uint8_t *row) {
  return load32(row + FRONTEND_SERVICE_OFF) & FRONTEND_SERVICE_MASK;
}

static inline uint8_t *service_at(uint32_t idx) {
  return regions[REGION_ID_SERVICES].base + (size_t)idx * SERVICE_SIZE;
}

static inline uint8_t *backend_at(uint32_t idx) {
  return regions[REGION_ID_BACKENDS].base + (size_t)idx * BACKEND_SIZE;
}

static inline uint32_t maglev_pick(const uint8_t *table, uint32_t m, uint32_t hash) {
  return load16(table + ((uint64_t)hash * m >> 32) * 2);
}

static inline uint64_t mix64(uint64_t x) {
  uint64_t h = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
  h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
  return h ^ h >> 32;
}

/** A bijection of 32 bits (the finaliser of MurmurHash3). */
static inline uint32_t mix32(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6bu;
  x = (x ^ x >> 13) * 0xc2b2ae35u;
  return x ^ x >> 16;
}

/** assembly/mem/hash.ts, pickHash */
static inline uint32_t pick_hash(const Pkt *p) {
  uint64_t seed = load32(memory + CONTROL_BASE + CONTROL_PICK_SEED_OFF);
  uint64_t h = mix64(p->src_hi ^ seed);
  h = mix64(h ^ p->src_lo);
  h = mix64(h ^ p->dst_hi);
  h = mix64(h ^ p->dst_lo);
  h = mix64(h ^ ((uint64_t)p->proto << 32 | p->ports));
  return (uint32_t)(h >> 32);
}
