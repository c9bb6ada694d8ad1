// A part that may fail and is tried again: each failure is counted, and what changes is told.
//
// Not thread-safe: one thread at a time runs it. Throws nothing but for want of memory; what the part throws, if it is a
// std::exception, ends here.
#pragma once

#include <functional>
#include <string>

#include "exporter/self/own_metrics.h"

namespace looptap {

class FailingPart {
 public:
  /// \param where as looptap_errors_total{where} has it. \param who "the monitor": the subject of what is told.
  /// \param effect what its failure means, said after "fails".
  FailingPart(const char* where, std::string who, std::string effect);

  /// \return whether it did not fail. Logs when it begins to fail, fails in another way, or works again.
  bool run(const std::function<void()>& part);

  /// Whether it failed when it was last run.
  bool is_failing() const { return !failure_.empty(); }

 private:
  self::Counter errors_;
  std::string who_, effect_;
  std::string failure_;  // what it threw when it was last run; empty: nothing
};

}  // namespace looptap
