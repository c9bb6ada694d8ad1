// What happened to a loop in the last window of time, independent of who looks and how often.
#pragma once

#include <cstdint>
#include <deque>

#include "exporter/latency.h"
#include "exporter/loop_sample.h"

namespace looptap {

/// Kept as what changed from one tick to the next, so that an idle loop costs next to nothing.
/// Not thread-safe.
class LatencyWindow {
 public:
  static constexpr unsigned kTicks = 12;  ///< the owner calls tick() every window / kTicks

  /// Begins with the loop's whole past: for a loop that is younger than the window.
  LatencyWindow() = default;
  /// Begins at `first`: what was before it is not in the window.
  explicit LatencyWindow(const LoopSample& first);

  void tick(const LoopSample& sample);

  /// From the window's start up to `sample`, which is not older than the last tick.
  Observed observed(const LoopSample& sample) const;

 private:
  struct Span {
    DurationHistogram iterations;
    uint64_t idle_ns = 0;
    uint64_t open_at_start_ns = 0;
  };
  Span since_last_tick(const LoopSample& sample) const;

  std::deque<Span> spans_;  // the oldest first, at most kTicks
  DurationHistogram last_iterations_;
  uint64_t last_idle_ns_ = 0;
  uint64_t last_open_ns_ = 0;
};

}  // namespace looptap
