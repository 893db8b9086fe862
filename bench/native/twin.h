/**
 * What every C twin shares: a clock, the generators of reproducible inputs, and the loop
 * that answers "run" on standard input with one JSON line, so that the runner can
 * interleave a sample here with a sample in WebAssembly. Standard input at its end, it ends.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef struct {
  double ns;       /* time of the sample per operation */
  uint32_t result; /* what the loop returns in WebAssembly too */
} Sample;

static inline uint64_t twin_now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/** Anonymous zeroed pages of ordinary size, as V8 maps a WebAssembly memory. */
static inline void *twin_pages(size_t bytes) {
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return at;
}

/** xorshift32 (Marsaglia 2003); bench/core/inputs.ts has the same. */
static inline uint32_t twin_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/** FNV-1a over u32 words; bench/core/inputs.ts has the same. */
static inline uint32_t twin_digest(const void *at, size_t bytes) {
  const uint32_t *word = (const uint32_t *)at;
  uint32_t h = 0x811c9dc5u;
  for (size_t i = 0; i < bytes / 4; i++) h = (h ^ word[i]) * 0x01000193u;
  return h;
}

/** Announce the digest of the set-up, then one sample for every line read. */
static inline int twin_serve(uint32_t setup_digest, Sample (*run)(void)) {
  char line[64];
  printf("{\"ready\":%u}\n", setup_digest);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    Sample s = run();
    printf("{\"ns\":%.6f,\"result\":%u}\n", s.ns, s.result);
    fflush(stdout);
  }
  return 0;
}
