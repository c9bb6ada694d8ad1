// A part that may fail and is tried again: each failure is counted, and what changes is told.
//
// Not thread-safe: one thread at a time runs it. run() throws nothing, also where there is no memory: a thread's own function
// may call it. What the part throws, which is a std::exception, ends here.
#pragma once

#include <exception>
#include <string>

#include "exporter/self/own_metrics.h"

namespace looptap {

class FailingPart {
 public:
  /// \param where as looptap_errors_total{where} has it. \param who "the monitor": the subject of what is told.
  /// \param effect what its failure means, said after "fails".
  FailingPart(const char* where, std::string who, std::string effect);

  /// \return whether it did not fail. Logs when it begins to fail, fails in another way, or works again.
  /// \param part a template's: a std::function may take memory, for which nobody would catch the want.
  template <class Part>
  bool run(const Part& part) noexcept {
    try {
      part();
    } catch (const std::exception& error) {
      failed(error.what());
      return false;
    }
    worked();
    return true;
  }

  /// Whether it failed when it was last run.
  bool is_failing() const { return !failure_.empty(); }

 private:
  void failed(const char* why) noexcept;
  void worked() noexcept;

  self::Counter errors_;
  std::string who_, effect_;
  std::string failure_;  // what it threw when it was last run; empty: nothing
};

}  // namespace looptap
