/**
 * The CNI plugin: what a runtime executes. It carries the request to the agent and brings the
 * answer back; it reads no JSON and decides nothing.
 *
 *   request   KEY=VALUE\0 for every CNI_* variable, \0, standard input, end of stream
 *   reply     exit code in decimal, \n, what goes to standard output, end of stream
 *
 * The socket is $SLUICE_CNI_SOCKET, else <path of this executable>.sock (a symbolic link that
 * `sluice cni install` makes), else /run/sluice/cni.sock.
 *
 * Runtimes hold a lock while a plugin runs, so it ends by itself: after 1 s for STATUS, 5 s for
 * CHECK, 30 s for the others, with code 11. Where no agent runs, ADD, CHECK and GC are code 11,
 * STATUS is code 50, and a DEL is left in deletes/ beside the socket, for the agent to do later:
 * a runtime that cannot delete a pod tries for ever. Then, and only then, missing variables are
 * looked for here; all other checks are the agent's. VERSION needs no agent.
 *
 * Spec  CNI 1.1.0; src/cni/wire.ts is the other end, src/cni/verb.ts has the same times
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "delete-queue.h"

#define VERSIONS "\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\""
#define LATEST "1.1.0"
/** `sluice cni uninstall` knows its own executable by these words. */
#define ABOUT "sluice-cni: the CNI plugin of Sluice\nversions: "
#define DEFAULT_SOCKET "/run/sluice/cni.sock"

enum {
  /** 16 MiB of input, and room for the variables. */
  MESSAGE_MAX = 17 * 1024 * 1024,
  LINKS_MAX = 8,
  /** A pipe that polls writable takes this much without blocking (pipe(7)). */
  WRITE_MAX = 4096,
  CODE_ENVIRONMENT = 4,
  CODE_IO = 5,
  CODE_TRY_AGAIN = 11,
  CODE_NOT_AVAILABLE = 50,
};

typedef struct {
  char* bytes;
  size_t len;
  size_t room;
} Buffer;

typedef enum { OK, TIMED_OUT, TOO_LONG, FAILED } Outcome;

extern char** environ;
static int64_t deadline_ms;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** Wait until a descriptor is ready. False at the deadline. */
static bool wait_for(int fd, short events) {
  for (;;) {
    int64_t left = deadline_ms - now_ms();
    if (left <= 0) return false;
    struct pollfd pollfd = {.fd = fd, .events = events};
    int ready = poll(&pollfd, 1, (int)left);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

/** Print everything. False when the reader has gone, or does not read. */
static bool print(const char* bytes, size_t len) {
  while (len > 0) {
    if (!wait_for(STDOUT_FILENO, POLLOUT)) return false;
    ssize_t written = write(STDOUT_FILENO, bytes, len < WRITE_MAX ? len : WRITE_MAX);
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) {
      bytes += written;
      len -= (size_t)written;
    }
  }
  return true;
}

/** Print an error object and end. The message holds nothing that JSON would escape. */
__attribute__((noreturn, format(printf, 2, 3))) static void fail(int code, const char* format,
                                                                 ...) {
  char message[512], object[640];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  for (char* at = message; *at; at++)
    if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') *at = '?';
  int len = snprintf(object, sizeof object, "{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\"}\n",
                     LATEST, code, message);
  // The error is worth a moment even when the time is over.
  deadline_ms = now_ms() + 500;
  print(object, (size_t)len);
  exit(1);
}

/** Make room for `more` bytes. False beyond the longest message. */
static bool reserve(Buffer* buffer, size_t more) {
  size_t wanted = buffer->len + more, room = buffer->room ? buffer->room : 65536;
  if (wanted > MESSAGE_MAX) return false;
  while (room < wanted) room *= 2;
  if (room == buffer->room) return true;
  char* bytes = realloc(buffer->bytes, room);
  if (!bytes) return false;
  buffer->bytes = bytes;
  buffer->room = room;
  return true;
}

static bool append(Buffer* buffer, const char* bytes, size_t len) {
  if (!reserve(buffer, len)) return false;
  memcpy(buffer->bytes + buffer->len, bytes, len);
  buffer->len += len;
  return true;
}

/** Read until the end of a stream. */
static Outcome read_all(int fd, Buffer* buffer) {
  for (;;) {
    char chunk[65536];
    if (!wait_for(fd, POLLIN)) return TIMED_OUT;
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got == 0) return OK;
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return FAILED;
    if (!append(buffer, chunk, (size_t)got)) return TOO_LONG;
  }
}

static bool is_verb(const char* command, const char* verb) { return strcmp(command, verb) == 0; }

static int time_of(const char* command) {
  if (is_verb(command, "STATUS")) return 1000;
  return is_verb(command, "CHECK") ? 5000 : 30000;
}

static Outcome build_request(Buffer* request) {
  for (char** variable = environ; *variable; variable++) {
    if (strncmp(*variable, "CNI_", 4) != 0 || !strchr(*variable, '=')) continue;
    if (!append(request, *variable, strlen(*variable) + 1)) return TOO_LONG;
  }
  if (!append(request, "", 1)) return TOO_LONG;
  return read_all(STDIN_FILENO, request);
}

/** Where the agent listens; the path may be a link, and lead nowhere. */
static void find_socket(char* path, size_t room) {
  const char* given = getenv("SLUICE_CNI_SOCKET");
  const char* executable = (const char*)getauxval(AT_EXECFN);
  struct stat found;
  if (given && *given) {
    snprintf(path, room, "%s", given);
    return;
  }
  int len = snprintf(path, room, "%s.sock", executable ? executable : "");
  if (len >= 0 && (size_t)len < room && lstat(path, &found) == 0) return;
  snprintf(path, room, "%s", DEFAULT_SOCKET);
}

/** Follow links by their text: realpath(3) needs a target that exists. */
static void resolve(char* path, size_t room) {
  for (int links = 0; links < LINKS_MAX; links++) {
    char target[PATH_MAX], joined[2 * PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len < 0) return;
    target[len] = 0;
    char* slash = strrchr(path, '/');
    int folder = target[0] == '/' || !slash ? 0 : (int)(slash - path + 1);
    size_t whole = (size_t)snprintf(joined, sizeof joined, "%.*s%s", folder, path, target);
    if (whole >= room) return;
    memcpy(path, joined, whole + 1);
  }
}

/** Connect. -1 when nobody listens. */
static int dial(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  while (connect(fd, (struct sockaddr*)&address, sizeof address) < 0) {
    // A full backlog: there is nothing to poll for (unix(7)).
    if (errno != EAGAIN && errno != EINTR) {
      close(fd);
      return -1;
    }
    if (now_ms() >= deadline_ms) fail(CODE_TRY_AGAIN, "the agent is busy: try again later");
    poll(NULL, 0, 5);
  }
  return fd;
}

/** Send everything. What an agent answers before it has read all of it is read all the same. */
static Outcome send_all(int fd, const Buffer* request) {
  for (size_t at = 0; at < request->len;) {
    if (!wait_for(fd, POLLOUT)) return TIMED_OUT;
    ssize_t sent = send(fd, request->bytes + at, request->len - at, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent < 0) return FAILED;
    at += (size_t)sent;
  }
  shutdown(fd, SHUT_WR);
  return OK;
}

/** Leave a DEL for the agent to do when it is there again, and end. */
__attribute__((noreturn)) static void queue_delete(char* socket_path, const Buffer* request,
                                                   size_t stdin_at) {
  char path[PATH_MAX + 16];
  resolve(socket_path, PATH_MAX);
  char* slash = strrchr(socket_path, '/');
  int folder_len = slash ? (int)(slash - socket_path) : 0;
  snprintf(path, sizeof path, "%.*s/deletes", slash ? folder_len : 1, slash ? socket_path : ".");
  switch (leave_delete(path, request->bytes, request->len, stdin_at)) {
    case LEFT_NO_FOLDER:
      fail(CODE_TRY_AGAIN, "no agent, and %s cannot be opened: %s", path, strerror(errno));
    case LEFT_FULL:
      fail(CODE_TRY_AGAIN, "no agent, and %s is full: try again later", path);
    case LEFT_UNWRITTEN:
      fail(CODE_TRY_AGAIN, "no agent, and %s cannot be written: %s", path, strerror(errno));
    case LEFT:
      break;
  }
  exit(0);
}

/** Complain about all variables that a verb needs and has not; or about the verb. */
static void check_environment(const char* command) {
  static const struct {
    const char* name;
    const char* verbs;
  } needed[] = {
      {"CNI_CONTAINERID", "ADD DEL CHECK "},
      {"CNI_NETNS", "ADD CHECK "},
      {"CNI_IFNAME", "ADD DEL CHECK "},
      {"CNI_PATH", "ADD DEL CHECK GC STATUS "},
  };
  char verb[16], missing[128] = "";
  int len = snprintf(verb, sizeof verb, "%s ", command);
  if ((size_t)len >= sizeof verb || !strstr(needed[3].verbs, verb) || strchr(command, ' '))
    fail(CODE_ENVIRONMENT, "CNI_COMMAND: %.64s: expected ADD, DEL, CHECK, GC, STATUS or VERSION",
         command);
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    const char* value = getenv(needed[i].name);
    if (!strstr(needed[i].verbs, verb) || (value && *value)) continue;
    size_t at = strlen(missing);
    snprintf(missing + at, sizeof missing - at, "%s%s", at ? ", " : "", needed[i].name);
  }
  if (*missing) fail(CODE_ENVIRONMENT, "required environment variables missing: %s", missing);
}

/** Without an agent. */
__attribute__((noreturn)) static void do_without(const char* command, char* socket_path,
                                                 const Buffer* request, size_t stdin_at) {
  check_environment(command);
  if (is_verb(command, "DEL")) queue_delete(socket_path, request, stdin_at);
  int code = is_verb(command, "STATUS") ? CODE_NOT_AVAILABLE : CODE_TRY_AGAIN;
  fail(code, "no agent answers on %.256s", socket_path);
}

/** Exit code at the head of a reply; -1 for what is no reply. */
static int read_exit_code(const Buffer* reply, size_t* body_at) {
  int code = 0;
  for (size_t i = 0; i < reply->len && i < 4; i++) {
    char c = reply->bytes[i];
    *body_at = i + 1;
    if (c == '\n' && i > 0) return code < 256 ? code : -1;
    if (c < '0' || c > '9') return -1;
    code = code * 10 + (c - '0');
  }
  return -1;
}

static void explain_outcome(Outcome outcome, const char* what) {
  if (outcome == TIMED_OUT) fail(CODE_TRY_AGAIN, "%s in time: try again later", what);
  if (outcome == TOO_LONG) fail(CODE_IO, "%s within %d bytes", what, MESSAGE_MAX);
}

/** Where standard input begins in a request: behind the empty variable that ends them. */
static size_t find_stdin(const Buffer* request) {
  size_t at = 0;
  while (request->bytes[at]) at += strlen(request->bytes + at) + 1;
  return at + 1;
}

static int print_versions(void) {
  static const char answer[] =
      "{\"cniVersion\":\"" LATEST "\",\"supportedVersions\":[" VERSIONS "]}\n";
  return print(answer, sizeof answer - 1) ? 0 : 1;
}

int main(void) {
  const char* command = getenv("CNI_COMMAND");
  signal(SIGPIPE, SIG_IGN);
  if (!command || !*command) {
    fputs(ABOUT VERSIONS "\n", stderr);
    return 0;
  }
  deadline_ms = now_ms() + time_of(command);
  if (is_verb(command, "VERSION")) return print_versions();

  Buffer request = {0}, reply = {0};
  Outcome outcome = build_request(&request);
  explain_outcome(outcome, "standard input does not end");
  if (outcome == FAILED) fail(CODE_IO, "standard input cannot be read: %s", strerror(errno));
  size_t stdin_at = find_stdin(&request);

  char socket_path[PATH_MAX];
  find_socket(socket_path, sizeof socket_path);
  int fd = dial(socket_path);
  if (fd < 0) do_without(command, socket_path, &request, stdin_at);
  explain_outcome(send_all(fd, &request), "the agent does not take the request");
  explain_outcome(read_all(fd, &reply), "the agent does not answer");
  size_t body_at = 0;
  int code = read_exit_code(&reply, &body_at);
  // It was there, and is gone without a word: as if it had not been there.
  if (code < 0) do_without(command, socket_path, &request, stdin_at);
  // Half an answer is no answer.
  return print(reply.bytes + body_at, reply.len - body_at) ? code : 1;
}
