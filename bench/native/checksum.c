/**
 * The C twin of `core/checksum`: RFC 1071 over LEN bytes, 64 buffers in turn.
 *
 *   checksum LEN REPEATS
 *
 * The sum is taken over 32-bit words into 64 bits, which gcc -O3 turns into vector adds.
 */
#include "twin.h"

enum { BUFFERS = 64, STRIDE = 2048, SEED = 1 };

static uint8_t *buffers;
static uint32_t len, repeats;

static uint16_t checksum(const uint8_t *at, uint32_t bytes) {
  uint64_t sum = 0;
  uint32_t i = 0, word;
  for (; i + 4 <= bytes; i += 4) {
    memcpy(&word, at + i, 4);
    sum += word;
  }
  if (bytes & 2) {
    uint16_t half;
    memcpy(&half, at + i, 2);
    sum += half;
    i += 2;
  }
  if (bytes & 1) sum += at[i];
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return (uint16_t)~sum;
}

static Sample run(void) {
  uint32_t total = 0;
  uint64_t begin = twin_now_ns();
  for (uint32_t r = 0; r < repeats; r++)
    total += checksum(buffers + (r & (BUFFERS - 1)) * STRIDE, len);
  Sample s = {(double)(twin_now_ns() - begin) / repeats, total};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  len = (uint32_t)atoi(argv[1]);
  repeats = (uint32_t)atoi(argv[2]);
  if (len > STRIDE) return 2;
  buffers = twin_pages(BUFFERS * STRIDE);
  uint32_t state = SEED, *word = (uint32_t *)buffers;
  for (uint32_t i = 0; i < BUFFERS * STRIDE / 4; i++) word[i] = twin_random(&state);
  return twin_serve(twin_digest(buffers, BUFFERS * STRIDE), run);
}
