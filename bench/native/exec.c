/**
 * Executes programs one after the other and says how long each took, from before it is begun until
 * it has ended: what a runtime waits for, without what the caller's own process costs to fork.
 *
 *   request   three u32: bytes of path, environment and input; then these. Every variable of the
 *             environment ends with a zero byte
 *   answer    u64 nanoseconds, u32 exit code (128 + signal when there was one), u32 bytes; output
 *
 * Numbers in the machine's order. Standard error is the program's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/** A pipe takes so much without anybody who reads (pipe(7)). */
enum { PART_MAX = 65536, VARIABLES_MAX = 512 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/** @returns 0 at the end of a stream that ends before the first byte */
static int read_whole(int fd, void *to, size_t len) {
  for (size_t at = 0; at < len;) {
    ssize_t got = read(fd, (char *)to + at, len - at);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 && at == 0) return 0;
    if (got <= 0) fail("read");
    at += (size_t)got;
  }
  return 1;
}

static void write_whole(int fd, const void *from, size_t len) {
  for (size_t at = 0; at < len;) {
    ssize_t put = write(fd, (const char *)from + at, len - at);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EPIPE) return;
    if (put < 0) fail("write");
    at += (size_t)put;
  }
}

struct part {
  char bytes[PART_MAX + 1];
  uint32_t len;
};

static struct part path, environment, input, output;

static void read_part(struct part *part) {
  if (part->len > PART_MAX) {
    fprintf(stderr, "a part of %u bytes, expected %d at most\n", part->len, PART_MAX);
    exit(1);
  }
  if (part->len > 0) read_whole(STDIN_FILENO, part->bytes, part->len);
  part->bytes[part->len] = 0;
}

static void split_environment(char **variables) {
  size_t count = 0;
  for (char *at = environment.bytes; at < environment.bytes + environment.len; at += strlen(at) + 1)
    if (count < VARIABLES_MAX) variables[count++] = at;
  variables[count] = NULL;
}

/** @returns the exit code; the output is all there */
static uint32_t execute(char **variables) {
  char *arguments[] = {path.bytes, NULL};
  posix_spawn_file_actions_t actions;
  int in[2], out[2], status, problem;
  pid_t pid;
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) fail("pipe2");
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  problem = posix_spawn(&pid, path.bytes, &actions, NULL, arguments, variables);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  if (problem) {
    errno = problem;
    fail(path.bytes);
  }
  // A program need not read its input; it does not inherit what is ignored here.
  signal(SIGPIPE, SIG_IGN);
  write_whole(in[1], input.bytes, input.len);
  signal(SIGPIPE, SIG_DFL);
  close(in[1]);
  output.len = 0;
  for (ssize_t got; output.len < PART_MAX; output.len += (uint32_t)got) {
    got = read(out[0], output.bytes + output.len, PART_MAX - output.len);
    if (got < 0 && errno != EINTR) fail("read");
    if (got == 0) break;
    if (got < 0) got = 0;
  }
  close(out[0]);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) fail("waitpid");
  return WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 128 + (uint32_t)WTERMSIG(status);
}

int main(void) {
  uint32_t lens[3];
  char *variables[VARIABLES_MAX + 1];
  while (read_whole(STDIN_FILENO, lens, sizeof lens)) {
    path.len = lens[0];
    environment.len = lens[1];
    input.len = lens[2];
    read_part(&path);
    read_part(&environment);
    read_part(&input);
    split_environment(variables);
    uint64_t begin = now_ns();
    uint32_t code = execute(variables);
    struct {
      uint64_t ns;
      uint32_t code, len;
    } answer = {.ns = now_ns() - begin, .code = code, .len = output.len};
    write_whole(STDOUT_FILENO, &answer, sizeof answer);
    write_whole(STDOUT_FILENO, output.bytes, output.len);
  }
  return 0;
}
