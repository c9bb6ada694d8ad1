// The names that the probe gives to segments (docs/segment.md).
//
// Thread-safe: a pure function.
#pragma once

#include <string_view>

#include "exporter/model/process_identity.h"

namespace looptap {

/// Whether the name of a file, without its folder, is one that this process gives its segment: PID-NAMESPACE-INSTANT, with
/// namespace 0 where the process could not see its own.
bool is_segment_name_of(const ProcessIdentity& process, std::string_view name);

}  // namespace looptap
