/* The time of waits: CLOCK_MONOTONIC within 1 ms, at the cost of reading the CPU's counter.
 *
 * For:      the probe only (process.h, thread.h). C++.
 * Threads:  a Clock is shared by the process' threads without a lock; an Anchor belongs to one thread.
 * Signals:  async-signal-safe. A handler that waits may set the thread's anchor while now_ns() is reading it: that one
 *           time may then be up to a second late. start_clock() opens files in /proc and /sys.
 * Errors:   none: what the counter or the vDSO cannot do is done by the system call.
 * Units:    ns of CLOCK_MONOTONIC; ticks of the counter.
 *
 * The counter (TSC, or aarch64's CNTVCT) is used where the kernel itself keeps time by it. A thread ties it to
 * CLOCK_MONOTONIC (an *anchor*) after any interval of more than 1 ms and at least once a second, so that neither a
 * drifting rate nor a suspended machine adds up. The rate is measured again and again, between two anchors of one
 * thread.
 */
#ifndef LOOPTAP_CLOCK_H
#define LOOPTAP_CLOCK_H

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "preload/sys.h"
#include "preload/vdso.h"

namespace looptap {

constexpr uint64_t kLongInterval_ns = 1000000;

/* One per process. */
struct Clock {
  ClockGettime vdso;     // nullptr: the syscall
  uint32_t use_counter;  // 0: all time comes from the vDSO
  uint32_t reserved;
  // Any thread writes these, each by one atomic store. They may come from two measurements: all of them are good.
  uint64_t ns_per_tick;   // 32.32 fixed point; 0: not measured yet
  uint64_t second_ticks;  // ticks in a second
  uint64_t long_ticks;    // ticks in kLongInterval_ns
};

/* One per thread. */
struct Anchor {
  uint64_t ticks, ns;   // the same instant on both clocks; ns 0: none yet
  uint64_t last_ticks;  // when the thread last asked
  uint64_t precise;     // whether the two were read close enough together to measure a rate
};

#if defined(__x86_64__)
inline uint64_t read_counter() { return __builtin_ia32_rdtsc(); }

inline bool counter_is_steady() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(0x80000007, &a, &b, &c, &d)) return false;
  return d & (1u << 8);  // invariant TSC
}
inline const char* counter_source() { return "tsc\n"; }
#else
inline uint64_t read_counter() {
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
}
inline bool counter_is_steady() { return true; }  // by architecture
inline const char* counter_source() { return "arch_sys_counter\n"; }
#endif

/* Fills in a zeroed clock. Opens files in /proc and /sys. */
inline void start_clock(Clock& clock) {
  char source[32];
  clock.vdso = find_vdso_clock();
  clock.use_counter = counter_is_steady() &&
                      sys::read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                                     source, sizeof source) > 0 &&
                      same_text(source, counter_source());
}

/* Sets the thread's anchor and returns the time. */
__attribute__((noinline)) inline uint64_t take_anchor(Clock& clock, Anchor& anchor) {
  uint64_t before = read_counter();
  uint64_t ns = monotonic_ns(clock.vdso);
  uint64_t after = read_counter();
  uint64_t ticks = before + (after - before) / 2;
  uint64_t elapsed_ns = ns - anchor.ns, elapsed_ticks = ticks - anchor.ticks;

  // The rate is measured over 10 ms to 2 s: less is imprecise; more may contain a suspend, in which the two differ.
  uint64_t precise = (after - before) < (1u << 12);
  if (precise && anchor.precise && anchor.ns && elapsed_ns >= 10000000 && elapsed_ns <= 2000000000 &&
      (after - before) * 20000 < elapsed_ticks) {
    uint64_t ns_per_tick = (elapsed_ns << 32) / elapsed_ticks;
    __atomic_store_n(&clock.second_ticks, (1000000000ull << 32) / ns_per_tick, __ATOMIC_RELAXED);
    __atomic_store_n(&clock.long_ticks, (kLongInterval_ns << 32) / ns_per_tick, __ATOMIC_RELAXED);
    // Pairs with now_ns(): who sees a rate sees the two limits set.
    __atomic_store_n(&clock.ns_per_tick, ns_per_tick, __ATOMIC_RELEASE);
  }

  // Until there is a rate, a precise anchor is kept for as long as a rate can be measured from it.
  uint64_t rate = __atomic_load_n(&clock.ns_per_tick, __ATOMIC_RELAXED);
  if (rate || !anchor.ns || !anchor.precise || elapsed_ns > 2000000000) {
    anchor.ticks = ticks;
    anchor.ns = ns;
    anchor.precise = precise;
  }
  anchor.last_ticks = after;
  return ns;
}

/* The time now. */
inline uint64_t now_ns(Clock& clock, Anchor& anchor) {
  if (!clock.use_counter) return monotonic_ns(clock.vdso);
  uint64_t ticks = read_counter();
  uint64_t rate = __atomic_load_n(&clock.ns_per_tick, __ATOMIC_ACQUIRE);  // pairs with take_anchor()
  uint64_t since_anchor = ticks - anchor.ticks;
  // Unsigned: a counter that went back makes these differences huge, and the anchor is set again. At most a second
  // has passed since the anchor, so the product below stays under 2^62.
  if (!rate || since_anchor > __atomic_load_n(&clock.second_ticks, __ATOMIC_RELAXED) ||
      ticks - anchor.last_ticks > __atomic_load_n(&clock.long_ticks, __ATOMIC_RELAXED))
    return take_anchor(clock, anchor);
  anchor.last_ticks = ticks;
  return anchor.ns + ((since_anchor * rate) >> 32);
}

}  // namespace looptap

#endif
