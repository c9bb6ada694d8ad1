// Whether this machine lets us use BPF.
//
// Thread-safe. Errors: std::runtime_error with one clear line.
#pragma once

namespace looptap {

/// \throws std::runtime_error with one clear line that names what is missing: the kernel's age or BTF, capabilities.
void check_bpf_requirements();

/// Before Linux 6.0 reading the maps takes CAP_BPF, too, where unprivileged BPF is off.
bool reading_maps_takes_privilege();

}  // namespace looptap
