/* How preload/loop_state.h and preload/histogram_scheme.h reach memory, in BPF. Here an ordinal is the index of a slot
 * in the map `slots`, which all processes share.
 *
 * For:      the headers in bpf/. preload/operations.h defines the same names for C++, and says what order they have.
 * Threads:  each operation is atomic on one aligned word of 8 bytes.
 * Errors:   looptap_loop_at() returns NULL for an ordinal out of range.
 *
 * clang 14 has neither __atomic_load_n() nor fences for BPF. The instructions that BPF has for fetch_add, exchange and
 * compare-and-swap are full barriers.
 */
#ifndef LOOPTAP_BPF_OPERATIONS_H
#define LOOPTAP_BPF_OPERATIONS_H

#include "bpf/maps.h"
#include "preload/segment_layout.h"

#define LOOPTAP_INLINE static inline __attribute__((always_inline))
#define LOOPTAP_NOINLINE_IN_BPF __attribute__((noinline))

/* All loops of the machine are in one map, so there is nothing to hold. */
struct looptap_loops {
  uint32_t unused;
};
#define ALL_LOOPS ((const struct looptap_loops*)0)

static __always_inline struct looptap_loop* looptap_loop_at(const struct looptap_loops* loops,
                                                            uint32_t slot) {
  asm volatile("" ::"r"(
      loops)); /* or clang hands nothing over to a LOOPTAP_NOINLINE_IN_BPF, which the verifier wants to see */
  return bpf_map_lookup_elem(&slots, &slot);
}

/* No ring of long iterations: the exporter does not read it. */
static __always_inline struct looptap_ring* looptap_ring_of(const struct looptap_loops* loops) {
  (void)loops;
  return 0;
}

static __always_inline uint64_t looptap_load_relaxed(const uint64_t* word) {
  return *(const volatile uint64_t*)word;
}

/* On x86 a plain load acquires and a plain store releases. Elsewhere the barrier costs an instruction that changes the
 * word: adding 0, or an exchange. */
static __always_inline uint64_t looptap_load_acquire(const uint64_t* word) {
#if defined(__TARGET_ARCH_x86)
  return *(const volatile uint64_t*)word;
#else
  return __sync_fetch_and_add((uint64_t*)word, 0);
#endif
}

static __always_inline void looptap_store_release(uint64_t* word, uint64_t value) {
#if defined(__TARGET_ARCH_x86)
  *(volatile uint64_t*)word = value;
#else
  __sync_lock_test_and_set(word, value);
#endif
}

static __always_inline uint64_t looptap_fetch_add(uint64_t* word, uint64_t value) {
  return __sync_fetch_and_add(word, value);
}

static __always_inline int looptap_compare_exchange(uint64_t* word, uint64_t expected, uint64_t value) {
  return __sync_val_compare_and_swap(word, expected, value) == expected;
}

static __always_inline uint32_t looptap_log2(uint64_t value) {
  uint32_t log2 = 0;
#pragma unroll
  for (uint32_t step = 32; step; step >>= 1) {
    if (value >> step) {
      value >>= step;
      log2 += step;
    }
  }
  return log2;
}

#endif
