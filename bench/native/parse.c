/**
 * The C twin of `core/parse`: the headers of 64-byte UDP frames, every length proven, the IPv4
 * header checksum verified, the record of the frame filled in.
 *
 *   parse FRAMES REPEATS
 */
#include "pkt.h"

static uint32_t frame_count, repeats;
static uint8_t *frames;

static Sample run(void) {
  uint32_t good = 0;
  uint64_t begin = twin_now_ns();
  for (uint32_t r = 0; r < repeats; r++)
    for (uint32_t i = 0; i < frame_count; i++)
      good += parse(begin_pkt(frames + (size_t)i * FRAME_LEN, FRAME_LEN, 1));
  Sample s = {(double)(twin_now_ns() - begin) / repeats / frame_count, good / repeats};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  frame_count = (uint32_t)atoi(argv[1]);
  repeats = (uint32_t)atoi(argv[2]);
  frames = twin_pages((size_t)frame_count * FRAME_LEN);
  for (uint32_t i = 0; i < frame_count; i++) write_frame(frames + (size_t)i * FRAME_LEN, i);
  return twin_serve(twin_digest(frames, (size_t)frame_count * FRAME_LEN), run);
}
