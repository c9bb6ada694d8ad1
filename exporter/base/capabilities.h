// The privileges of a thread and its children (capabilities(7)).
//
// Thread-safe, but each thread has its own: drop them before starting others. Errors: false, or nothing is dropped.
#pragma once

#include <linux/capability.h>

#include <initializer_list>

namespace looptap {

/// Whether the calling thread has it (CAP_*).
bool has_capability(int capability);

/// Drops all but these from the calling thread and those that it starts, for good: no set-uid program brings them back.
void keep_only_capabilities(std::initializer_list<int> wanted);

}  // namespace looptap
