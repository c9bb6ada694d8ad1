// `looptap run`: a command with the probe, and the exporter beside it.
//
// Call once, before there are threads. Errors: std::invalid_argument and std::runtime_error, each with one line, before the
// command is started.
#pragma once

#include "exporter/cli/run_flags.h"

namespace looptap {

/// Ends this process as the command has ended: with its exit status or by the same signal; with 127 when there is no such
/// command, 126 when it cannot be executed.
[[noreturn]] int run(const RunOptions& options);

}  // namespace looptap
