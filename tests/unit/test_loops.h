// Slots, ring and threads in plain memory, for the state machine's tests.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "exporter/model/histogram_bounds.h"
#include "preload/loop_state.h"

struct TestLoops {
  explicit TestLoops(uint32_t count) : slots(count) {
    std::memset(static_cast<void*>(slots.data()), 0, count * sizeof(looptap_loop));
    view = {reinterpret_cast<unsigned char*>(slots.data()), sizeof(looptap_loop), &ring};
  }

  static looptap_thread thread(uint64_t number) {
    looptap_thread thread{};
    thread.number = number;
    thread.thread_id = static_cast<uint32_t>(1000 + number);
    return thread;
  }

  /// Gives slot `ordinal` to the thread, as its first wait would.
  void begin(uint32_t ordinal, const looptap_thread& thread, uint64_t now_ns = 0) {
    looptap_begin(&slots[ordinal], &thread, now_ns);
  }

  /// A whole wait.
  void wait(looptap_thread& thread, uint32_t ordinal, uint64_t from_ns, uint64_t to_ns,
            int64_t timeout_ns = -1, int64_t result = 1) {
    const uint32_t number = looptap_enter(&view, &thread, ordinal, from_ns, timeout_ns);
    looptap_leave(&view, &thread, ordinal, number, to_ns, result);
  }

  static uint64_t iterations(const looptap_loop& loop) {
    uint64_t count = loop.zero_iterations;
    for (const uint64_t bucket : loop.iterations) count += bucket;
    return count;
  }
  /// Duration of all closed iterations.
  static uint64_t away_ns(const looptap_loop& loop) {
    uint64_t sum = loop.short_iterations_ns;
    for (const uint64_t bucket : loop.iteration_sums_ns) sum += bucket;
    return sum;
  }
  static bool settled(const looptap_loop& loop) {
    return loop.state >> 24 == (loop.settled & LOOPTAP_TRANSITIONS);
  }
  static uint64_t waiters(const looptap_loop& loop) { return loop.state & LOOPTAP_WAITERS; }
  static bool dormant(const looptap_loop& loop) { return loop.state & LOOPTAP_DORMANT; }

  std::vector<looptap_loop> slots;
  looptap_ring ring{};
  looptap_loops view{};
};
