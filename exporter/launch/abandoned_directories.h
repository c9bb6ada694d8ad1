// Removes private directories whose owner was killed.
//
// Thread-safety: none. Errors: none; what is in doubt stays.
#pragma once

#include <string>
#include <vector>

namespace looptap {

/// Removes each private directory of our user and our PID namespace in these parents which nobody uses any more. That takes all of this: its owner's
/// lock is free; no file in it is locked, as the segment of a live process is; and no process has its path in its environment,
/// so that none will make a segment in it or load a library from it.
void remove_abandoned_directories(const std::vector<std::string>& parents);

}  // namespace looptap
