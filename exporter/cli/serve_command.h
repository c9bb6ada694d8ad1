// `looptap serve`: the exporter, until SIGTERM or SIGINT.
//
// Call once, before there are threads. Errors: std::invalid_argument and std::runtime_error, each with one line, before
// anything is served.
#pragma once

#include "exporter/cli/serve_flags.h"

namespace looptap {

/// \return the exit status. Does not return at a signal: see serve_command.cc.
int serve(const ServeOptions& options);

}  // namespace looptap
