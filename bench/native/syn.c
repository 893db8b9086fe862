/**
 * First segments of TCP connections, as fast as they go: what `net/first-packets` sends.
 *
 *   syn SRC DST PORT COUNT     prints {"sent","seconds"}
 *
 * Every segment has another source port, so COUNT is below 64 000. They leave by a raw socket, so
 * that the kernel routes them as any program's, and a pod's link sees nothing unusual.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 32, PORT_FIRST = 1024 };

struct segment {
  struct iphdr ip;
  struct tcphdr tcp;
};

static struct segment segments[BATCH];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static uint32_t add(uint32_t sum, const void *at, int bytes) {
  const uint16_t *words = at;
  for (int i = 0; i < bytes / 2; i++) sum += words[i];
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (raw < 0) return perror("socket"), 1;
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct in_addr from;
  inet_pton(AF_INET, argv[1], &from);
  inet_pton(AF_INET, argv[2], &to.sin_addr);
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) {
    struct segment *s = &segments[i];
    s->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
    s->ip.tot_len = htons(sizeof *s);
    s->ip.saddr = from.s_addr;
    s->ip.daddr = to.sin_addr.s_addr;
    s->tcp = (struct tcphdr){.syn = 1, .doff = 5, .window = htons(64240)};
    s->tcp.dest = htons(atoi(argv[3]));
    parts[i] = (struct iovec){s, sizeof *s};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  uint32_t pseudo =
      add(add(0, &from, 4), &to.sin_addr, 4) + htons(IPPROTO_TCP) + htons(sizeof(struct tcphdr));
  uint32_t sent = 0, count = strtoul(argv[4], NULL, 10);
  double began = now();
  while (sent < count) {
    for (uint32_t i = 0; i < BATCH; i++) {
      struct tcphdr *tcp = &segments[i].tcp;
      tcp->source = htons(PORT_FIRST + sent + i);
      tcp->seq = htonl(sent + i);
      tcp->check = 0;
      tcp->check = fold(add(pseudo, tcp, sizeof *tcp));
    }
    int done = sendmmsg(raw, messages, BATCH, 0);
    if (done > 0) sent += done;
  }
  double ended = now();
  printf("{\"sent\":%u,\"seconds\":%.6f}\n", sent, ended - began);
  return 0;
}
