// Which process a feed of loops belongs to.
//
// Values: thread-safe. Nothing throws but for want of memory.
#pragma once

#include <cstdint>
#include <string>

namespace looptap {

/// Texts are valid UTF-8.
struct ProcessIdentity {
  std::string name;  ///< LOOPTAP_NAME, or the comm
  uint32_t pid = 0;  ///< in its own PID namespace
  uint64_t pid_namespace = 0;
  uint32_t initial_pid = 0;  ///< in the initial PID namespace; 0: its source does not know
  uint64_t start_ticks = 0;
  uint64_t created_ns = 0;  ///< when its first loop was seen, CLOCK_MONOTONIC
};

}  // namespace looptap
