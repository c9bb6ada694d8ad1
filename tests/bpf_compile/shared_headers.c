/* Proof that the shared headers stay within what BPF can do. Compiled, never loaded. */
#include "preload/segment_layout.h"

#define LOOPTAP_INLINE static inline __attribute__((always_inline))

struct looptap_loops {
  struct looptap_loop* slots;
  struct looptap_ring* ring;
};

static inline struct looptap_loop* looptap_loop_at(const struct looptap_loops* loops, uint32_t ordinal) {
  return &loops->slots[ordinal & (LOOPTAP_MOST_LOOPS - 1)];
}
static inline struct looptap_ring* looptap_ring_of(const struct looptap_loops* loops) { return loops->ring; }
static inline uint64_t looptap_load(const uint64_t* word) { return *(volatile const uint64_t*)word; }
static inline void looptap_store(uint64_t* word, uint64_t value) { *(volatile uint64_t*)word = value; }
static inline uint64_t looptap_add(uint64_t* word, uint64_t value) {
  return __sync_fetch_and_add(word, value);
}
static inline int looptap_swap(uint64_t* word, uint64_t expected, uint64_t value) {
  return __sync_val_compare_and_swap(word, expected, value) == expected;
}
static inline uint32_t looptap_log2(uint64_t value) {
  uint32_t log2 = 0;
  for (uint32_t step = 32; step; step >>= 1)
    if (value >> step) {
      value >>= step;
      log2 += step;
    }
  return log2;
}

#include "preload/loop_state.h"

__attribute__((section("test"))) int every_function(struct looptap_loops* loops,
                                                    struct looptap_thread* thread, uint64_t now_ns) {
  uint32_t number = looptap_enter(loops, thread, 3, now_ns, LOOPTAP_NO_TIMEOUT);
  looptap_leave(loops, thread, 3, number, now_ns, 1);
  looptap_end(loops, thread, 3, now_ns);
  looptap_thread_ends(loops, thread, now_ns);
  looptap_begin(looptap_loop_at(loops, 3), thread, now_ns);
  looptap_disown(looptap_loop_at(loops, 3), thread);
  return looptap_take_over(looptap_loop_at(loops, 3), thread, 1, now_ns);
}
