/**
 * The C twin of `core/maglev-build`: a Maglev table (Eisenbud et al., NSDI 2016, 3.4).
 *
 *   maglev M BACKENDS BUILDS
 *
 * Backend i has the identity i + 1. Offset and skip are two keyed 32-bit hashes of it.
 */
#include "twin.h"

enum { OFFSET_KEY = 0x9E3779B9, SKIP_KEY = 0x7F4A7C15, EMPTY = 0xffff };

static uint32_t m, backends, builds;
static uint32_t *ids, *next, *skip;
static uint16_t *table;

/** The finaliser of MurmurHash3. */
static uint32_t mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x *= 0xC2B2AE35u;
  return x ^ x >> 16;
}

static void build(void) {
  for (uint32_t i = 0; i < backends; i++) {
    next[i] = mix(ids[i] ^ (uint32_t)OFFSET_KEY) % m;
    skip[i] = mix(ids[i] ^ (uint32_t)SKIP_KEY) % (m > 1 ? m - 1 : 1) + 1;
  }
  memset(table, 0xff, m * sizeof *table);
  for (uint32_t filled = 0;;) {
    for (uint32_t i = 0; i < backends; i++) {
      uint32_t slot = next[i];
      while (table[slot] != EMPTY) {
        slot += skip[i];
        if (slot >= m) slot -= m;
      }
      table[slot] = (uint16_t)i;
      slot += skip[i];
      next[i] = slot >= m ? slot - m : slot;
      if (++filled == m) return;
    }
  }
}

static Sample run(void) {
  uint64_t begin = twin_now_ns();
  for (uint32_t i = 0; i < builds; i++) build();
  Sample s = {(double)(twin_now_ns() - begin) / builds, twin_digest(table, m * sizeof *table)};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  m = (uint32_t)atoi(argv[1]);
  backends = (uint32_t)atoi(argv[2]);
  builds = (uint32_t)atoi(argv[3]);
  ids = malloc(backends * sizeof *ids);
  next = malloc(backends * sizeof *next);
  skip = malloc(backends * sizeof *skip);
  table = malloc(m * sizeof *table);
  for (uint32_t i = 0; i < backends; i++) ids[i] = i + 1;
  return twin_serve(0, run);
}
