/**
 * Request and response of 64 bytes on one TCP connection: what `net/tcp-rr` runs.
 *
 *   rr server PORT            serves one connection after the other until it is killed
 *   rr client ADDR PORT SECS  prints {"transactions","seconds","p50","p99"}, latencies in us
 *   rr connect ADDR PORT N    opens N connections, one after the other, and prints how long
 *                             each took to open: {"p50","p99"} in us
 *
 * Both ends use TCP_NODELAY and blocking calls, as an RPC over a warm connection does.
 * The client warms up for a tenth of the time before it counts.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_LEN = 64, LATENCIES_MAX = 1 << 21 };

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int read_all(int fd, char *message) {
  size_t have = 0;
  while (have < MESSAGE_LEN) {
    ssize_t n = recv(fd, message + have, MESSAGE_LEN - have, 0);
    if (n <= 0) return 0;
    have += (size_t)n;
  }
  return 1;
}

static int write_all(int fd, const char *message) {
  return send(fd, message, MESSAGE_LEN, MSG_NOSIGNAL) == MESSAGE_LEN;
}

static void set_nodelay(int fd) {
  int one = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)) fail("setsockopt");
}

static _Noreturn void serve(uint16_t port) {
  char message[MESSAGE_LEN];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0) fail("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&at, sizeof at)) fail("bind");
  if (listen(listener, 8)) fail("listen");
  puts("listening");
  fflush(stdout);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    set_nodelay(fd);
    while (read_all(fd, message) && write_all(fd, message)) {
    }
    close(fd);
  }
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void transact(int fd, char *message) {
  if (!write_all(fd, message) || !read_all(fd, message)) fail("transaction");
}

static uint32_t latencies[LATENCIES_MAX];

static double percentile_us(uint32_t count, uint32_t percent) {
  return latencies[(uint64_t)count * percent / 100] / 1e3;
}

/** A socket that gives up after five seconds. */
static int open_socket(void) {
  struct timeval limit = {.tv_sec = 5};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return fd;
}

static struct sockaddr_in address(const char *addr, uint16_t port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, addr, &to.sin_addr) != 1) fail("inet_pton");
  return to;
}

static int open_many(const char *addr, uint16_t port, uint32_t count) {
  struct sockaddr_in to = address(addr, port);
  char message[MESSAGE_LEN] = {0};
  if (count == 0 || count > LATENCIES_MAX) return 2;
  for (uint32_t i = 0; i < count; i++) {
    int fd = open_socket();
    uint64_t begin = now_ns();
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    latencies[i] = (uint32_t)(now_ns() - begin);
    transact(fd, message);
    close(fd);
  }
  qsort(latencies, count, sizeof latencies[0], ascending);
  printf("{\"p50\":%.3f,\"p99\":%.3f}\n", percentile_us(count, 50), percentile_us(count, 99));
  return 0;
}

static int drive(const char *addr, uint16_t port, double secs) {
  char message[MESSAGE_LEN];
  struct sockaddr_in to = address(addr, port);
  int fd = open_socket();
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
  set_nodelay(fd);
  memset(message, 'r', sizeof message);

  uint64_t warm = now_ns() + (uint64_t)(secs * 1e8);
  while (now_ns() < warm) transact(fd, message);

  uint64_t begin = now_ns(), end = begin + (uint64_t)(secs * 1e9), last = begin;
  uint32_t count = 0;
  while (last < end && count < LATENCIES_MAX) {
    transact(fd, message);
    uint64_t now = now_ns();
    latencies[count++] = (uint32_t)(now - last);
    last = now;
  }
  close(fd);
  qsort(latencies, count, sizeof latencies[0], ascending);
  printf("{\"transactions\":%u,\"seconds\":%.6f,\"p50\":%.3f,\"p99\":%.3f}\n", count,
         (double)(last - begin) / 1e9, percentile_us(count, 50), percentile_us(count, 99));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "server")) serve((uint16_t)atoi(argv[2]));
  if (argc == 5 && !strcmp(argv[1], "client"))
    return drive(argv[2], (uint16_t)atoi(argv[3]), atof(argv[4]));
  if (argc == 5 && !strcmp(argv[1], "connect"))
    return open_many(argv[2], (uint16_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
  fprintf(stderr, "usage: rr server PORT | rr client ADDR PORT SECS | rr connect ADDR PORT N\n");
  return 2;
}
