// The metrics of DESIGN section 4, as prometheus-cpp's model.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "exporter/latency.h"
#include "exporter/loop_monitor.h"
#include "exporter/shown_counters.h"

namespace looptap {

struct CollectorSettings {
  std::vector<double> quantiles;  ///< 0 .. 1, ascending
  Bounds latency_bounds_ns;       ///< ascending
  uint64_t stall_threshold_ns;    ///< moved to the nearest bucket bound
};

/// Thread-safe.
class LoopCollector : public prometheus::Collectable {
 public:
  LoopCollector(LoopMonitor& monitor, CollectorSettings settings);

  /// Reads every loop anew. The one observation that is late: how long the scrape before this one took.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  LoopMonitor& monitor_;
  const CollectorSettings settings_;
  const uint32_t stall_bound_;
  mutable std::mutex mutex_;  // for what follows
  mutable ShownCounters shown_;
  mutable double last_scrape_seconds_ = 0;
};

}  // namespace looptap
