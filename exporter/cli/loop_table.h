// The loops as a small table for a terminal.
#pragma once

#include <string>
#include <vector>

#include "exporter/monitor/loop_monitor.h"

namespace looptap {

/// One line per loop, over its whole life.
class LoopTable {
 public:
  LoopTable();
  void add(const LoopView& loop);

  /// A line that says so when there was no loop. Ends in a newline.
  std::string format() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace looptap
