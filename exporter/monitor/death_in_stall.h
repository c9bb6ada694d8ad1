// Processes that died without exiting while a loop of theirs was in a stall: killed by a watchdog, most likely.
//
// Thread-safe.
#pragma once

#include <cstdint>

#include "exporter/monitor/process_table.h"

namespace looptap {

/// For each loop of a process that has just been found dead: whether it died in a stall, which is logged, and
/// counted in self::deaths_in_stall().
void count_deaths_in_stall(TrackedProcess& process, uint64_t stall_threshold_ns);

}  // namespace looptap
