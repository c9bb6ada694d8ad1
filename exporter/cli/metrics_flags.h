// The flags --metrics.*: which series there are.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>

#include "exporter/cli/command_parser.h"

namespace looptap {

struct MetricsOptions {
  bool aggregate_processes = false;  ///< series for all loops of a process together
};

class MetricsFlags {
 public:
  void declare(FlagSet& set);
  MetricsOptions check() const;

 private:
  std::string aggregate_ = "none";
};

}  // namespace looptap
