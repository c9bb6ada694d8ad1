/* wait_cost SEGMENT_DIRECTORY CPU ROUNDS NAME=LIBRARY...: what each way to wait takes for one call, in one
 * process and one run. A round measures one batch of each, and the order rotates from round to round.
 *
 * Prints a line for each batch: SETTING NAME ROUND NANOSECONDS_PER_CALL, where the setting is
 *   stub   the next function returns at once
 *   real   it is epoll_wait, and a descriptor is ready
 *   apart  as real, and the program works for a microsecond or two between its waits, so that the
 *          iterations are long enough for a bucket
 * and at last for each probe: "waits" NAME CALLS_MADE WAITS_IN_ITS_SEGMENT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/wait_function.h"

enum { MOST_WAYS = 12, EVENTS = 16 };

/* A probe measures the rate of the TSC over 10 ms of waits before it relies on it: warm up for many times
 * as long. */
static const uint64_t kWarmUp_ns = 200000000;
/* Short, so that few batches are interrupted; those in which another program ran on the CPU are repeated. */
static const uint64_t kBatch_ns = 200000;
static const uint64_t kWork_ns = 1500; /* about: over 2^-20 s, where the buckets begin */

struct Way {
  const char* name;
  WaitFunction wait;
  int is_probe;
  uint64_t calls;
};

static struct Way ways[MOST_WAYS];
static int way_count;
static int loop; /* the epoll instance on which all of them wait */

static void add_way(const char* name, WaitFunction wait, int is_probe) {
  if (way_count == MOST_WAYS) exit(2);
  ways[way_count++] = (struct Way){name, wait, is_probe, is_probe};
}

/* Multiplications, each of which needs the one before. */
static __attribute__((noinline)) void work(uint64_t steps) {
  uint64_t value = steps;
  for (uint64_t i = 0; i < steps; i++) asm volatile("imul %0, %0" : "+r"(value));
}

static __attribute__((noinline)) double run_batch(struct Way* way, uint64_t calls, uint64_t steps) {
  struct epoll_event events[EVENTS];
  const uint64_t start_ns = monotonic_ns();
  for (uint64_t i = 0; i < calls; i++) {
    if (way->wait(loop, events, EVENTS, -1) != 1) fail(way->name);
    if (steps) work(steps);
  }
  way->calls += calls;
  return (double)(monotonic_ns() - start_ns) / (double)calls;
}

static double run_undisturbed_batch(struct Way* way, uint64_t calls, uint64_t steps) {
  for (;;) {
    const long before = times_preempted();
    const double ns = run_batch(way, calls, steps);
    if (times_preempted() == before) return ns;
  }
}

static uint64_t steps_of_work(void) {
  double best = 1e9;
  const uint64_t steps = 1000;
  for (int i = 0; i < 100; i++) {
    const uint64_t start_ns = monotonic_ns();
    for (int k = 0; k < 100; k++) work(steps);
    const double ns = (double)(monotonic_ns() - start_ns) / 100;
    if (ns < best) best = ns;
  }
  return (uint64_t)((double)steps * (double)kWork_ns / best);
}

static void measure(const char* setting, uint64_t steps, int rounds) {
  uint64_t calls[MOST_WAYS];
  for (int i = 0; i < way_count; i++) {
    const uint64_t start_ns = monotonic_ns();
    double last_ns;
    do last_ns = run_batch(&ways[i], 1000, steps);
    while (monotonic_ns() - start_ns < kWarmUp_ns);
    calls[i] = (uint64_t)((double)kBatch_ns / last_ns) + 1;
  }
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < way_count; i++) {
      const int way = (i + round) % way_count;
      printf("%s %s %d %.3f\n", setting, ways[way].name, round,
             run_undisturbed_batch(&ways[way], calls[way], steps));
    }
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  segment_directory = argv[1];
  pin_to_cpu(atoi(argv[2]));
  const int rounds = atoi(argv[3]);

  loop = ready_epoll();
  use_stub();
  add_way("none", next_wait, 0);
  add_way("empty", wait_empty, 0);
  add_way("tsc", wait_tsc, 0);
  for (int i = 4; i < argc; i++) {
    char* library = strchr(argv[i], '=');
    if (!library) return 2;
    *library++ = 0;
    add_way(argv[i], wait_of_probe(library, argv[i], loop), 1);
  }

  measure("stub", 0, rounds);
  use_real_call();
  measure("real", 0, rounds);
  measure("apart", steps_of_work(), rounds);

  for (int i = 0; i < way_count; i++)
    if (ways[i].is_probe)
      printf("waits %s %llu %llu\n", ways[i].name, (unsigned long long)ways[i].calls,
             (unsigned long long)waits_in_segment(ways[i].name));
  return 0;
}
