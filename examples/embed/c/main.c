/**
 * The core as C: every vector, then the throughput loops.
 *
 *   host --vectors FOLDER [--json]
 *
 * The module is compiled into the program, so that there is none to name.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

static const double WARM_UP_MS = 200, MEASURED_MS = 1000;

struct options {
  bool json;
  const char* vectors;
};

struct tally {
  size_t passed, total, failures;
};

static struct options read_options(int argc, char** argv) {
  static const struct option known[] = {
      {"json", no_argument, NULL, 'j'},
      {"module", required_argument, NULL, 'm'},
      {"vectors", required_argument, NULL, 'v'},
      {0},
  };
  struct options options = {.vectors = "test/vectors"};
  opterr = 0;
  for (int key; (key = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (key == 'j') options.json = true;
    if (key == 'v') options.vectors = optarg;
    if (key == 'm') {
      die("--module %s: the module is compiled in; prepare.sh OUTDIR %s makes a program of it",
          optarg, optarg);
    }
    if (key == '?') die("%s: expected --json or --vectors FOLDER", argv[optind - 1]);
  }
  if (optind < argc) die("%s: expected --json or --vectors FOLDER", argv[optind]);
  return options;
}

static json_t* load(const char* folder, const char* file) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  json_error_t error;
  json_t* root = json_load_file(path, 0, &error);
  if (!root) die("%s: %s", path, error.text);
  return root;
}

/** A fresh instance with the pages of the file; ends the program when it is of another version. */
static void open_for(struct host* host, const json_t* root, const char* file) {
  host_open(host, (uint32_t)json_integer_value(json_object_get(root, "pages")));
  const json_int_t version = json_integer_value(json_object_get(root, "abiVersion"));
  const uint32_t ours = Z_coreZ_abiVersion(&host->core);
  if (version != ours) {
    die("%s is for ABI version %lld, the module has %u", file, (long long)version, ours);
  }
}

static bool run_steps_of(struct host* host, const json_t* array, const char* file, char* failure) {
  struct steps steps = steps_read(array, file);
  const bool agree = steps_run(host, &steps, failure);
  steps_free(&steps);
  return agree;
}

static void complain(struct tally* tally, const char* file, const char* where,
                     const char* failure) {
  tally->failures++;
  fprintf(stderr, "%s %s: %s\n", file, where, failure);
}

static void run_cases(struct host* host, const json_t* cases, const char* file,
                      struct tally* tally) {
  size_t idx;
  const json_t* one;
  json_array_foreach(cases, idx, one) {
    const char* name = json_string_value(json_object_get(one, "name"));
    char failure[FAILURE_MAX], where[FAILURE_MAX];
    if (run_steps_of(host, json_object_get(one, "steps"), file, failure)) {
      tally->passed++;
      continue;
    }
    snprintf(where, sizeof where, "case %.200s", name ? name : "without a name");
    complain(tally, file, where, failure);
  }
}

static void run_file(const char* folder, const char* file, struct tally* tally) {
  json_t* root = load(folder, file);
  struct host host;
  open_for(&host, root, file);
  const json_t* cases = json_object_get(root, "cases");
  if (!json_is_array(cases)) die("%s: it has no cases", file);
  tally->total += json_array_size(cases);
  char failure[FAILURE_MAX];
  if (!run_steps_of(&host, json_object_get(root, "setup"), file, failure)) {
    complain(tally, file, "setup", failure);
  } else {
    run_cases(&host, cases, file, tally);
  }
  host_close(&host);
  json_decref(root);
}

static int is_json(const struct dirent* entry) {
  const size_t len = strlen(entry->d_name);
  return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static struct tally run_folder(const char* folder) {
  struct dirent** entries;
  const int count = scandir(folder, &entries, is_json, alphasort);
  if (count < 0) die("%s: %s", folder, strerror(errno));
  if (count == 0) die("%s: no vectors (*.json)", folder);
  struct tally tally = {0};
  for (int i = 0; i < count; i++) {
    run_file(folder, entries[i]->d_name, &tally);
    free(entries[i]);
  }
  free(entries);
  return tally;
}

/** @returns nanoseconds an item; NAN, and one failure more, when a turn disagrees */
static double measure(const char* folder, const char* file, struct tally* tally) {
  json_t* root = load(folder, file);
  const json_t* loop = json_object_get(root, "loop");
  struct host host;
  open_for(&host, root, file);
  struct steps steps = steps_read(json_object_get(loop, "steps"), file);
  char failure[FAILURE_MAX];
  double elapsed_ms = 0;
  uint64_t turns = 0;
  const bool ready = run_steps_of(&host, json_object_get(root, "setup"), file, failure);
  if (ready && steps_turn(&host, &steps, WARM_UP_MS, &elapsed_ms, failure) > 0) {
    turns = steps_turn(&host, &steps, MEASURED_MS, &elapsed_ms, failure);
  }
  const double items = (double)json_integer_value(json_object_get(loop, "items"));
  if (turns == 0) {
    tally->failures++;
    fprintf(stderr, "%s%s: %s\n", file, ready ? "" : " setup", failure);
  }
  steps_free(&steps);
  host_close(&host);
  json_decref(root);
  return turns == 0 ? NAN : elapsed_ms * 1e6 / ((double)turns * items);
}

/** From nothing to the first answer of an export. */
static double start_up_ms(void) {
  const double begin = now_ms();
  wasm_rt_init();
  Z_core_init_module();
  struct host host;
  host_open(&host, MIN_PAGES);
  Z_coreZ_abiVersion(&host.core);
  const double elapsed_ms = now_ms() - begin;
  host_close(&host);
  return elapsed_ms;
}

/** A number of JSON: what could not be measured is null. */
static const char* number(double value, char* text, size_t size) {
  snprintf(text, size, isnan(value) ? "null" : "%.2f", value);
  return text;
}

int main(int argc, char** argv) {
  const struct options options = read_options(argc, argv);
  const double start_ms = start_up_ms();
  struct tally tally = run_folder(options.vectors);
  char packet[32], answer[32];
  number(measure(options.vectors, "throughput/packets.json", &tally), packet, sizeof packet);
  number(measure(options.vectors, "throughput/answers.json", &tally), answer, sizeof answer);
  printf(options.json ? "{\"runtime\":\"c-wasm2c\",\"version\":\"%s\",\"passed\":%zu,\"total\":%zu,"
                        "\"nsPerPacket\":%s,\"nsPerAnswer\":%s,\"startMs\":%.3f}\n"
                      : "c-wasm2c %s: %zu of %zu cases, %s ns a packet, %s ns a DNS answer, "
                        "started in %.3f ms\n",
         SLUICE_VERSION, tally.passed, tally.total, packet, answer, start_ms);
  wasm_rt_free();
  return tally.failures == 0 ? 0 : 1;
}
