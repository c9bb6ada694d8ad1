// What /metrics answers: all families, of one Snapshot, in one of the formats that Prometheus reads.
//
// Thread-safe; one scrape at a time, so that counters are shown in the order in which they were read. Throws nothing but for want
// of memory.
#pragma once

#include <mutex>
#include <string>

#include "exporter/metrics/collector_settings.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/monotonic_counters.h"
#include "exporter/monitor/loop_monitor.h"
#include "exporter/self/own_metrics.h"

namespace looptap {

class LoopCollector {
 public:
  /// \param monitor must outlive it.
  LoopCollector(LoopMonitor& monitor, CollectorSettings settings);

  /// Reads every loop anew. The one observation that is late: how long the scrape before this one took.
  std::string collect(ExpositionFormat format);

 private:
  LoopMonitor& monitor_;
  const CollectorSettings settings_;
  std::mutex mutex_;  // for what follows
  MonotonicCounters shown_;
  Snapshot snapshot_;  // the last one, for its memory
  self::Gauge last_scrape_duration_ = self::last_scrape_duration();
};

}  // namespace looptap
