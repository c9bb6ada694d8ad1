// The privileges of this process (capabilities(7)).
#pragma once

#include <linux/capability.h>

#include <initializer_list>

namespace looptap {

bool has_capability(int capability);

/// Gives up all but these, for good, and whatever a set-uid program could bring back. Of the calling thread, and of those
/// that it starts.
void keep_only_capabilities(std::initializer_list<int> wanted);

}  // namespace looptap
