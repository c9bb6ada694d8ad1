// The descriptors that looptap was started with: they are the program's.
//
// Thread-safety: none; for a process without threads. Errors: none; what cannot be closed stays open.
#pragma once

#include <vector>

namespace looptap {

class GivenDescriptors {
 public:
  /// Makes sure that no file of ours becomes 0, 1 or 2 where one of them is closed: a log line would be written into it. The
  /// program finds it closed all the same.
  GivenDescriptors();

  /// Once the program's process has them: gives up all but stderr, so that a pipe ends, and a lock is free, when the program
  /// closes it, not when we do.
  void leave_to_program() const;

 private:
  std::vector<int> given_;
};

}  // namespace looptap
