// `looptap run`: a command with the probe, and the exporter beside it.
//
// Call once, before there are threads. Errors: std::invalid_argument and std::runtime_error, each with one line, before the
// command is started.
#pragma once

#include "exporter/cli/run_flags.h"

namespace looptap {

/// \return the exit status: the command's, 128 + n for a signal, 127 when there is no such command, 126 when
/// it cannot be executed.
int run(const RunOptions& options);

}  // namespace looptap
