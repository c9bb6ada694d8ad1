#include "exporter/cli/run_flags.h"

namespace looptap {

void RunFlags::declare(FlagSet& set) {
  exporter_.declare(set);
  set.add_trailing_command(command_);
}

}  // namespace looptap
