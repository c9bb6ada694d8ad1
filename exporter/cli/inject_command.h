// `looptap inject`: Kubernetes manifests, with the probe in their pods.
//
// Errors: std::runtime_error with one line.
#pragma once

#include "exporter/cli/inject_flags.h"

namespace looptap {

/// Reads the manifest, writes it to stdout; says on stderr what became of each pod. Documents without a change come out
/// byte for byte. \return the exit status. \throws std::runtime_error with one clear line, FILE:LINE:COLUMN in front where
/// the manifest is wrong; nothing has been written then.
int inject(const InjectOptions& options);

}  // namespace looptap
