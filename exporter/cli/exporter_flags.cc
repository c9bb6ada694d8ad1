#include "exporter/cli/exporter_flags.h"

namespace looptap {

void ExporterFlags::declare(FlagSet& set) {
  web_.declare(set);
  segments_.declare(set);
  latency_.declare(set);
  metrics_.declare(set);
  log_.declare(set);
}

ExporterOptions ExporterFlags::check() const {
  return {web_.check(), segments_.check(), latency_.check(), metrics_.check(), log_.check()};
}

}  // namespace looptap
