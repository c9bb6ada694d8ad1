// What happened to a loop in the last window of time, whoever asks and how often.
#pragma once

#include <cstdint>
#include <deque>

#include "exporter/model/latency.h"
#include "exporter/model/loop_sample.h"
#include "exporter/model/packed_histogram.h"

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
    PackedHistogram iterations;  // that closed in it
    uint64_t idle_ns = 0;
    uint64_t open_at_start_ns = 0;
  };

  std::deque<Span> spans_;  // from one tick to the next, the oldest first, at most kTicks
  // Before the first of them,
  DurationHistogram start_iterations_;
  uint64_t start_idle_ns_ = 0;
  // and at the last tick.
  PackedHistogram last_iterations_;
  uint64_t last_idle_ns_ = 0;
  uint64_t last_open_ns_ = 0;
};

}  // namespace looptap
