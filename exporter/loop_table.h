// The loops as a small table for a terminal.
#pragma once

#include <string>

#include "exporter/loop_monitor.h"

namespace looptap {

/// One line per loop, over its whole life; a line that says so when there is none. Ends in a newline.
std::string format_loop_table(const MonitorView& view);

}  // namespace looptap
