// The environment that the program gets: ours, with some variables replaced.
//
// Thread-safety: none. Errors: none.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace looptap {

class ProgramEnvironment {
 public:
  /// This process' environment.
  ProgramEnvironment();

  /// Replaces the variable where it stands, or adds it at the end.
  void set(const std::string& name, const std::string& value);

  /// systemd's LISTEN_PID and WATCHDOG_PID name the process that is meant, us: from here on the program.
  /// Allocates nothing.
  void hand_over_to(pid_t program) noexcept;

  /// For exec. Valid until set() is called.
  char** pointers();

 private:
  std::vector<std::string> entries_;
  std::vector<size_t> ours_;  // entries that name this process
  std::vector<char*> pointers_;
};

}  // namespace looptap
