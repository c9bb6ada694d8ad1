// The metrics of DESIGN section 4.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "exporter/metrics/collector_settings.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/monotonic_counters.h"
#include "exporter/monitor/loop_monitor.h"

namespace looptap {

/// Thread-safe.
class LoopCollector {
 public:
  LoopCollector(LoopMonitor& monitor, CollectorSettings settings);

  /// Reads every loop anew. The one observation that is late: how long the scrape before this one took.
  std::string collect(ExpositionFormat format);

 private:
  LoopMonitor& monitor_;
  const CollectorSettings settings_;
  const uint32_t stall_bound_;
  std::mutex mutex_;  // for what follows
  MonotonicCounters shown_;
  double last_scrape_seconds_ = 0;
};

}  // namespace looptap
