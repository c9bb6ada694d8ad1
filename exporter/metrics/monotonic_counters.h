// Counters, once shown, do not go back.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "exporter/model/latency.h"

namespace looptap {

/// Those of a loop's counters that hold its open interval.
struct IntervalCounters {
  LatencyHistogram latency;
  uint64_t busy_ns = 0;
  uint64_t wait_ns = 0;
  uint64_t stalls = 0;
};

/// Prometheus takes a counter that decreases for one that began anew, and adds all of it to every rate. An
/// open interval can have been shown a little longer than it turns out to be: it ends at the instant at which its
/// thread looked at the clock, and a thread can be held up between that and saying so. Until the counters
/// have caught up, what was shown stands.
/// Not thread-safe.
class MonotonicCounters {
 public:
  /// Raises what is below what was shown for this key before.
  void clamp(uint64_t key, IntervalCounters& counters);

  /// Forgets the keys that clamp() has not been called for since the last time.
  void evict_unused();

 private:
  struct Shown {
    IntervalCounters counters;
    bool recently = true;
  };
  std::unordered_map<uint64_t, Shown> shown_;
};

}  // namespace looptap
