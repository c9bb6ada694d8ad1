// The loops as a small table for a terminal, over their whole lives.
//
// A pure function: thread-safe. Throws nothing but for want of memory.
#pragma once

#include <string>

#include "exporter/monitor/snapshot.h"

namespace looptap {

/// One line per loop, or one that says that there was none. Ends in a newline.
std::string loop_table(const Snapshot& snapshot);

}  // namespace looptap
