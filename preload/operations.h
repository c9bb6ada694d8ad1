/* How loop_state.h and histogram_scheme.h reach memory, in C++.
 *
 * For:      preload/, the exporter's histogram bounds, tests. bpf/operations.h defines the same names for BPF.
 * Threads:  each operation is atomic on one aligned word of 8 bytes, lock-free, async-signal-safe.
 * Errors:   none; errno is not touched.
 * Units:    the word's own (segment_layout.h).
 *
 * The memory order is in the name, as in the kernel's atomic_*(): _acquire, _release, _relaxed. fetch_add and
 * compare_exchange acquire and release; a compare_exchange that fails only acquires. What pairs with what stands in
 * loop_state.h and at each use.
 */
#ifndef LOOPTAP_OPERATIONS_H
#define LOOPTAP_OPERATIONS_H

#include "preload/segment_layout.h"

/* Always inline, in the probe, too: right after a system call, calls and returns cost the most. */
#define LOOPTAP_INLINE static inline __attribute__((always_inline))
#define LOOPTAP_NOINLINE_IN_BPF LOOPTAP_INLINE

/* The loops of one process. */
struct looptap_loops {
  unsigned char* slots; /* the first struct looptap_loop */
  uint64_t stride;      /* bytes from one to the next */
  struct looptap_ring* ring;
};

static inline struct looptap_loop* looptap_loop_at(const struct looptap_loops* loops, uint32_t ordinal) {
  return (struct looptap_loop*)(loops->slots + loops->stride * ordinal);
}

static inline struct looptap_ring* looptap_ring_of(const struct looptap_loops* loops) { return loops->ring; }

static inline uint64_t looptap_load_relaxed(const uint64_t* word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint64_t looptap_load_acquire(const uint64_t* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void looptap_store_release(uint64_t* word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Returns what the word held before. */
static inline uint64_t looptap_fetch_add(uint64_t* word, uint64_t value) {
  return __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL);
}

/* True when the word held `expected` and now holds `value`. */
static inline int looptap_compare_exchange(uint64_t* word, uint64_t expected, uint64_t value) {
  return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* floor(log2(value)); value > 0. */
static inline uint32_t looptap_log2(uint64_t value) { return 63u - (uint32_t)__builtin_clzll(value); }

#endif
