#include "exporter/cli/metrics_flags.h"

#include <stdexcept>

namespace looptap {

void MetricsFlags::declare(FlagSet& set) {
  set.add("--metrics.aggregate", aggregate_, "WHAT",
          "none: series for each loop; process: for all loops of a process together");
}

MetricsOptions MetricsFlags::check() const {
  if (aggregate_ != "none" && aggregate_ != "process")
    throw std::invalid_argument("--metrics.aggregate: \"" + aggregate_ + "\" is not none or process");
  return {aggregate_ == "process"};
}

}  // namespace looptap
