// `looptap serve`: the exporter, until it is told to stop.
#pragma once

#include "exporter/cli/command_line.h"

namespace looptap {

/// \return the exit status. Does not return at a signal: see serve_command.cc.
int serve(const ServeCommand& command);

}  // namespace looptap
