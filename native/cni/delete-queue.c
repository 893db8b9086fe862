#define _GNU_SOURCE
#include "delete-queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUEUE_MAX = 256 };

/** FNV-1a: the same deletion, asked for again, has the same name. */
static uint64_t hash(uint64_t h, const char* bytes, size_t len) {
  for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return h;
}

static uint64_t identity_of(const char* request, size_t len, size_t stdin_at) {
  static const char* const names[] = {"CNI_CONTAINERID", "CNI_IFNAME"};
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char* value = getenv(names[i]);
    if (value) h = hash(h, value, strlen(value) + 1);
  }
  return hash(h, request + stdin_at, len - stdin_at);
}

/** Make a folder and those above it. */
static void make_folders(char* path) {
  for (char* at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
    *at = 0;
    mkdir(path, 0755);
    *at = '/';
  }
  mkdir(path, 0700);
}

static int count_files(int folder) {
  DIR* entries = fdopendir(dup(folder));
  if (!entries) return QUEUE_MAX;
  int count = 0;
  for (struct dirent* entry = readdir(entries); entry; entry = readdir(entries)) {
    size_t len = strlen(entry->d_name);
    if (len > 4 && strcmp(entry->d_name + len - 4, ".del") == 0) count++;
  }
  closedir(entries);
  return count;
}

/** Write a file whole or not at all, and durably. */
static bool write_file(int folder, const char* name, const char* bytes, size_t len) {
  char part[64];
  snprintf(part, sizeof part, ".%s.%d", name, (int)getpid());
  // Whoever had this process id before was killed over it.
  unlinkat(folder, part, 0);
  int fd = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  size_t at = 0;
  while (at < len) {
    ssize_t written = write(fd, bytes + at, len - at);
    if (written < 0 && errno != EINTR) break;
    if (written > 0) at += (size_t)written;
  }
  bool is_whole = at == len && fsync(fd) == 0;
  close(fd);
  if (is_whole && renameat(folder, part, folder, name) == 0) return fsync(folder) == 0;
  int reason = errno;
  unlinkat(folder, part, 0);
  errno = reason;
  return false;
}

Left leave_delete(char* path, const char* request, size_t len, size_t stdin_at) {
  char name[32];
  make_folders(path);
  snprintf(name, sizeof name, "%016llx.del",
           (unsigned long long)identity_of(request, len, stdin_at));
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return LEFT_NO_FOLDER;
  bool is_known = faccessat(folder, name, F_OK, 0) == 0;
  if (!is_known && count_files(folder) >= QUEUE_MAX) return LEFT_FULL;
  return write_file(folder, name, request, len) ? LEFT : LEFT_UNWRITTEN;
}
