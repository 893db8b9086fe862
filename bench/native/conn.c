/**
 * TCP connections one after another: what `net/new-flows` runs.
 *
 *   conn server PORT THREADS             serves until it is killed
 *   conn client ADDR PORT SECS THREADS   prints {"connections","seconds","failed"}
 *
 * Every connection carries one byte each way. The server closes first, so that the ports a client
 * has used are free again at once, whatever waits at the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, BACKLOG = 4096, TIMEOUT_SEC = 3 };

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listener;

static void *serve(void *unused) {
  (void)unused;
  for (;;) {
    char byte;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    if (recv(fd, &byte, 1, 0) == 1) (void)!send(fd, &byte, 1, MSG_NOSIGNAL);
    close(fd);
  }
  return NULL;
}

static struct sockaddr_in server;
static uint64_t end_ns;

struct worker {
  pthread_t thread;
  uint64_t connections, failed;
};

/** @returns 1 when a byte went there and came back and the server closed */
static int connect_once(void) {
  struct timeval limit = {.tv_sec = TIMEOUT_SEC};
  char bytes[2] = {'c'};
  int done, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  done = !connect(fd, (struct sockaddr *)&server, sizeof server) &&
         send(fd, bytes, 1, MSG_NOSIGNAL) == 1 && recv(fd, bytes, 1, 0) == 1 &&
         recv(fd, bytes, 1, 0) == 0;
  close(fd);
  return done;
}

static void *drive(void *argument) {
  struct worker *worker = argument;
  while (now_ns() < end_ns) {
    if (connect_once())
      worker->connections++;
    else
      worker->failed++;
  }
  return NULL;
}

static int run_server(uint16_t port, int threads) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  pthread_t thread;
  int one = 1;
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0) fail("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&at, sizeof at)) fail("bind");
  if (listen(listener, BACKLOG)) fail("listen");
  for (int i = 0; i < threads; i++)
    if (pthread_create(&thread, NULL, serve, NULL)) fail("pthread_create");
  puts("listening");
  fflush(stdout);
  for (;;) pause();
}

static int run_client(const char *addr, uint16_t port, double secs, int threads) {
  static struct worker workers[THREADS_MAX];
  uint64_t connections = 0, failed = 0, begin = now_ns();
  server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, addr, &server.sin_addr) != 1) fail("inet_pton");
  end_ns = begin + (uint64_t)(secs * 1e9);
  for (int i = 0; i < threads; i++)
    if (pthread_create(&workers[i].thread, NULL, drive, &workers[i])) fail("pthread_create");
  for (int i = 0; i < threads; i++) {
    pthread_join(workers[i].thread, NULL);
    connections += workers[i].connections;
    failed += workers[i].failed;
  }
  printf("{\"connections\":%lu,\"seconds\":%.6f,\"failed\":%lu}\n", connections,
         (double)(now_ns() - begin) / 1e9, failed);
  return 0;
}

int main(int argc, char **argv) {
  int threads = argc > 3 ? atoi(argv[argc - 1]) : 0;
  if (threads > 0 && threads <= THREADS_MAX) {
    if (argc == 4 && !strcmp(argv[1], "server"))
      return run_server((uint16_t)atoi(argv[2]), threads);
    if (argc == 6 && !strcmp(argv[1], "client"))
      return run_client(argv[2], (uint16_t)atoi(argv[3]), atof(argv[4]), threads);
  }
  fprintf(stderr, "usage: conn server PORT THREADS | conn client ADDR PORT SECS THREADS\n");
  return 2;
}
