// The flags --latency.* and --stall.threshold: how a loop's latency is summed up.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check(). Units: nanoseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exporter/cli/command_parser.h"
#include "exporter/model/latency.h"

namespace looptap {

struct LatencyOptions {
  uint64_t window_ns = 0;           ///< from 1 s to 1 h
  std::vector<double> quantiles;    ///< from 0 to 1, rising
  Bounds bounds_ns;                 ///< above 0, rising
  uint64_t stall_threshold_ns = 0;  ///< from 1 ms to 1 h
};

class LatencyFlags {
 public:
  void declare(FlagSet& set);
  LatencyOptions check() const;

 private:
  std::string window_ = "60s";
  std::string quantiles_ = "0.5,0.95,0.99";
  std::string buckets_ = "1ms,2.5ms,5ms,10ms,25ms,50ms,100ms,250ms,500ms,1s,2.5s,5s,10s";
  std::string stall_threshold_ = "100ms";
};

}  // namespace looptap
