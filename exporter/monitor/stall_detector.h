// Makes StallEvents out of what one loop showed from poll to poll.
//
// One of these for each loop. Not thread-safe; throws nothing but for want of memory and what the listener throws.
#pragma once

#include <cstdint>
#include <functional>

#include "exporter/model/loop_figures.h"
#include "exporter/model/loop_sample.h"
#include "exporter/monitor/stall_events.h"

namespace looptap {

/// What of a StallEvent this knows.
struct StallChange {
  StallEventKind kind;
  uint64_t began_ns, duration_ns, count;
};

class StallDetector {
 public:
  using Report = std::function<void(const StallChange&)>;

  /// \param first what ended before it is not reported.
  StallDetector(const LoopSample& first, uint32_t stall_bound);

  void update(const LoopSample& sample, const LoopFigures& figures, const Report& report);

 private:
  DurationHistogram closed_stalls(const LoopSample& sample) const;

  uint32_t stall_bound_;
  DurationHistogram closed_;   // iterations longer than the threshold, at the last update
  uint64_t began_ns_ = 0;      // of the stall that is open; 0: none
  uint64_t since_ns_ = 0;      // the sample's activity_since_ns then: another one is another stall
  uint64_t last_seen_ns_ = 0;  // its duration when it was last seen
};

}  // namespace looptap
