// The descriptors that looptap was started with: they are the program's.
//
// Thread-safety: none; for a process without threads. Errors: none; what cannot be closed stays open.
#pragma once

#include <vector>

namespace looptap {

/// Where 0, 1 or 2 is closed, a socket of ours would become it, and log lines would go to whoever is at its other end. /dev/null
/// becomes it instead; exec closes that, so that a program finds closed what was.
void occupy_standard_descriptors();

class GivenDescriptors {
 public:
  /// Those that are open now, but for what exec closes.
  GivenDescriptors();

  /// Once the program's process has them: gives up all but stderr, so that a pipe ends, and a lock is free, when the program
  /// closes it, not when we do.
  void leave_to_program() const;

 private:
  std::vector<int> given_;
};

}  // namespace looptap
