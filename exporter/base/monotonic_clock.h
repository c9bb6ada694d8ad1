// The clock of the segments: CLOCK_MONOTONIC, in nanoseconds. Thread-safe.
#pragma once

#include <cstdint>
#include <ctime>

namespace looptap {

inline uint64_t monotonic_now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace looptap
