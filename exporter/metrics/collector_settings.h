// What the metrics show, as the flags say. A value: thread-safe.
#pragma once

#include <string>

#include "exporter/model/latency.h"

namespace looptap {

struct CollectorSettings {
  Bounds latency_bounds_ns;  ///< ascending
  bool aggregate_processes;  ///< one set of series for all loops of a process
  std::string bpf_hook;      ///< where eBPF learns of waits; empty: there is none
};

}  // namespace looptap
