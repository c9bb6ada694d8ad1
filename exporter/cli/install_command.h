// `looptap install`: the probe's library into a directory, such as a volume that containers share. The directory is made where it is missing;
// its parent is not, as that is a word misspelt.
//
// Errors: std::runtime_error with one line.
#pragma once

#include "exporter/cli/install_flags.h"

namespace looptap {

/// \return the exit status.
int install(const InstallOptions& options);

}  // namespace looptap
