#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core-exports.h"
#include "wasm-rt-impl.h"

/** Turns between two looks at the clock. */
enum { TURNS = 64 };

/** wasm2c asks for the import by this name. */
wasm_rt_memory_t* Z_envZ_memory(struct Z_env_instance_t* env) { return &env->memory; }

void host_open(struct host* host, uint32_t pages) {
  wasm_rt_allocate_memory(&host->env.memory, pages, pages);
  Z_core_instantiate(&host->core, &host->env);
}

void host_close(struct host* host) {
  Z_core_free(&host->core);
  wasm_rt_free_memory(&host->env.memory);
}

double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void die(const char* format, ...) {
  va_list args;
  va_start(args, format);
  fputs("c-wasm2c: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(2);
}

// ---- Reading ----------------------------------------------------------------------------

static unsigned nibble(char digit, const char* file) {
  if (digit >= '0' && digit <= '9') return (unsigned)(digit - '0');
  if (digit >= 'a' && digit <= 'f') return (unsigned)(digit - 'a') + 10;
  die("%s: '%c' is no hexadecimal digit", file, digit);
}

static void read_bytes(const json_t* place, struct step* step, const char* file) {
  const char* hex = json_string_value(json_object_get(place, "hex"));
  const json_t* at = json_object_get(place, "at");
  if (!hex || !json_is_integer(at)) die("%s: a write or read needs \"at\" and \"hex\"", file);
  step->at = (uint32_t)json_integer_value(at);
  step->len = strlen(hex) / 2;
  step->bytes = malloc(step->len + 1);
  if (!step->bytes) die("%s: out of memory", file);
  for (size_t i = 0; i < step->len; i++) {
    step->bytes[i] = (uint8_t)(nibble(hex[2 * i], file) << 4 | nibble(hex[2 * i + 1], file));
  }
}

static const struct core_export* find_export(const char* name) {
  for (size_t i = 0; i < sizeof core_exports / sizeof *core_exports; i++) {
    if (strcmp(core_exports[i].name, name) == 0) return &core_exports[i];
  }
  return NULL;
}

static void read_call(const json_t* json, const char* name, struct step* step, const char* file) {
  const json_t* args = json_object_get(json, "args");
  const json_t* returns = json_object_get(json, "returns");
  step->name = name;
  step->callee = find_export(name);
  if (!step->callee) return;
  if (json_array_size(args) != step->callee->arg_count) {
    die("%s: %s takes %zu arguments, not %zu", file, name, step->callee->arg_count,
        json_array_size(args));
  }
  for (size_t i = 0; i < step->callee->arg_count; i++) {
    step->args[i] = json_integer_value(json_array_get(args, i));
  }
  step->is_checked = step->callee->has_result && json_is_integer(returns);
  step->expected = (uint32_t)json_integer_value(returns);
}

static void read_step(const json_t* json, struct step* step, const char* file) {
  const char* callee = json_string_value(json_object_get(json, "call"));
  const json_t* write = json_object_get(json, "write");
  if (callee) {
    step->kind = STEP_CALL;
    read_call(json, callee, step, file);
    return;
  }
  step->kind = write ? STEP_WRITE : STEP_READ;
  read_bytes(write ? write : json_object_get(json, "read"), step, file);
}

struct steps steps_read(const json_t* array, const char* file) {
  if (!json_is_array(array)) die("%s: steps are missing", file);
  struct steps steps = {.count = json_array_size(array)};
  steps.list = calloc(steps.count + 1, sizeof *steps.list);
  if (!steps.list) die("%s: out of memory", file);
  for (size_t i = 0; i < steps.count; i++) {
    read_step(json_array_get(array, i), &steps.list[i], file);
  }
  return steps;
}

void steps_free(struct steps* steps) {
  for (size_t i = 0; i < steps->count; i++) free(steps->list[i].bytes);
  free(steps->list);
}

// ---- Doing ------------------------------------------------------------------------------

/** Bytes of linear memory that a step is about; NULL with `failure` when not all of them are in it.
 */
static uint8_t* memory_of(struct host* host, const struct step* step, char* failure) {
  const wasm_rt_memory_t* memory = &host->env.memory;
  const uint64_t end = (uint64_t)step->at + step->len;
  if (end <= memory->size) return memory->data + step->at;
  snprintf(failure, FAILURE_MAX, "memory ends before %llu", (unsigned long long)end);
  return NULL;
}

static bool do_write(struct host* host, const struct step* step, char* failure) {
  uint8_t* to = memory_of(host, step, failure);
  if (to) memcpy(to, step->bytes, step->len);
  return to != NULL;
}

static bool do_read(struct host* host, const struct step* step, char* failure) {
  const uint8_t* found = memory_of(host, step, failure);
  if (!found) return false;
  if (memcmp(found, step->bytes, step->len) == 0) return true;
  size_t off = 0;
  while (found[off] == step->bytes[off]) off++;
  snprintf(failure, FAILURE_MAX, "byte %zu is %02x, expected %02x", step->at + off, found[off],
           step->bytes[off]);
  return false;
}

static bool do_call(struct host* host, const struct step* step, char* failure) {
  if (!step->callee) {
    snprintf(failure, FAILURE_MAX, "the module exports no %.100s", step->name);
    return false;
  }
  const uint32_t result = step->callee->call(&host->core, step->args);
  if (!step->is_checked || result == step->expected) return true;
  snprintf(failure, FAILURE_MAX, "%s returned %u, expected %u", step->name, result, step->expected);
  return false;
}

static bool do_step(struct host* host, const struct step* step, char* failure) {
  switch (step->kind) {
    case STEP_WRITE:
      return do_write(host, step, failure);
    case STEP_CALL:
      return do_call(host, step, failure);
    default:
      return do_read(host, step, failure);
  }
}

static void say_step(size_t idx, const char* what, char* failure) {
  char line[FAILURE_MAX];
  snprintf(line, sizeof line, "step %zu: %.200s", idx + 1, what);
  memcpy(failure, line, sizeof line);
}

bool steps_run(struct host* host, const struct steps* steps, char* failure) {
  // A trap jumps back to here: what has to survive it is volatile.
  volatile size_t idx = 0;
  const wasm_rt_trap_t trap = wasm_rt_impl_try();
  if (trap != WASM_RT_TRAP_NONE) {
    char what[FAILURE_MAX];
    snprintf(what, sizeof what, "%s trapped: %s", steps->list[idx].name, wasm_rt_strerror(trap));
    say_step(idx, what, failure);
    return false;
  }
  for (; idx < steps->count; idx++) {
    char what[FAILURE_MAX];
    if (do_step(host, &steps->list[idx], what)) continue;
    say_step(idx, what, failure);
    return false;
  }
  return true;
}

uint64_t steps_turn(struct host* host, const struct steps* steps, double min_ms, double* elapsed_ms,
                    char* failure) {
  // The turn before the clock runs is the one that says which step is wrong, if any is.
  if (!steps_run(host, steps, failure)) return 0;
  // Set once: sigsetjmp is a system call, and a trap in here is the end of all turns.
  const wasm_rt_trap_t trap = wasm_rt_impl_try();
  if (trap != WASM_RT_TRAP_NONE) {
    snprintf(failure, FAILURE_MAX, "a turn trapped: %s", wasm_rt_strerror(trap));
    return 0;
  }
  const double begin = now_ms();
  uint64_t turns = 0;
  do {
    for (size_t turn = 0; turn < TURNS; turn++) {
      for (size_t i = 0; i < steps->count; i++) {
        if (!do_step(host, &steps->list[i], failure)) return 0;
      }
    }
    turns += TURNS;
    *elapsed_ms = now_ms() - begin;
  } while (*elapsed_ms < min_ms);
  return turns;
}
