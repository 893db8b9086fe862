/**
 * A peer for test/net/sctp.test.ts: a real SCTP stack (usrsctp, over raw IP) that echoes.
 *
 *   sctp-peer server ADDRESS PORT            echo every message, one association after the other
 *   sctp-peer client ADDRESS PORT TEXT OWN   send TEXT, print what comes back
 *
 * OWN is the client's own address. Exit code 0 when all went well.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

#define MESSAGE_MAX 4096

/** Either family, without a word about which. */
union endpoint {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static socklen_t parse(const char *address, const char *port, union endpoint *out) {
  const uint16_t number = htons((uint16_t)atoi(port));
  memset(out, 0, sizeof *out);
  if (strchr(address, ':')) {
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = number;
    if (inet_pton(AF_INET6, address, &out->v6.sin6_addr) != 1) fail(address);
    return sizeof out->v6;
  }
  out->v4.sin_family = AF_INET;
  out->v4.sin_port = number;
  if (inet_pton(AF_INET, address, &out->v4.sin_addr) != 1) fail(address);
  return sizeof out->v4;
}

/** A socket bound to one address: an INIT that named others would ask for paths beside the NAT. */
static struct socket *open_at(union endpoint *own, socklen_t length) {
  struct socket *s =
      usrsctp_socket(own->any.sa_family, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
  if (!s) fail("socket");
  if (usrsctp_bind(s, &own->any, length) < 0) fail("bind");
  return s;
}

/** @returns bytes of one message, 0 at the end of the association, less on error */
static ssize_t receive(struct socket *s, char *text) {
  struct sctp_rcvinfo info;
  socklen_t from_length = 0, info_length = sizeof info;
  unsigned int kind = 0;
  int flags = 0;
  return usrsctp_recvv(s, text, MESSAGE_MAX, NULL, &from_length, &info, &info_length, &kind,
                       &flags);
}

static bool send_text(struct socket *s, const char *text, size_t length) {
  return usrsctp_sendv(s, text, length, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0) ==
         (ssize_t)length;
}

static void serve(union endpoint *own, socklen_t length) {
  static char text[MESSAGE_MAX];
  struct socket *listener = open_at(own, length);
  if (usrsctp_listen(listener, 1) < 0) fail("listen");
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct socket *s = usrsctp_accept(listener, NULL, NULL);
    if (!s) fail("accept");
    for (ssize_t got; (got = receive(s, text)) > 0;) {
      if (!send_text(s, text, (size_t)got)) break;
    }
    usrsctp_close(s);
  }
}

static void ask(union endpoint *own, union endpoint *peer, socklen_t length, const char *text) {
  static char answer[MESSAGE_MAX];
  struct socket *s = open_at(own, length);
  if (usrsctp_connect(s, &peer->any, length) < 0) fail("connect");
  if (!send_text(s, text, strlen(text))) fail("send");
  const ssize_t got = receive(s, answer);
  if (got <= 0) fail("receive");
  printf("%.*s\n", (int)got, answer);
  // Shut down in order, and wait for the end of it.
  if (usrsctp_shutdown(s, SHUT_WR) < 0) fail("shutdown");
  if (receive(s, answer) > 0) fail("more than one answer");
  usrsctp_close(s);
}

int main(int argc, char **argv) {
  const bool is_server = argc == 4 && strcmp(argv[1], "server") == 0;
  const bool is_client = argc == 6 && strcmp(argv[1], "client") == 0;
  if (!is_server && !is_client) {
    fprintf(stderr, "usage: %s server ADDRESS PORT | client ADDRESS PORT TEXT OWN\n", argv[0]);
    return 2;
  }
  usrsctp_init(0, NULL, NULL);
  // A node's own address may lead to a pod, which wants a checksum.
  usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
  union endpoint named, own;
  const socklen_t length = parse(argv[2], argv[3], &named);
  if (is_server) {
    serve(&named, length);
    return 0;
  }
  if (parse(argv[5], "0", &own) != length) fail("addresses of one family");
  ask(&own, &named, length, argv[4]);
  // The library takes its time to let go of an association that is over.
  for (int i = 0; i < 50 && usrsctp_finish() != 0; i++) usleep(100000);
  return 0;
}
