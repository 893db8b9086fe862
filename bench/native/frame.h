/**
 * Frames in C: the 64-byte UDP frames of bench/core/inputs.ts and what it takes to write and
 * read them.
 */
#pragma once
#include "../../native/bpf/generated/abi.h"
#include "twin.h"

enum {
  ETH_HLEN = 14,
  IP_HLEN = 20,
  UDP_HLEN = 8,
  FRAME_LEN = 64,
  BACKENDS = 100,
  SERVICE_PORT = 53,
  BACKEND_PORT = 5353,
  TTL = 64,
};

static inline uint16_t load16(const uint8_t *at) {
  uint16_t v;
  memcpy(&v, at, 2);
  return v;
}
static inline uint32_t load32(const uint8_t *at) {
  uint32_t v;
  memcpy(&v, at, 4);
  return v;
}
static inline uint64_t load64(const uint8_t *at) {
  uint64_t v;
  memcpy(&v, at, 8);
  return v;
}
static inline void store16(uint8_t *at, uint16_t v) { memcpy(at, &v, 2); }
static inline void store32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }
static inline void store64(uint8_t *at, uint64_t v) { memcpy(at, &v, 8); }
static inline uint16_t be16(uint16_t v) { return __builtin_bswap16(v); }

/** End-around carry down to 16 bits; RFC 1071. */
static inline uint16_t fold(uint64_t sum) {
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return (uint16_t)((sum & 0xffffu) + (sum >> 16));
}

static inline uint32_t addr(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a | b << 8 | c << 16 | d << 24;
}
static inline uint32_t ports(uint16_t from, uint16_t to) {
  return be16(from) | (uint32_t)be16(to) << 16;
}
static inline uint32_t client_addr(uint32_t i) {
  return addr(10, i >> 16 & 255, i >> 8 & 255, i & 255);
}
static inline uint16_t client_port(uint32_t i) {
  return (uint16_t)(1024 + ((i * 40503u) & 0x7fff));
}
static inline uint32_t service_addr(void) { return addr(10, 96, 0, 1); }
static inline uint32_t backend_addr(uint32_t i) { return addr(10, 244, 1, i % BACKENDS + 1); }

static inline uint64_t sum_bytes(const uint8_t *at, uint32_t len) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < len; i += 2) sum += load16(at + i);
  return sum;
}

static inline void write_frame(uint8_t *f, uint32_t flow) {
  uint8_t *ip = f + ETH_HLEN, *udp = ip + IP_HLEN;
  memset(f, 0, FRAME_LEN);
  f[0] = f[6] = 2;
  f[5] = 9;
  f[11] = 8;
  f[12] = 8;
  ip[0] = 0x45;
  store16(ip + 2, be16(FRAME_LEN - ETH_HLEN));
  ip[8] = TTL;
  ip[9] = IPPROTO_UDP;
  store32(ip + 12, client_addr(flow));
  store32(ip + 16, service_addr());
  store16(ip + 10, (uint16_t)~fold(sum_bytes(ip, IP_HLEN)));
  store32(udp, ports(client_port(flow), SERVICE_PORT));
  store16(udp + 4, be16(FRAME_LEN - ETH_HLEN - IP_HLEN));
  store32(udp + 8, flow);
  uint64_t pseudo = (uint64_t)client_addr(flow) + service_addr() + (IPPROTO_UDP << 8) +
                    be16(FRAME_LEN - ETH_HLEN - IP_HLEN);
  uint16_t checksum = (uint16_t)~fold(pseudo + sum_bytes(udp, FRAME_LEN - ETH_HLEN - IP_HLEN));
  store16(udp + 6, checksum ? checksum : 0xffff);
}
