// The loops as JSON, for the page and for scripts.
//
// Pure functions: thread-safe. Nothing throws but for want of memory. Times are in seconds; what is not known is null.
#pragma once

#include <string>
#include <vector>

#include "exporter/model/loop_history.h"
#include "exporter/monitor/snapshot.h"

namespace looptap {

/// `/api/v1/loops`: every loop with its figures.
std::string loops_json(const Snapshot& snapshot);

/// `/api/v1/loops/ID/history`: one loop's last ten minutes, an array for each figure.
std::string history_json(const std::vector<HistoryColumn>& columns);

}  // namespace looptap
