// Counters, once shown, do not go back.
//
// Not thread-safe. Throws nothing but for want of memory.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "exporter/metrics/scalar_metrics.h"
#include "exporter/model/latency.h"

namespace looptap {

/// Prometheus takes a counter that decreases for one that began anew, and adds all of it to every rate. An
/// open interval can have been shown a little longer than it turns out to be: it ends at the instant at which its
/// thread looked at the clock, and a thread can be held up between that and saying so. Until the counters
/// have caught up, what was shown stands.
class MonotonicCounters {
 public:
  /// Raises what is below what was shown for this key before: the latency's counts, and the scalars that hold the open
  /// interval (Interval::kOpen).
  void clamp(uint64_t key, LatencyHistogram& latency, LoopScalars& scalars);

  /// Forgets the keys that clamp() has not been called for since the last time.
  void evict_unused();

 private:
  struct Shown {
    LatencyHistogram latency;
    LoopScalars scalars{};
    bool recently = true;
  };
  std::unordered_map<uint64_t, Shown> shown_;
};

}  // namespace looptap
