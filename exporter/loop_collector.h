// The metrics of DESIGN section 4.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "exporter/exposition.h"
#include "exporter/latency.h"
#include "exporter/loop_monitor.h"
#include "exporter/shown_counters.h"

namespace looptap {

struct CollectorSettings {
  std::vector<double> quantiles;  ///< 0 .. 1, ascending
  Bounds latency_bounds_ns;       ///< ascending
  uint64_t stall_threshold_ns;    ///< moved to the nearest bucket bound
  bool aggregate_processes;       ///< one set of series for all loops of a process
  std::string bpf_hook;           ///< where eBPF learns of waits; empty: there is none
};

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
  ShownCounters shown_;
  double last_scrape_seconds_ = 0;
};

}  // namespace looptap
