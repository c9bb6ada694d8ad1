// What the metrics show, as the flags say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exporter/model/latency.h"

namespace looptap {

struct CollectorSettings {
  std::vector<double> quantiles;  ///< 0 .. 1, ascending
  Bounds latency_bounds_ns;       ///< ascending
  uint64_t stall_threshold_ns;    ///< moved to the nearest bucket bound
  bool aggregate_processes;       ///< one set of series for all loops of a process
  std::string bpf_hook;           ///< where eBPF learns of waits; empty: there is none
};

}  // namespace looptap
