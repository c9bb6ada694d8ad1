// `looptap serve`: the exporter, until it is told to stop.
#pragma once

#include "exporter/cli/serve_flags.h"

namespace looptap {

/// \return the exit status. Does not return at a signal: see serve_command.cc.
int serve(const ServeOptions& options);

}  // namespace looptap
