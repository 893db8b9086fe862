/** An instance of the core over a memory of its own, and the steps of the vectors on it. */
#ifndef SLUICE_EMBED_HOST_H_
#define SLUICE_EMBED_HOST_H_

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

/** The fewest pages that the module accepts (asc --initialMemory). */
enum { MIN_PAGES = 32, ARGS_MAX = 8, FAILURE_MAX = 256 };

/** What the module imports from "env": wasm2c leaves the definition to the embedder. */
struct Z_env_instance_t {
  wasm_rt_memory_t memory;
};

struct host {
  struct Z_env_instance_t env;
  Z_core_instance_t core;
};

/** A function of the module; exports.awk makes the table of them. */
struct core_export {
  const char* name;
  u32 (*call)(Z_core_instance_t* core, const int64_t* args);
  size_t arg_count;
  bool has_result;
};

/** Everything that can be looked up and decoded before a clock runs. */
struct step {
  enum { STEP_WRITE, STEP_CALL, STEP_READ } kind;
  /** Of a write or a read: where, and the bytes. */
  uint32_t at;
  size_t len;
  uint8_t* bytes;
  /** Of a call: a name of the JSON, and NULL when the module has no such export. */
  const char* name;
  const struct core_export* callee;
  int64_t args[ARGS_MAX];
  bool is_checked;
  uint32_t expected;
};

struct steps {
  struct step* list;
  size_t count;
};

/** Zeroed memory of `pages` times 64 KiB, and an instance over it. */
void host_open(struct host* host, uint32_t pages);
void host_close(struct host* host);

/** @returns the steps of a JSON array, which has to outlive them; ends the program when it is not
 * one */
struct steps steps_read(const json_t* array, const char* file);
void steps_free(struct steps* steps);

/**
 * Do the steps.
 *
 * @param failure  FAILURE_MAX bytes: `step N: what was wrong`, counted from 1
 * @returns        whether all of them agree
 */
bool steps_run(struct host* host, const struct steps* steps, char* failure);

/**
 * Do the steps again and again for at least `min_ms`, and nothing else in between.
 *
 * @returns turns done; 0 with `failure` when one of them disagrees
 */
uint64_t steps_turn(struct host* host, const struct steps* steps, double min_ms, double* elapsed_ms,
                    char* failure);

/** Monotonic, milliseconds. */
double now_ms(void);

/** One sentence on stderr, exit code 2. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char* format, ...);

#endif  // SLUICE_EMBED_HOST_H_
