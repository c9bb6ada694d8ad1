// The loops as JSON, for the page and for scripts. nlohmann's library stays behind loops_api.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "exporter/model/loop_history.h"
#include "exporter/monitor/loop_monitor.h"

namespace looptap {

struct LoopsApiSettings {
  uint64_t window_ns;
  uint64_t stall_threshold_ns;  ///< moved to the nearest bucket bound
};

/// `/api/v1/loops`: every loop with its figures. Times are in seconds; what is not known is null.
class LoopsDocument {
 public:
  explicit LoopsDocument(const LoopsApiSettings& settings);
  ~LoopsDocument();
  void add(const LoopView& loop);
  std::string finish(const MonitorTotals& totals);

 private:
  struct Json;
  const LoopsApiSettings settings_;
  std::unique_ptr<Json> loops_;
};

/// `/api/v1/loops/ID/history`: one loop's last ten minutes, an array for each figure.
std::string history_json(const std::vector<HistoryColumn>& columns);

}  // namespace looptap
