// The cgroups that --bpf.target=cgroup:PATH names: what the kernel knows them by.
//
// Thread-safe. Errors: std::runtime_error with one clear line.
#pragma once

#include <string>
#include <vector>

#include "bpf/records.h"

namespace looptap {

/// \param path a directory of any hierarchy, v1 or v2, or a path within them: /kubepods/besteffort, say. Such a path may
/// be there in several of them, as with cgroup v1 each controller has its own; a process is in one place in each.
/// \return at least one.
/// \throws std::runtime_error with one clear line.
std::vector<looptap_wanted_cgroup> find_wanted_cgroups(const std::string& path);

}  // namespace looptap
