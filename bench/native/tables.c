/**
 * The C twin of the look-ups: the same tables, the same keys, the same sums as the loops of
 * assembly/bench-tables.ts.
 *
 *   tables lpm MEMORY REPEATS COUNT ADDRS
 *   tables frontend MEMORY REPEATS COUNT KEYS
 *   tables pick MEMORY REPEATS COUNT HASHES TABLE M
 *   tables choose MEMORY REPEATS COUNT FRAMES STRIDE IFINDEX
 *
 * MEMORY is a file with a core's linear memory; ADDRS and the like are addresses in it.
 */
#include "stages.h"

enum { ADDR_SIZE = 16, FRONTEND_KEY = 24, ARGS_MAX = 5 };

static uint32_t repeats, args[ARGS_MAX];

static uint32_t lpm(void) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < args[0]; i++) {
    const uint8_t *at = memory + args[1] + (size_t)i * ADDR_SIZE;
    const uint8_t *row = lpm_find(load64(at), load64(at + 8));
    if (row) sum += load32(row + ROUTE_IFINDEX_OFF);
  }
  return sum;
}

static uint32_t frontend(void) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < args[0]; i++) {
    const uint8_t *key = memory + args[1] + (size_t)i * FRONTEND_KEY;
    const uint8_t *row = find_frontend(load64(key), load64(key + 8), load16(key + 16), key[18]);
    if (row) sum += frontend_service(row) + 1;
  }
  return sum;
}

static uint32_t pick(void) {
  const uint8_t *hashes = memory + args[1], *table = memory + args[2];
  uint32_t sum = 0;
  for (uint32_t i = 0; i < args[0]; i++) sum += maglev_pick(table, args[3], load32(hashes + 4 * i));
  return sum;
}

static uint32_t chosen(void) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < args[0]; i++) {
    Pkt *p = begin_pkt(memory + args[1] + (size_t)i * args[2], args[2], args[3]);
    if (!parse(p) || !classify(p) || !service(p)) continue;
    sum += addr4(way.dst_lo);
  }
  return sum;
}

static uint32_t (*loop)(void);

static Sample run(void) {
  uint32_t sum = 0;
  uint64_t begin = twin_now_ns();
  for (uint32_t r = 0; r < repeats; r++) {
    sum = loop();
    /* Nothing of one turn may be kept for the next. */
    __asm__ volatile("" : : : "memory");
  }
  Sample s = {(double)(twin_now_ns() - begin) / repeats / args[0], sum};
  return s;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    uint32_t (*loop)(void);
    int args;
  } modes[] = {
      {"lpm", lpm, 2}, {"frontend", frontend, 2}, {"pick", pick, 4}, {"choose", chosen, 4}};
  if (argc < 4) return 2;
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (!strcmp(argv[1], modes[i].name) && argc == 4 + modes[i].args) loop = modes[i].loop;
  if (!loop) return 2;
  read_memory(argv[2]);
  repeats = (uint32_t)strtoul(argv[3], NULL, 10);
  for (int i = 4; i < argc; i++) args[i - 4] = (uint32_t)strtoul(argv[i], NULL, 10);
  return twin_serve(0, run);
}
