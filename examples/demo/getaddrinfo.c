/* Addresses of a name as this C library finds them: getaddrinfo NAME 4|6, one a line. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  hints.ai_family = argv[2][0] == '6' ? AF_INET6 : AF_INET;
  struct addrinfo *found;
  int why = getaddrinfo(argv[1], NULL, &hints, &found);
  if (why != 0) {
    fprintf(stderr, "%s: %s\n", argv[1], gai_strerror(why));
    return 1;
  }
  for (struct addrinfo *one = found; one != NULL; one = one->ai_next) {
    char text[NI_MAXHOST];
    getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    puts(text);
  }
  freeaddrinfo(found);
  return 0;
}
