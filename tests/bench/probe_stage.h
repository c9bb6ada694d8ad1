/* Included before preload/probe.cc to build a probe that lacks a part of itself, so that wait_cost can tell
 * what each part takes. Such a probe measures nothing that is right.
 *
 *   STAGE_WITHOUT_TSC       ticks come from a variable
 *   STAGE_WITHOUT_LOCKS     the compare-and-swaps of a loop's state are not atomic
 *   STAGE_WITHOUT_COUNTERS  nothing is counted: no histogram, no sum, no settling of transitions
 */
#ifndef LOOPTAP_BENCH_PROBE_STAGE_H
#define LOOPTAP_BENCH_PROBE_STAGE_H

#include "preload/operations.h"

#ifdef STAGE_WITHOUT_TSC
static inline uint64_t stage_ticks() {
  static uint64_t ticks;
  return ticks += 64;
}
#define __builtin_ia32_rdtsc stage_ticks
#endif

#ifdef STAGE_WITHOUT_LOCKS
static inline int stage_compare_exchange(uint64_t* word, uint64_t expected, uint64_t value) {
  if (__atomic_load_n(word, __ATOMIC_RELAXED) != expected) return 0;
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  return 1;
}
#define looptap_compare_exchange stage_compare_exchange
#endif

#ifdef STAGE_WITHOUT_COUNTERS
static inline uint64_t stage_fetch_add(uint64_t*, uint64_t) { return 0; }
#define looptap_fetch_add stage_fetch_add
#endif

#endif
